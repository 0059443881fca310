// Finite-key length of decoy-state BB84 with two intensities ("one decoy"): Rusca, Boaron,
// Gruenenfelder, Martin, Zbinden, Appl. Phys. Lett. 112, 171104 (2018). Key from the Z basis, phase
// errors from the X basis. Pure and real-valued. A textbook bound, see lim2014.hpp.
#pragma once

#include "distill/decoy.hpp"
#include "distill/key_length.hpp"

namespace quoin {

struct RuscaInput {
  DecoyBasis<2> key;   // Z
  DecoyBasis<2> test;  // X
  DecoySource<2> source;
  double leak_bits = 0;
  double correctness_bits = 0;  // log2(2 / epsilon_cor), or the tag where that is longer
  double epsilon_sec = 0;
  // The constant inside gamma: transcriptions show 21, a consistent account of the failure terms
  // would give 19. The larger one is the safe one.
  double gamma_terms = 21;
  bool vacuum_counts = true;  // false: s_z0 adds nothing to the key (security-rules C1)
};

struct RuscaBounds {
  double tau0 = 0;
  double tau1 = 0;
  double s_z0_lower = 0;  // vacuum events in the key basis
  double s_z0_upper = 0;
  double s_x0_upper = 0;
  double s_z1 = 0;  // single-photon events in the key and in the test basis
  double s_x1 = 0;
  double v_x1 = 0;   // single-photon errors in the test basis
  double phi_z = 0;  // phase error rate of the key's single photons
  double secrecy_bits = 0;
  double penalty_bits = 0;  // 6 log2(19 / epsilon_sec) + correctness_bits
  double length_bits = 0;   // real-valued, may be negative
};

// Where s_z1 or s_x1 is not positive, phi_z is 1/2 and no single-photon event counts.
RuscaBounds rusca2018_bounds(const RuscaInput& input);

// The whole statement: checks, bounds, floor.
KeyLength rusca2018_length(const RuscaInput& input, double epsilon_cor);

}  // namespace quoin
