#include "distill/lim2014.hpp"

#include <algorithm>
#include <cmath>

#include "distill/proof_checks.hpp"
#include "distill/statistics.hpp"

namespace quoin {

namespace {

constexpr double failure_terms = 21;  // eps_sec = 21 eps: the terms of Lim 2014, appendix B

ScaledCounts<3> bound_counts(const LimInput& in, const std::array<double, 3>& counts) {
  const double deviation = hoeffding_deviation(sum(counts), in.epsilon_sec / failure_terms);
  return scale_counts(in.source, counts, deviation);
}

MaybeRefusal refuse_input(const LimInput& in, double epsilon_cor) {
  return refuse_decoy_input(in.source, in.key, in.test,
                            {in.leak_bits, in.epsilon_sec, epsilon_cor});
}

MaybeRefusal refuse_result(const LimInput& in, const LimBounds& b) {
  return refuse_decoy_bounds(in.source, in.key, in.test, {b.s_x0, b.s_x1, b.s_z0, b.s_z1, b.phi_x});
}

}  // namespace

LimBounds lim2014_bounds(const LimInput& in) {
  LimBounds out;
  out.tau0 = photon_probability(in.source, 0);
  out.tau1 = photon_probability(in.source, 1);
  const auto n_x = bound_counts(in, in.key.detected);
  const auto n_z = bound_counts(in, in.test.detected);
  const auto m_z = bound_counts(in, in.test.errors);
  out.s_x0 = two_decoy_vacuum(in.source, n_x, out.tau0);
  out.s_z0 = two_decoy_vacuum(in.source, n_z, out.tau0);
  out.s_x1 = two_decoy_singles(in.source, n_x, out.tau0, out.tau1, out.s_x0);
  out.s_z1 = two_decoy_singles(in.source, n_z, out.tau0, out.tau1, out.s_z0);
  out.v_z1 = two_decoy_single_errors(in.source, m_z, out.tau1);

  // Lim 2014, Eq. (5).
  out.phi_x = 0.5;
  const bool has_singles = out.s_x1 > 0 && out.s_z1 > 0;
  if (has_singles && out.v_z1 < out.s_z1 / 2) {
    // gamma ends at 0 errors, where a sample proves nothing so sharp: one is counted at least.
    const double ratio = std::max(out.v_z1, 1.0) / out.s_z1;
    const double gamma = sampling_gamma(in.epsilon_sec, ratio, out.s_z1, out.s_x1, failure_terms);
    out.phi_x = std::min(0.5, ratio + gamma);
  }
  // Lim 2014, Eq. (1).
  out.penalty_bits = 6 * std::log2(failure_terms / in.epsilon_sec) + in.correctness_bits;
  const double vacuum = in.vacuum_counts ? out.s_x0 : 0.0;
  const double single = has_singles ? out.s_x1 * (1 - binary_entropy(out.phi_x)) : 0.0;
  out.secrecy_bits = vacuum + single;
  out.length_bits = out.secrecy_bits - in.leak_bits - out.penalty_bits;
  return out;
}

KeyLength lim2014_length(const LimInput& in, double epsilon_cor) {
  KeyLength out;
  if (auto refusal = refuse_input(in, epsilon_cor)) {
    refuse(out, std::move(*refusal));
    return out;
  }
  const LimBounds b = lim2014_bounds(in);
  const double n_x = sum(in.key.detected);
  out.derivation = {{"n_x", n_x},
                    {"n_z", sum(in.test.detected)},
                    {"m_x", sum(in.key.errors)},
                    {"m_z", sum(in.test.errors)},
                    {"tau0", b.tau0},
                    {"tau1", b.tau1},
                    {"s_x0", b.s_x0},
                    {"s_x0_counted", in.vacuum_counts ? b.s_x0 : 0.0},
                    {"s_x1", b.s_x1},
                    {"s_z0", b.s_z0},
                    {"s_z1", b.s_z1},
                    {"v_z1", b.v_z1},
                    {"phi_x", b.phi_x},
                    {"leak_ec", in.leak_bits},
                    {"penalty", b.penalty_bits}};
  if (auto refusal = refuse_result(in, b)) {
    out.derivation.emplace_back("length", b.length_bits);
    refuse(out, std::move(*refusal));
    return out;
  }
  settle_length(out, {.events = n_x,
                      .secrecy_bits = b.secrecy_bits,
                      .leak_bits = in.leak_bits,
                      .penalty_bits = b.penalty_bits});
  return out;
}

}  // namespace quoin
