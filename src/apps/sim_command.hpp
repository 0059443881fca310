// `quoin sim`: many seeds of the deterministic simulation, in parallel.
#pragma once

#include <cstdint>

namespace quoin {

struct SimOptions {
  std::uint64_t seeds = 100;
  std::uint64_t first = 1;
  unsigned threads = 0;
  bool is_verbose = false;
};

int run_sim(const SimOptions& options);

}  // namespace quoin
