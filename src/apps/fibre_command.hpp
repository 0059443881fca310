// `quoin fibre`: the simulated optics between two sites, as a process of its own.
#pragma once

#include "apps/config.hpp"
#include "quantum/fibre_pacer.hpp"
#include "quantum/link_physics.hpp"

namespace quoin {

struct FibreOptions {
  HostPort listen{"127.0.0.1", 7800};
  LinkPhysics physics;
  Pace pace = Pace::realtime;
  std::optional<std::uint64_t> seed;  // none: from the system's randomness
  std::string attack;                 // "" or "intercept-resend"
  double strength = 1;                // fraction of pulses that Eve takes
};

int run_fibre(const FibreOptions& options);

// Puts Eve into (or, at "none", out of) a fibre that runs.
int run_attack(const HostPort& fibre, const std::string& attack, double strength);

}  // namespace quoin
