// Simulated pulses per second of one core: Bob's side (detections), Alice's side (settings of what
// was detected, sums over all). Two pulses of dead time after each click, double clicks reported.
// Processor time of this thread, so that other programs on the machine change little. --json prints
// one object instead of the table.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "quantum/simulator.hpp"

namespace {

using namespace quoin;

struct Timing {
  double bob_s = 0;
  double alice_s = 0;
  std::uint64_t detections = 0;
};

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

Timing run_blocks(SimulatedLink& link, std::uint64_t slots, int blocks) {
  Timing total;
  for (int i = 0; i < blocks; ++i) {
    const double start = cpu_seconds();
    const auto events = link.bob().next_block(slots);
    const double middle = cpu_seconds();
    if (!events) std::exit(1);
    const auto answer = link.alice().settings_for(events->first_slot, slots, events->offsets);
    const double end = cpu_seconds();
    if (!answer) std::exit(1);
    total.bob_s += middle - start;
    total.alice_s += end - middle;
    total.detections += events->offsets.size();
  }
  return total;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr std::uint64_t slots = 25'000'000;
  constexpr int blocks = 8;
  const bool is_json = argc > 1 && std::strcmp(argv[1], "--json") == 0;
  std::printf(is_json ? "{\"simulator\":["
                      : "      km     bob Gp/s   alice Gp/s    both Gp/s  detections/s\n");
  const char* separator = "";
  for (const double distance_km : {0.0, 10.0, 25.0, 50.0, 100.0, 200.0}) {
    LinkPhysics physics;
    physics.distance_km = distance_km;
    const auto link = SimulatedLink::make(physics, 1);
    if (!link) return 1;
    run_blocks(**link, slots, 1);
    const Timing t = run_blocks(**link, slots, blocks);
    const double pulses = static_cast<double>(slots) * blocks / 1e9;
    const char* const row =
        is_json ? "%s{\"distance_km\":%.0f,\"bob_gpulse_per_s\":%.3f,\"alice_gpulse_per_s\":%.3f,"
                  "\"both_gpulse_per_s\":%.3f,\"detections_per_s\":%.4g}"
                : "%s%8.0f %12.2f %12.2f %12.2f %13.3g\n";
    std::printf(row, separator, distance_km, pulses / t.bob_s, pulses / t.alice_s,
                pulses / (t.bob_s + t.alice_s), static_cast<double>(t.detections) / t.bob_s);
    separator = is_json ? "," : "";
  }
  if (is_json) std::printf("]}\n");
  return 0;
}
