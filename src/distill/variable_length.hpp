// The length of key that is released: decoy-state BB84 where N emitted slots are fixed and
// everything that is counted is random, the length is chosen after error correction, and Eve knows
// the error positions. Two decoys (three intensities) and one decoy (two intensities). Pure and
// real-valued. docs/security-argument.md maps the conditions to code and tests.
//
// Statement (variable-length security in the entropic-uncertainty framework: Tupkary, Nahar, Sinha,
// Luetkenhaus, Quantum 9, 1937 (2025), arXiv:2408.17349; acceptance and one decoy: Wiesemann et
// al., arXiv:2405.16578): let s, k, v be bounds on the single photons in the key basis, in the test
// basis, and on the errors among the latter, which hold together except with probability e_d, and
// let phi bound the phase error rate of the former except with probability e_p^2. Then
//   length = s (1 - h(phi)) - leak - 2 log2(1 / (2 e_a)) - correctness
// bits are (e_d + 2 e_p + e_a)-secret, whatever was counted. Here e_d = epsilon_sec / 4, 2 e_p =
// epsilon_sec / 4, e_a = epsilon_sec / 2. Vacuum and multi-photon events give nothing
// (security-rules C1). The result is never above the textbook bound of the same counts.
#pragma once

#include "distill/decoy.hpp"
#include "distill/key_length.hpp"

namespace quoin {

template <std::size_t K>
struct VariableLengthInput {
  DecoyBasis<K> key;   // X
  DecoyBasis<K> test;  // Z
  DecoySource<K> source;
  double leak_bits = 0;         // as sent, both directions where no squashing map holds
  double correctness_bits = 0;  // log2(2 / epsilon_cor), or the tag where that is longer
  double epsilon_sec = 0;
};

struct VariableLengthBounds {
  double tau0 = 0;
  double tau1 = 0;
  double s_x0 =
      0;  // vacuum events in the key basis: a lower bound (two decoys), an upper one (one)
  double s_z0 = 0;
  double s_x1 = 0;  // single-photon events
  double s_z1 = 0;
  double v_z1 = 0;   // single-photon errors in the test basis
  double phi_x = 0;  // 1/2 where no single photon is guaranteed
  double secrecy_bits = 0;
  double penalty_bits = 0;
  double textbook_bits = 0;  // lim2014 or rusca2018 without the vacuum term
  double length_bits = 0;    // the smaller of both, real-valued, may be negative
};

VariableLengthBounds variable_length_bounds(const VariableLengthInput<3>& input);
VariableLengthBounds variable_length_bounds(const VariableLengthInput<2>& input);

// The whole statement: checks, bounds, floor.
KeyLength variable_length(const VariableLengthInput<3>& input, double epsilon_cor);
KeyLength variable_length(const VariableLengthInput<2>& input, double epsilon_cor);

}  // namespace quoin
