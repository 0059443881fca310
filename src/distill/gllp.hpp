// Asymptotic key rate of decoy-state BB84: Gottesman, Lo, Luetkenhaus, Preskill, Quantum Inf.
// Comput. 4, 325 (2004) with the two-decoy bounds of Ma, Qi, Zhao, Lo, Phys. Rev. A 72, 012326
// (2005), Eqs. (18), (21), (25); vacuum + weak decoy is the case of a second decoy without light.
// Pure and real-valued; for comparison and planning, never for released key.
#pragma once

#include <array>

#include "distill/key_length.hpp"

namespace quoin {

// Signal, first decoy, second decoy (0 for vacuum): mu > v1 + v2, v1 > v2 >= 0.
struct GllpInput {
  std::array<double, 3> mu{};
  std::array<double, 3> gain{};   // Q_mu, detections per pulse
  std::array<double, 3> error{};  // E_mu, errors per detection
};

struct GllpBounds {
  double y0 = 0;  // yield of vacuum, lower bound
  double y1 = 0;  // yield of single photons, lower bound
  double q1 = 0;  // gain of single photons within signal pulses
  double e1 = 0;  // error rate of single photons, upper bound; 1/2 where y1 is not positive
};
GllpBounds gllp_bounds(const GllpInput& input);

// Secret bits per signal pulse of equal bases: Q1 (1 - h(e1)) - f Q_mu h(E_mu). Times q (1/2 for
// unbiased bases) it is the rate per pulse.
double gllp_rate(const GllpBounds& bounds, double signal_gain, double signal_error,
                 double efficiency);

// Ma 2005, the exact values where infinitely many decoys are used, for a lossy channel: yields
// Y_1 = Y0 + eta and gains Q_mu = Y0 + 1 - exp(-eta mu).
struct GllpChannel {
  double y0 = 0;             // dark counts and stray light per pulse
  double misalignment = 0;   // e_d
  double transmittance = 0;  // eta, detector included
};
double channel_gain(const GllpChannel& channel, double mu);
double channel_error(const GllpChannel& channel, double mu);  // per detection
GllpBounds infinite_decoy_values(const GllpChannel& channel, double mu);

struct GllpCounts {
  std::array<double, 3> mu{};
  std::array<double, 3> sent{};      // pulses of equal bases
  std::array<double, 3> detected{};  // of these
  std::array<double, 3> errors{};
  double leak_bits = -1;  // below 0: efficiency times the Shannon limit of the signals
  double efficiency = 1.16;
};
// The key comes from the signals alone.
KeyLength gllp_length(const GllpCounts& counts);

}  // namespace quoin
