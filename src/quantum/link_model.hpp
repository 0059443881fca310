// The analytic model of the link without an eavesdropper: what the simulator must match and the
// planner computes with. Pure functions on doubles; may use libm, so nothing drawn depends on it.
#pragma once

#include <array>

#include "core/quantum_vocabulary.hpp"
#include "quantum/link_physics.hpp"

namespace quoin {

// Per live slot, given Alice's intensity. Independent thinned Poisson light plus dark counts in
// each detector (finitekey.md 2b; Ma et al. 2005), averaged over Alice's bit.
struct ClickRates {
  double gain = 0;          // Q: probability of any click
  double double_click = 0;  // both detectors
  double wrong_only = 0;    // only the detector that contradicts Alice's bit
  // Errors with double clicks resolved at random, over all clicks: E.
  double error_rate() const { return gain > 0 ? (wrong_only + double_click / 2) / gain : 0.0; }
};

struct LinkModel {
  std::array<ClickRates, intensity_count> same_basis;       // equal bases, either basis
  std::array<ClickRates, intensity_count> different_basis;  // wrong_only against Alice's bit
  double click_probability = 0;       // of a live slot, over all settings, afterpulses included
  double afterpulse_probability = 0;  // that a carrier is released in a live slot
  double live_fraction = 1;           // 1 / (1 + click_probability * dead_time_slots)
  double sifted_key_per_slot = 0;     // key basis on both sides, dead time included
  double qber_key = 0;                // over all intensities, double clicks at random
  double sifted_key_bps = 0;
};

// `physics` must be valid.
LinkModel link_model(const LinkPhysics& physics);

// Expected counts of a block of `slots` emitted pulses, rounded to nearest.
BlockCounts expected_counts(const LinkPhysics& physics, std::uint64_t slots);

}  // namespace quoin
