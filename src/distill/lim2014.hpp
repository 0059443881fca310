// Finite-key length of decoy-state BB84 with three intensities: Lim, Curty, Walenta, Xu, Zbinden,
// Phys. Rev. A 89, 022307 (2014). Key from the X basis, phase errors from the Z basis. Pure and
// real-valued: for the calculator, the tables and the planner. A textbook bound: it takes the
// sample sizes as fixed. Key that is released uses distill/variable_length.hpp.
#pragma once

#include "distill/decoy.hpp"
#include "distill/key_length.hpp"

namespace quoin {

struct LimInput {
  DecoyBasis<3> key;   // X
  DecoyBasis<3> test;  // Z
  DecoySource<3> source;
  double leak_bits = 0;
  double correctness_bits = 0;  // log2(2 / epsilon_cor), or the tag where that is longer
  double epsilon_sec = 0;
  bool vacuum_counts = true;  // false: s_x0 adds nothing to the key (security-rules C1)
};

struct LimBounds {
  double tau0 = 0;  // probability of sending vacuum, one photon
  double tau1 = 0;
  double s_x0 = 0;  // vacuum events in the key basis, Eq. (2)
  double s_x1 = 0;  // single-photon events in the key basis, Eq. (3)
  double s_z0 = 0;  // the same in the test basis
  double s_z1 = 0;
  double v_z1 = 0;          // single-photon errors in the test basis, Eq. (4)
  double phi_x = 0;         // phase error rate of the key's single photons, Eq. (5)
  double secrecy_bits = 0;  // s_x0 (where it counts) + s_x1 (1 - h(phi_x))
  double penalty_bits = 0;  // 6 log2(21 / epsilon_sec) + correctness_bits
  double length_bits = 0;   // Eq. (1), real-valued, may be negative
};

// Expected counts are non-negative, so their lower bounds are floored at 0. Where s_z1 or s_x1 is
// not positive, phi_x is 1/2 and no single-photon event counts.
LimBounds lim2014_bounds(const LimInput& input);

// The whole statement: checks, bounds, floor. Reasons: see docs/proofs.md.
KeyLength lim2014_length(const LimInput& input, double epsilon_cor);

}  // namespace quoin
