// Entropy and tail bounds that the key-length proofs share. Real-valued and pure; for src/distill
// and src/planning.
#pragma once

namespace quoin {

// Binary entropy in bits; 1 for arguments of 1/2 and above (it serves upper bounds), 0 at 0 and
// below.
double binary_entropy(double x);

// Hoeffding 1963, Theorem 1: a sum of n independent variables within [0, 1] exceeds its mean by
// sqrt(n/2 ln(1/failure)) or more with probability at most `failure`.
double hoeffding_deviation(double n, double failure);

// gamma(a, b, c, d) of Lim 2014, Eq. (5): how much the error rate of c untested events may exceed
// the rate b seen in d tested ones; `terms` is the constant inside (21 in the paper). 0 for b <= 0.
double sampling_gamma(double a, double b, double c, double d, double terms);

// Serfling 1974, Corollary 1.1, as in Tomamichel 2012 (supplementary): the rate of errors in
// `untested` events exceeds the rate in a random sample of `tested` ones by this much or more with
// probability at most `failure`.
double serfling_deviation(double tested, double untested, double failure);

// The same question with the exponent of Hoeffding 1963, Theorem 1 (it also holds for sampling
// without replacement, section 6 there): the largest rate e <= 1/2 of errors in the untested events
// that tested D(b || p) < ln(1/failure) still allows, where b = errors / tested, p = (errors +
// untested e) / (tested + untested) and D is the relative entropy of two coins. Falls with `tested`
// and `untested`, grows with `errors`, so bounds may stand in for all three.
double sampled_rate_bound(double errors, double tested, double untested, double failure);

}  // namespace quoin
