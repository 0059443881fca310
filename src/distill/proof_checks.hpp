// What a proof must refuse before (parameters, counts) and after its bounds: each check gives a
// named reason or nothing. Written so that a number that is none (NaN) is refused. For
// src/distill.
#pragma once

#include <span>

#include "distill/decoy.hpp"
#include "distill/key_length.hpp"

namespace quoin {

// Lim 2014 needs mu1 > mu2 + mu3 and mu2 > mu3 >= 0; Rusca 2018 needs mu1 > mu2 > 0. The
// probabilities are within (0, 1) and add up to 1. Codes "intensities", "probabilities".
MaybeRefusal refuse_source(const DecoySource<3>& source);
MaybeRefusal refuse_source(const DecoySource<2>& source);

// Within (0, 1); code "epsilons".
MaybeRefusal refuse_epsilons(double epsilon_sec, double epsilon_cor);

// A finite number that is not negative; code "leakage".
MaybeRefusal refuse_leak(double leak_bits);

// Counts of one basis, brightest intensity first. Finite, not negative, no more errors than
// detections, something detected; codes "counts", "no_detections". `basis` is a word for people.
MaybeRefusal refuse_counts(const char* basis, std::span<const double> detected,
                           std::span<const double> errors);

// The detection rate must fall with the intensity; five standard deviations are forgiven. `sent`
// are pulses, or probabilities where pulses were not counted. Code "gains".
MaybeRefusal refuse_gains(const char* basis, std::span<const double> detected,
                          std::span<const double> sent);

// Bounds that contradict what was counted: s0 <= n and s1 <= n - s0 for lower bounds. Codes
// "vacuum_exceeds_detections", "photon_number_splitting".
MaybeRefusal refuse_bounds(const char* basis, double n, double s0, double s1);

// No single photon can be guaranteed (s1 <= 0). Code "no_single_photons".
MaybeRefusal refuse_singles(const char* basis, double n, double s1);

// A phase error bound of 1/2 or more. Code "phase_error".
MaybeRefusal refuse_phase_error(double phase_error, double test_errors, double test_detected);

// What every decoy-state proof refuses before its bounds.
struct DecoyParameters {
  double leak_bits = 0;
  double epsilon_sec = 0;
  double epsilon_cor = 0;
};
template <std::size_t K>
MaybeRefusal refuse_decoy_input(const DecoySource<K>& source, const DecoyBasis<K>& key,
                                const DecoyBasis<K>& test, const DecoyParameters& parameters) {
  for (const auto& refusal :
       {refuse_source(source), refuse_epsilons(parameters.epsilon_sec, parameters.epsilon_cor),
        refuse_leak(parameters.leak_bits), refuse_counts("key basis", key.detected, key.errors),
        refuse_counts("test basis", test.detected, test.errors)})
    if (refusal) return refusal;
  return {};
}

// And after them. Lower bounds of vacuum and single-photon events; 0 for vacuum where the proof has
// an upper bound only, which may well exceed what was counted.
struct DecoyBounds {
  double key_vacuum = 0;
  double key_singles = 0;
  double test_vacuum = 0;
  double test_singles = 0;
  double phase_error = 0;
};
template <std::size_t K>
MaybeRefusal refuse_decoy_bounds(const DecoySource<K>& source, const DecoyBasis<K>& key,
                                 const DecoyBasis<K>& test, const DecoyBounds& bounds) {
  const double n_key = sum(key.detected);
  const double n_test = sum(test.detected);
  for (const auto& refusal :
       {refuse_bounds("key basis", n_key, bounds.key_vacuum, bounds.key_singles),
        refuse_bounds("test basis", n_test, bounds.test_vacuum, bounds.test_singles),
        refuse_gains("key basis", key.detected, source.p),
        refuse_gains("test basis", test.detected, source.p),
        refuse_singles("key basis", n_key, bounds.key_singles),
        refuse_singles("test basis", n_test, bounds.test_singles),
        refuse_phase_error(bounds.phase_error, sum(test.errors), n_test)})
    if (refusal) return refusal;
  return {};
}

}  // namespace quoin
