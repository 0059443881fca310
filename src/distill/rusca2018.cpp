#include "distill/rusca2018.hpp"

#include <algorithm>
#include <cmath>

#include "distill/proof_checks.hpp"
#include "distill/statistics.hpp"

namespace quoin {

namespace {

constexpr double failure_terms = 19;  // eps_sec = 19 eps: Rusca 2018, appendix B

struct BasisBounds {
  double s0_lower = 0;
  double s0_upper = 0;
  double s1 = 0;
};

double deviation(const RuscaInput& in, const std::array<double, 2>& counts) {
  return hoeffding_deviation(sum(counts), in.epsilon_sec / failure_terms);
}

BasisBounds bound_basis(const RuscaInput& in, const DecoyBasis<2>& basis, double tau0,
                        double tau1) {
  const auto n = scale_counts(in.source, basis.detected, deviation(in, basis.detected));
  const auto m = scale_counts(in.source, basis.errors, deviation(in, basis.errors));
  BasisBounds out;
  out.s0_lower = one_decoy_vacuum(in.source, n, tau0);
  out.s0_upper = one_decoy_vacuum_upper(m, tau0, deviation(in, basis.detected));
  out.s1 = one_decoy_singles(in.source, n, tau0, tau1, out.s0_upper);
  return out;
}

MaybeRefusal refuse_input(const RuscaInput& in, double epsilon_cor) {
  return refuse_decoy_input(in.source, in.key, in.test,
                            {in.leak_bits, in.epsilon_sec, epsilon_cor});
}

MaybeRefusal refuse_result(const RuscaInput& in, const RuscaBounds& b) {
  return refuse_decoy_bounds(in.source, in.key, in.test,
                             {b.s_z0_lower, b.s_z1, 0, b.s_x1, b.phi_z});
}

}  // namespace

RuscaBounds rusca2018_bounds(const RuscaInput& in) {
  RuscaBounds out;
  out.tau0 = photon_probability(in.source, 0);
  out.tau1 = photon_probability(in.source, 1);
  const BasisBounds z = bound_basis(in, in.key, out.tau0, out.tau1);
  const BasisBounds x = bound_basis(in, in.test, out.tau0, out.tau1);
  out.s_z0_lower = z.s0_lower;
  out.s_z0_upper = z.s0_upper;
  out.s_x0_upper = x.s0_upper;
  out.s_z1 = z.s1;
  out.s_x1 = x.s1;
  const auto m_x = scale_counts(in.source, in.test.errors, deviation(in, in.test.errors));
  out.v_x1 = one_decoy_single_errors(in.source, m_x, out.tau1);

  out.phi_z = 0.5;
  const bool has_singles = out.s_z1 > 0 && out.s_x1 > 0;
  if (has_singles && out.v_x1 < out.s_x1 / 2) {
    // gamma ends at 0 errors, where a sample proves nothing so sharp: one is counted at least.
    const double ratio = std::max(out.v_x1, 1.0) / out.s_x1;
    const double gamma = sampling_gamma(in.epsilon_sec, ratio, out.s_x1, out.s_z1, in.gamma_terms);
    out.phi_z = std::min(0.5, ratio + gamma);
  }
  out.penalty_bits = 6 * std::log2(failure_terms / in.epsilon_sec) + in.correctness_bits;
  const double vacuum = in.vacuum_counts ? out.s_z0_lower : 0.0;
  const double single = has_singles ? out.s_z1 * (1 - binary_entropy(out.phi_z)) : 0.0;
  out.secrecy_bits = vacuum + single;
  out.length_bits = out.secrecy_bits - in.leak_bits - out.penalty_bits;
  return out;
}

KeyLength rusca2018_length(const RuscaInput& in, double epsilon_cor) {
  KeyLength out;
  if (auto refusal = refuse_input(in, epsilon_cor)) {
    refuse(out, std::move(*refusal));
    return out;
  }
  const RuscaBounds b = rusca2018_bounds(in);
  const double n_z = sum(in.key.detected);
  out.derivation = {{"n_z", n_z},
                    {"n_x", sum(in.test.detected)},
                    {"m_z", sum(in.key.errors)},
                    {"m_x", sum(in.test.errors)},
                    {"tau0", b.tau0},
                    {"tau1", b.tau1},
                    {"s_z0_lower", b.s_z0_lower},
                    {"s_z0_upper", b.s_z0_upper},
                    {"s_x0_upper", b.s_x0_upper},
                    {"s_z1", b.s_z1},
                    {"s_x1", b.s_x1},
                    {"v_x1", b.v_x1},
                    {"phi_z", b.phi_z},
                    {"leak_ec", in.leak_bits},
                    {"penalty", b.penalty_bits}};
  if (auto refusal = refuse_result(in, b)) {
    out.derivation.emplace_back("length", b.length_bits);
    refuse(out, std::move(*refusal));
    return out;
  }
  settle_length(out, {.events = n_z,
                      .secrecy_bits = b.secrecy_bits,
                      .leak_bits = in.leak_bits,
                      .penalty_bits = b.penalty_bits});
  return out;
}

}  // namespace quoin
