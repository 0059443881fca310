// Finite-key length of decoy-state BB84 with three intensities: Lim, Curty, Walenta, Xu, Zbinden,
// Phys. Rev. A 89, 022307 (2014). The real-valued core, for the proof, its tables and the planner.
#pragma once

#include <array>

namespace quoin {

// Binary entropy in bits; 1 for arguments of 1/2 and above (it serves upper bounds), 0 at 0.
double binary_entropy(double x);

struct LimBasis {
  std::array<double, 3> detected{};  // n_k by intensity: signal, decoy, vacuum
  std::array<double, 3> errors{};    // m_k
};

struct LimInput {
  LimBasis key;   // X
  LimBasis test;  // Z
  std::array<double, 3> mu{};
  std::array<double, 3> p{};
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
  double penalty_bits = 0;  // 6 log2(21 / epsilon_sec) + correctness_bits
  double length_bits = 0;   // Eq. (1), real-valued, may be negative
};

// Random sampling without replacement: gamma(a, b, c, d) of Eq. (5). Zero for b = 0.
double lim_gamma(double a, double b, double c, double d);

// Expected counts are non-negative, so their lower bounds are floored at 0. Where s_z1 or s_x1 is
// not positive, phi_x is 1/2 and no single-photon event counts.
LimBounds lim2014_bounds(const LimInput& input);

}  // namespace quoin
