// `quoin demo`: two sites, the fibre and the applications as processes of their own, and the story
// of what they do.
#pragma once

#include "apps/fibre_command.hpp"

namespace quoin {

struct DemoOptions {
  std::string send_file;  // a file of the user's; otherwise one is made
  double distance_km = 25;
  double rate_hz = 100e6;
  std::string attack;
  double strength = 1;
  bool runs_once = false;
  bool as_json = false;
  bool at_full_speed = false;         // pace max
  std::uint64_t slots_per_block = 0;  // 0: one second of slots
  std::uint32_t blocks = 4;           // --once ends after so many committed blocks
  std::optional<std::uint64_t> seed;
};

int run_demo(const DemoOptions& options);

}  // namespace quoin
