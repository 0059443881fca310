// Key rates without finite-size terms, for single photons (BB84, six states) and for SARG04:
// calculators for comparison and planning, never for released key. Pure and real-valued.
#pragma once

#include <optional>

#include "distill/key_length.hpp"

namespace quoin {

// Error correction: what was sent, or an efficiency f times the Shannon limit n h(Q) where nothing
// was sent yet.
struct Leakage {
  double bits = -1;  // below 0: not known, use the efficiency
  double efficiency = 1.16;
  double of(double n, double qber) const;
};

// Shor and Preskill, Phys. Rev. Lett. 85, 441 (2000): 1 - h(e_phase) - f h(Q) per sifted bit.
double bb84_rate(double qber, double phase_error, double efficiency);

// Bruss, Phys. Rev. Lett. 81, 3018 (1998); Lo, Quantum Inf. Comput. 1, 81 (2001). What Eve knows
// of a sifted bit beyond the error pattern: H(1 - 3Q/2, Q/2, Q/2, Q/2) - h(Q), in bits. The rate
// is 1 - that - f h(Q).
double six_state_eve_bits(double qber);

// Tamaki, Lo, Phys. Rev. A 73, 010302 (2006); Fung, Tamaki, Lo, Phys. Rev. A 73, 012337 (2006):
// phase error rates of SARG04 from bit error rates. 3/2 e for one photon; for two photons
// min over x of x e + (3 - 2 x + sqrt(6 - 6 sqrt(2) x + 4 x^2)) / 6, here solved for x.
double sarg04_single_phase_error(double bit_error);
double sarg04_double_phase_error(double bit_error);

struct SiftedCounts {
  double n = 0;  // sifted bits
  double m = 0;  // errors among them
};

struct Bb84Input {
  SiftedCounts key;
  // Of the other basis; none: the same error rate as the key.
  std::optional<SiftedCounts> test{};
  Leakage leakage;
};
KeyLength asymptotic_bb84_length(const Bb84Input& input);

struct SixStateInput {
  SiftedCounts key;  // all three bases
  Leakage leakage;
};
KeyLength six_state_length(const SixStateInput& input);

// The counts of one- and two-photon pulses are lower bounds, their errors upper ones, from decoys.
struct Sarg04Input {
  SiftedCounts all;
  SiftedCounts singles;
  SiftedCounts doubles;
  Leakage leakage;
};
KeyLength sarg04_length(const Sarg04Input& input);

}  // namespace quoin
