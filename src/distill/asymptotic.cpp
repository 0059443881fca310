#include "distill/asymptotic.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "distill/proof_checks.hpp"
#include "distill/statistics.hpp"

namespace quoin {

namespace {

MaybeRefusal refuse_sifted(const char* name, const SiftedCounts& counts) {
  const std::array<double, 1> detected{counts.n};
  const std::array<double, 1> errors{counts.m};
  return refuse_counts(name, detected, errors);
}

MaybeRefusal refuse_leakage(const Leakage& leakage) {
  if (std::isfinite(leakage.bits) && leakage.efficiency >= 1 && std::isfinite(leakage.efficiency))
    return {};
  return Refusal{"leakage",
                 "the leakage is no count of bits, or the efficiency is below the Shannon limit 1"};
}

MaybeRefusal refuse_qber(double qber) {
  if (qber < 0.5) return {};
  return Refusal{"phase_error", "an error rate of one half or more carries no key"};
}

// Ends a calculation: rate per sifted bit, length, floor.
void settle(KeyLength& out, double n, double secrecy_bits, double leak_bits) {
  out.derivation.emplace_back("leak_ec", leak_bits);
  out.derivation.emplace_back("rate", (secrecy_bits - leak_bits) / n);
  settle_length(out, {.events = n, .secrecy_bits = secrecy_bits, .leak_bits = leak_bits});
}

double entropy_term(double p) { return p > 0 ? -p * std::log2(p) : 0; }

}  // namespace

double Leakage::of(double n, double qber) const {
  return bits >= 0 ? bits : efficiency * n * binary_entropy(qber);
}

double bb84_rate(double qber, double phase_error, double efficiency) {
  return 1 - binary_entropy(phase_error) - efficiency * binary_entropy(qber);
}

double six_state_eve_bits(double qber) {
  if (qber <= 0) return 0;
  if (qber >= 0.5) return 1;
  return entropy_term(1 - 1.5 * qber) + 3 * entropy_term(qber / 2) - binary_entropy(qber);
}

double sarg04_single_phase_error(double bit_error) { return std::min(0.5, 1.5 * bit_error); }

// With c = 2 - 6 e the derivative vanishes where 2 x = 3/2 sqrt(2) + c sqrt(3/2) / sqrt(4 - c^2),
// and the minimum is 3/4 sqrt(2) e + (3 - 3/2 sqrt(2)) / 6 + sqrt(3/2 (4 - c^2)) / 12.
double sarg04_double_phase_error(double bit_error) {
  if (bit_error >= 0.5) return 0.5;
  const double e = std::max(bit_error, 0.0);
  const double root2 = std::sqrt(2.0);
  const double rest = 12 * e * (2 - 3 * e);  // 4 - c^2
  return std::min(0.5, 0.75 * root2 * e + (3 - 1.5 * root2) / 6 + std::sqrt(1.5 * rest) / 12);
}

KeyLength asymptotic_bb84_length(const Bb84Input& in) {
  KeyLength out;
  const SiftedCounts test = in.test.value_or(in.key);
  for (auto refusal : {refuse_sifted("key basis", in.key), refuse_sifted("test basis", test),
                       refuse_leakage(in.leakage)})
    if (refusal) {
      refuse(out, std::move(*refusal));
      return out;
    }
  const double qber = in.key.m / in.key.n;
  const double phase_error = test.m / test.n;
  out.derivation = {{"n", in.key.n},
                    {"qber", qber},
                    {"phase_error", phase_error},
                    {"h_phase_error", binary_entropy(phase_error)}};
  if (auto refusal = refuse_phase_error(phase_error, test.m, test.n)) {
    refuse(out, std::move(*refusal));
    return out;
  }
  settle(out, in.key.n, in.key.n * (1 - binary_entropy(phase_error)),
         in.leakage.of(in.key.n, qber));
  return out;
}

KeyLength six_state_length(const SixStateInput& in) {
  KeyLength out;
  for (auto refusal : {refuse_sifted("key", in.key), refuse_leakage(in.leakage)})
    if (refusal) {
      refuse(out, std::move(*refusal));
      return out;
    }
  const double qber = in.key.m / in.key.n;
  const double eve_bits = six_state_eve_bits(qber);
  out.derivation = {{"n", in.key.n}, {"qber", qber}, {"eve_bits", eve_bits}};
  if (auto refusal = refuse_qber(qber)) {
    refuse(out, std::move(*refusal));
    return out;
  }
  settle(out, in.key.n, in.key.n * (1 - eve_bits), in.leakage.of(in.key.n, qber));
  return out;
}

KeyLength sarg04_length(const Sarg04Input& in) {
  KeyLength out;
  for (auto refusal : {refuse_sifted("key", in.all), refuse_leakage(in.leakage)})
    if (refusal) {
      refuse(out, std::move(*refusal));
      return out;
    }
  for (const SiftedCounts& part : {in.singles, in.doubles})
    if (!(part.n >= 0 && part.m >= 0 && part.m <= part.n)) {
      refuse(out, {"counts",
                   "counts of one- or two-photon events are negative, or have more "
                   "errors than events"});
      return out;
    }
  if (!(in.singles.n + in.doubles.n <= in.all.n)) {
    refuse(out, {"photon_number_splitting",
                 "more one- and two-photon events than detections: the intensities are not what "
                 "they claim to be"});
    return out;
  }
  const auto rate = [](const SiftedCounts& c) { return c.n > 0 ? c.m / c.n : 0.5; };
  const double qber = in.all.m / in.all.n;
  const double phi_1 = sarg04_single_phase_error(rate(in.singles));
  const double phi_2 = sarg04_double_phase_error(rate(in.doubles));
  out.derivation = {{"n", in.all.n},           {"qber", qber},   {"e_1", rate(in.singles)},
                    {"e_2", rate(in.doubles)}, {"phi_1", phi_1}, {"phi_2", phi_2}};
  settle(out, in.all.n,
         in.singles.n * (1 - binary_entropy(phi_1)) + in.doubles.n * (1 - binary_entropy(phi_2)),
         in.leakage.of(in.all.n, qber));
  return out;
}

}  // namespace quoin
