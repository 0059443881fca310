#include "distill/variable_length.hpp"

#include <algorithm>
#include <cmath>

#include "distill/lim2014.hpp"
#include "distill/proof_checks.hpp"
#include "distill/rusca2018.hpp"
#include "distill/statistics.hpp"

namespace quoin {

namespace {

// One-sided tail bounds behind s, k and v. Two decoys: above and below, three intensities, three
// sums (detections of both bases, errors of the test basis). One decoy: above and below, two
// intensities, four sums, and the errors of vacuum events in both bases.
constexpr double decoy_tails = 18;

double decoy_failure(double epsilon_sec) { return epsilon_sec / 4 / decoy_tails; }
double phase_failure(double epsilon_sec) { return epsilon_sec / 8 * epsilon_sec / 8; }  // e_p^2
double hashing_epsilon(double epsilon_sec) { return epsilon_sec / 2; }

template <std::size_t K>
double deviation(const VariableLengthInput<K>& in, const std::array<double, K>& counts) {
  return hoeffding_deviation(sum(counts), decoy_failure(in.epsilon_sec));
}

template <std::size_t K>
ScaledCounts<K> scale(const VariableLengthInput<K>& in, const std::array<double, K>& counts) {
  return scale_counts(in.source, counts, deviation(in, counts));
}

// s_x0, s_z0, s_x1, s_z1, v_z1 for three intensities.
void bound_photons(const VariableLengthInput<3>& in, VariableLengthBounds& out) {
  const auto n_x = scale(in, in.key.detected);
  const auto n_z = scale(in, in.test.detected);
  out.s_x0 = two_decoy_vacuum(in.source, n_x, out.tau0);
  out.s_z0 = two_decoy_vacuum(in.source, n_z, out.tau0);
  out.s_x1 = two_decoy_singles(in.source, n_x, out.tau0, out.tau1, out.s_x0);
  out.s_z1 = two_decoy_singles(in.source, n_z, out.tau0, out.tau1, out.s_z0);
  out.v_z1 = two_decoy_single_errors(in.source, scale(in, in.test.errors), out.tau1);
}

// The same for two intensities. Errors of the key basis are known once it is corrected.
void bound_photons(const VariableLengthInput<2>& in, VariableLengthBounds& out) {
  const auto m_z = scale(in, in.test.errors);
  out.s_x0 =
      one_decoy_vacuum_upper(scale(in, in.key.errors), out.tau0, deviation(in, in.key.detected));
  out.s_z0 = one_decoy_vacuum_upper(m_z, out.tau0, deviation(in, in.test.detected));
  out.s_x1 = one_decoy_singles(in.source, scale(in, in.key.detected), out.tau0, out.tau1, out.s_x0);
  out.s_z1 =
      one_decoy_singles(in.source, scale(in, in.test.detected), out.tau0, out.tau1, out.s_z0);
  out.v_z1 = one_decoy_single_errors(in.source, m_z, out.tau1);
}

template <class Textbook, std::size_t K>
Textbook textbook_input(const VariableLengthInput<K>& in) {
  Textbook out;
  out.key = in.key;
  out.test = in.test;
  out.source = in.source;
  out.leak_bits = in.leak_bits;
  out.correctness_bits = in.correctness_bits;
  out.epsilon_sec = in.epsilon_sec;
  out.vacuum_counts = false;
  return out;
}
double textbook_bits(const VariableLengthInput<3>& in) {
  return lim2014_bounds(textbook_input<LimInput>(in)).length_bits;
}
double textbook_bits(const VariableLengthInput<2>& in) {
  return rusca2018_bounds(textbook_input<RuscaInput>(in)).length_bits;
}

template <std::size_t K>
VariableLengthBounds bounds_of(const VariableLengthInput<K>& in) {
  VariableLengthBounds out;
  out.tau0 = photon_probability(in.source, 0);
  out.tau1 = photon_probability(in.source, 1);
  bound_photons(in, out);
  out.phi_x = 0.5;
  if (out.s_x1 > 0 && out.s_z1 > 0) {
    out.phi_x = sampled_rate_bound(out.v_z1, out.s_z1, out.s_x1, phase_failure(in.epsilon_sec));
    out.secrecy_bits = out.s_x1 * (1 - binary_entropy(out.phi_x));
  }
  out.penalty_bits = -2 * std::log2(2 * hashing_epsilon(in.epsilon_sec)) + in.correctness_bits;
  out.textbook_bits = textbook_bits(in);
  out.length_bits = std::min(out.secrecy_bits - in.leak_bits - out.penalty_bits, out.textbook_bits);
  return out;
}

template <std::size_t K>
MaybeRefusal refuse_input(const VariableLengthInput<K>& in, double epsilon_cor) {
  return refuse_decoy_input(in.source, in.key, in.test,
                            {in.leak_bits, in.epsilon_sec, epsilon_cor});
}

template <std::size_t K>
MaybeRefusal refuse_result(const VariableLengthInput<K>& in, const VariableLengthBounds& b) {
  constexpr bool are_lower = K == 3;  // with one decoy the vacuum bounds are upper ones
  return refuse_decoy_bounds(
      in.source, in.key, in.test,
      {are_lower ? b.s_x0 : 0, b.s_x1, are_lower ? b.s_z0 : 0, b.s_z1, b.phi_x});
}

template <std::size_t K>
KeyLength length_of(const VariableLengthInput<K>& in, double epsilon_cor) {
  KeyLength out;
  if (auto refusal = refuse_input(in, epsilon_cor)) {
    refuse(out, std::move(*refusal));
    return out;
  }
  const VariableLengthBounds b = bounds_of(in);
  const double n_x = sum(in.key.detected);
  out.derivation = {{"n_x", n_x},
                    {"n_z", sum(in.test.detected)},
                    {"m_x", sum(in.key.errors)},
                    {"m_z", sum(in.test.errors)},
                    {"tau0", b.tau0},
                    {"tau1", b.tau1},
                    {K == 3 ? "s_x0_lower" : "s_x0_upper", b.s_x0},
                    {K == 3 ? "s_z0_lower" : "s_z0_upper", b.s_z0},
                    {"s_x0_counted", 0.0},
                    {"s_x1", b.s_x1},
                    {"s_z1", b.s_z1},
                    {"v_z1", b.v_z1},
                    {"phi_x", b.phi_x},
                    {"leak_ec", in.leak_bits},
                    {"penalty", b.penalty_bits},
                    {"textbook_length", b.textbook_bits}};
  if (auto refusal = refuse_result(in, b)) {
    out.derivation.emplace_back("length", b.length_bits);
    refuse(out, std::move(*refusal));
    return out;
  }
  // Where the textbook bound is the smaller one, its larger penalties count.
  const double own = b.secrecy_bits - in.leak_bits - b.penalty_bits;
  const double penalty = b.penalty_bits + std::max(0.0, own - b.textbook_bits);
  settle_length(out, {.events = n_x,
                      .secrecy_bits = b.secrecy_bits,
                      .leak_bits = in.leak_bits,
                      .penalty_bits = penalty});
  return out;
}

}  // namespace

VariableLengthBounds variable_length_bounds(const VariableLengthInput<3>& in) {
  return bounds_of(in);
}
VariableLengthBounds variable_length_bounds(const VariableLengthInput<2>& in) {
  return bounds_of(in);
}
KeyLength variable_length(const VariableLengthInput<3>& in, double epsilon_cor) {
  return length_of(in, epsilon_cor);
}
KeyLength variable_length(const VariableLengthInput<2>& in, double epsilon_cor) {
  return length_of(in, epsilon_cor);
}

}  // namespace quoin
