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

}  // namespace quoin
