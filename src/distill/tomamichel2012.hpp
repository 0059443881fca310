// Finite-key length of BB84 with single photons, and of BBM92: Tomamichel, Lim, Gisin, Renner, Nat.
// Commun. 3, 634 (2012), Eq. (2) and supplement S3, S15. Pure and real-valued.
#pragma once

#include "distill/key_length.hpp"

namespace quoin {

struct TomamichelInput {
  double n = 0;      // key bits
  double k = 0;      // test bits, measured in the other basis
  double q_tol = 0;  // error rate of the test bits above which the run is aborted
  double leak_bits = 0;
  double epsilon_sec = 0;
  double epsilon_cor = 0;
  double preparation_quality = 1;  // q of the paper: 1 for ideal preparation or measurement
};

struct TomamichelBounds {
  double mu = 0;  // statistical deviation of the phase error rate
  double phase_error = 0;
  double secrecy_bits = 0;
  double penalty_bits = 0;  // log2(2 / (epsilon_sec^2 epsilon_cor))
  double length_bits = 0;
};

TomamichelBounds tomamichel2012_bounds(const TomamichelInput& input);
KeyLength tomamichel2012_length(const TomamichelInput& input);

}  // namespace quoin
