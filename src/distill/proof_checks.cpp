#include "distill/proof_checks.hpp"

#include <string>

namespace quoin {

namespace {

constexpr double mu_max = 10;

std::string intensity_name(std::size_t k, std::size_t count) {
  if (k == 0) return "signal";
  return k + 1 == count && count == 3 ? "vacuum" : "decoy";
}

MaybeRefusal refuse_probabilities(std::span<const double> p) {
  double total = 0;
  for (const double value : p) {
    if (!(value > 0 && value < 1))
      return Refusal{"probabilities",
                     "every intensity must be sent with a probability within (0, 1)"};
    total += value;
  }
  if (!(std::abs(total - 1) <= 1e-9))
    return Refusal{"probabilities", "the probabilities of the intensities do not add up to 1"};
  return {};
}

}  // namespace

MaybeRefusal refuse_source(const DecoySource<3>& source) {
  const auto& mu = source.mu;
  if (!(mu[2] >= 0 && mu[1] > mu[2] && mu[0] > mu[1] + mu[2] && mu[0] < mu_max))
    return Refusal{"intensities",
                   "the intensities must satisfy mu1 > mu2 + mu3 and mu2 > mu3 >= 0 (mu1 < 10)"};
  return refuse_probabilities(source.p);
}

MaybeRefusal refuse_source(const DecoySource<2>& source) {
  const auto& mu = source.mu;
  if (!(mu[1] > 0 && mu[0] > mu[1] && mu[0] < mu_max))
    return Refusal{"intensities", "the intensities must satisfy mu1 > mu2 > 0 (mu1 < 10)"};
  return refuse_probabilities(source.p);
}

MaybeRefusal refuse_epsilons(double epsilon_sec, double epsilon_cor) {
  const auto is_within_0_1 = [](double value) { return value > 0 && value < 1; };
  if (is_within_0_1(epsilon_sec) && is_within_0_1(epsilon_cor)) return {};
  return Refusal{"epsilons", "the epsilons must be within (0, 1)"};
}

MaybeRefusal refuse_leak(double leak_bits) {
  if (leak_bits >= 0 && std::isfinite(leak_bits)) return {};
  return Refusal{"leakage", "the leakage of error correction is no count of bits"};
}

MaybeRefusal refuse_counts(const char* basis, std::span<const double> detected,
                           std::span<const double> errors) {
  const std::string where = std::string(" in the ") + basis;
  double total = 0;
  for (std::size_t k = 0; k < detected.size(); ++k) {
    if (!(detected[k] >= 0 && errors[k] >= 0 && std::isfinite(detected[k])))
      return Refusal{"counts", "a count is negative or no number" + where};
    if (!(errors[k] <= detected[k]))
      return Refusal{"counts", "more errors than detections" + where};
    total += detected[k];
  }
  if (total > 0) return {};
  return Refusal{"no_detections",
                 "no detections" + where + ": the block is too short or the loss too high"};
}

MaybeRefusal refuse_gains(const char* basis, std::span<const double> detected,
                          std::span<const double> sent) {
  constexpr double deviations = 5;
  for (std::size_t k = 0; k + 1 < detected.size(); ++k) {
    const double n_brighter = sent[k];
    const double n_dimmer = sent[k + 1];
    if (n_brighter == 0 || n_dimmer == 0) continue;
    const double deviation = std::sqrt((detected[k] + 1) / (n_brighter * n_brighter) +
                                       (detected[k + 1] + 1) / (n_dimmer * n_dimmer));
    if (detected[k + 1] / n_dimmer > detected[k] / n_brighter + deviations * deviation)
      return Refusal{"gains", "the gain of " + intensity_name(k + 1, detected.size()) +
                                  " pulses exceeds that of " + intensity_name(k, detected.size()) +
                                  " pulses in the " + basis +
                                  ": someone treats them differently, or the source is "
                                  "miscalibrated"};
  }
  return {};
}

MaybeRefusal refuse_bounds(const char* basis, double n, double s0, double s1) {
  if (!(s0 <= n))
    return Refusal{"vacuum_exceeds_detections",
                   std::string("the bound on vacuum events exceeds the detections in the ") +
                       basis + ": the intensities are not what they claim to be"};
  if (!(s1 <= n - s0))
    return Refusal{"photon_number_splitting",
                   std::string("the bound on single-photon events exceeds the detections in the ") +
                       basis +
                       ": photons of different pulse intensities are treated differently "
                       "(photon-number splitting)"};
  return {};
}

MaybeRefusal refuse_singles(const char* basis, double n, double s1) {
  if (s1 > 0) return {};
  return Refusal{"no_single_photons",
                 std::string("no single-photon events can be guaranteed in the ") + basis +
                     " (bound " + short_number(s1) + " of " + short_number(n) +
                     " detections): the block is too short or the loss too high"};
}

MaybeRefusal refuse_phase_error(double phase_error, double test_errors, double test_detected) {
  if (phase_error < 0.5) return {};
  return Refusal{"phase_error",
                 "phase error bound 0.5 or more: too many errors in the test basis (" +
                     short_number(test_errors) + " of " + short_number(test_detected) +
                     "), or too small a sample"};
}

}  // namespace quoin
