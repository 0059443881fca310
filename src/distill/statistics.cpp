#include "distill/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace quoin {

namespace {

// Relative entropy of two coins, in nats; p within (0, 1).
double relative_entropy(double b, double p) {
  const double heads = b > 0 ? b * std::log(b / p) : 0;
  return heads + (1 - b) * std::log((1 - b) / (1 - p));
}

}  // namespace

double binary_entropy(double x) {
  if (x <= 0) return 0;
  if (x >= 0.5) return 1;
  return -x * std::log2(x) - (1 - x) * std::log2(1 - x);
}

double hoeffding_deviation(double n, double failure) {
  return std::sqrt(n / 2 * std::log(1 / failure));
}

double sampling_gamma(double a, double b, double c, double d, double terms) {
  if (b <= 0) return 0;
  const double variance = (c + d) / (c * d);
  const double inner = variance / ((1 - b) * b) * (terms * terms) / (a * a);
  return std::sqrt(variance * (1 - b) * b / std::log(2.0) * std::log2(inner));
}

// P <= exp(-2 mu^2 n k^2 / ((n + k)(k + 1))) for n untested and k tested events.
double serfling_deviation(double tested, double untested, double failure) {
  const double weight = untested * tested * tested / ((untested + tested) * (tested + 1));
  return std::sqrt(std::log(1 / failure) / (2 * weight));
}

// The exponent is convex in e, so Newton's steps from above the root stay above it: whenever they
// stop, the answer is on the safe side. Pinsker's inequality gives the place to start.
double sampled_rate_bound(double errors, double tested, double untested, double failure) {
  if (!(tested > 0 && untested > 0 && errors < tested / 2)) return 0.5;
  const double b = std::max(errors, 0.0) / tested;
  const double limit = std::log(1 / failure);
  const double total = tested + untested;
  const double share = untested / total;  // dp/de
  const double start = b + std::sqrt(limit / (2 * tested)) / share;
  double e = std::min(start, 0.5);
  constexpr int steps_max = 60;
  for (int step = 0; step < steps_max; ++step) {
    const double p = (errors + untested * e) / total;
    const double excess = tested * relative_entropy(b, p) - limit;
    if (excess <= 0) break;  // at 1/2 from the start, or the root itself
    const double next = e - excess / (tested * (p - b) / (p * (1 - p)) * share);
    if (!(e - next > 1e-13 * e)) break;
    e = next;
  }
  return e;
}

}  // namespace quoin
