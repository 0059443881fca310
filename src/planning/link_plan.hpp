// The best intensities, probabilities and basis bias for a link: its physics, the size of its
// blocks and its proof go in; settings, expected counts and the key they would give come out. For
// the planner and `quoin node`'s advice. Deterministic and free of I/O.
#pragma once

#include <string>

#include "core/result.hpp"
#include "distill/gllp.hpp"
#include "distill/proof.hpp"
#include "quantum/link_physics.hpp"

namespace quoin {

struct PlanRequest {
  LinkPhysics physics;  // mu, intensity_probability and key_basis_probability are chosen anew
  std::uint64_t slots_per_block = 100'000'000;
  std::string proof = std::string(default_link_proof);
  double efficiency = 1.1;  // f of reconciliation: leak_ec = f n h(QBER)
  double epsilon_sec = 1e-10;
  double epsilon_cor = 1e-15;
};

struct LinkPlan {
  LinkPhysics physics;  // with the settings chosen
  BlockCounts counts;   // expected of a block
  std::uint64_t leak_ec_bits = 0;
  KeyLength length;  // by the proof, from these counts; 0 with a reason where there is no key
  double secret_bits_per_slot = 0;
  double secret_bits_per_s = 0;
};

// Fails as configuration for an unknown proof or impossible physics. `near`: a plan of a similar
// link, such as the distance before; it saves the search for the hill.
Result<LinkPlan> plan_link(const PlanRequest& request, const LinkPlan* near = nullptr);

// The key of these very settings, without choosing: for "what do I have now".
Result<LinkPlan> evaluate_link(const PlanRequest& request);

// The longest fibre over which a plan still gives key, to 10 m, at most `km_max`; 0 if none.
Result<double> reach_km(const PlanRequest& request, double km_max = 400);

// Without finite-size terms and with infinitely many decoys (Ma 2005): the best mean photon number
// of the signals, and their rate per signal pulse of equal bases.
struct GllpOptimum {
  double mu = 0;
  double rate = 0;
};
GllpOptimum best_signal_intensity(const GllpChannel& channel, double efficiency);

}  // namespace quoin
