#include "apps/sim_command.hpp"

#include <malloc.h>

#include <atomic>
#include <iostream>
#include <mutex>
#include <thread>
#include <vector>

#include "apps/exit_codes.hpp"
#include "sim/world.hpp"

namespace quoin {

namespace {

struct Totals {
  std::uint64_t blocks = 0, sessions = 0, crashes = 0, keys_equal = 0, pads = 0, tags_refused = 0,
                seeds_with_key = 0, failed = 0;
  std::uint64_t gave_up = 0;
};

void add(Totals& totals, const WorldOutcome& outcome) {
  totals.blocks += outcome.blocks_committed[0];
  totals.sessions += outcome.sessions;
  totals.crashes += outcome.crashes;
  totals.keys_equal += outcome.keys_equal;
  totals.pads += outcome.pads_used;
  totals.tags_refused += outcome.tags_refused;
  totals.gave_up += outcome.needs_operator.empty() ? 0U : 1U;
  totals.seeds_with_key += outcome.keys_equal > 0 ? 1U : 0U;
  totals.failed += outcome.violations.empty() ? 0U : 1U;
}

void print_seed(std::uint64_t seed, const WorldOutcome& o) {
  std::cout << "seed " << seed << ": " << o.blocks_committed[0] << "+" << o.blocks_committed[1]
            << " blocks, " << o.sessions << " sessions, " << o.crashes << " crashes, "
            << o.tags_refused << " tags refused, " << o.keys_equal << " keys equal"
            << (o.needs_operator.empty() ? "" : ", gave up: " + o.needs_operator)
            << (o.last_no_key.empty() ? "" : ", no key: " + o.last_no_key) << "\n";
  for (const std::string& violation : o.violations)
    std::cout << "seed " << seed << ": VIOLATION: " << violation << "\n";
}

// Each block allocates planes of megabytes: mapped afresh each time, their page faults cost a
// quarter of the run.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest that glibc takes
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
}

}  // namespace

int run_sim(const SimOptions& options) {
  keep_freed_memory();
  std::atomic<std::uint64_t> next{0};
  std::mutex mutex;
  Totals totals;
  const auto work = [&] {
    for (std::uint64_t i = next++; i < options.seeds; i = next++) {
      const std::uint64_t seed = options.first + i;
      const auto outcome = run_seed(seed);
      const std::lock_guard lock(mutex);
      if (!outcome) {
        std::cout << "seed " << seed << ": cannot run: " << outcome.error().text() << "\n";
        ++totals.failed;
        continue;
      }
      add(totals, *outcome);
      if (options.is_verbose || !outcome->violations.empty()) print_seed(seed, *outcome);
    }
  };
  {
    std::vector<std::jthread> threads;
    const unsigned count =
        options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < count; ++i) threads.emplace_back(work);
  }
  std::cout << options.seeds << " seeds: " << totals.blocks << " blocks committed, "
            << totals.sessions << " sessions, " << totals.crashes << " crashes, "
            << totals.tags_refused << " tags refused, " << totals.pads << " pads, "
            << totals.keys_equal << " keys equal, " << totals.gave_up << " links gave up, "
            << totals.failed << " seeds failed\n";
  // A simulation in which hardly any seed comes to a key checks nothing.
  if (options.seeds >= 20 && totals.seeds_with_key * 2 < options.seeds) {
    std::cout << "only " << totals.seeds_with_key
              << " seeds came to a key: the simulation does not test what it should\n";
    return exit_failure;
  }
  return totals.failed == 0 ? exit_ok : exit_failure;
}

}  // namespace quoin
