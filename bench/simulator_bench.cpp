// Simulated pulses per second of one core: Bob's side (detections), Alice's side (settings of what
// was detected, sums over all). Two pulses of dead time after each click, double clicks reported.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "quantum/link_model.hpp"
#include "quantum/simulator.hpp"

namespace {

using namespace quoin;

struct Timing {
  double bob_s = 0;
  double alice_s = 0;
  std::uint64_t detections = 0;
};

Timing run_blocks(SimulatedLink& link, std::uint64_t slots, int blocks) {
  using Stopwatch = std::chrono::steady_clock;
  Timing total;
  for (int i = 0; i < blocks; ++i) {
    const auto start = Stopwatch::now();
    const auto events = link.bob().next_block(slots);
    const auto middle = Stopwatch::now();
    if (!events) std::exit(1);
    const auto answer = link.alice().settings_for(events->first_slot, slots, events->offsets);
    const auto end = Stopwatch::now();
    if (!answer) std::exit(1);
    total.bob_s += std::chrono::duration<double>(middle - start).count();
    total.alice_s += std::chrono::duration<double>(end - middle).count();
    total.detections += events->offsets.size();
  }
  return total;
}

}  // namespace

int main() {
  constexpr std::uint64_t slots = 50'000'000;
  constexpr int blocks = 8;
  std::printf("%8s %12s %12s %12s %14s\n", "km", "bob Gp/s", "alice Gp/s", "both Gp/s",
              "detections/s");
  for (const double distance_km : {0.0, 10.0, 25.0, 50.0, 100.0, 200.0}) {
    LinkPhysics physics;
    physics.distance_km = distance_km;
    const auto link = SimulatedLink::make(physics, 1);
    if (!link) return 1;
    run_blocks(**link, slots, 1);
    const Timing t = run_blocks(**link, slots, blocks);
    const double pulses = static_cast<double>(slots) * blocks / 1e9;
    std::printf("%8.0f %12.2f %12.2f %12.2f %14.3g\n", distance_km, pulses / t.bob_s,
                pulses / t.alice_s, pulses / (t.bob_s + t.alice_s),
                static_cast<double>(t.detections) / t.bob_s);
  }
  const LinkModel model = link_model(LinkPhysics{});
  std::printf("default link: %.2f Mb/s sifted in the key basis, QBER %.3f %%, live %.3f\n",
              model.sifted_key_bps / 1e6, 100 * model.qber_key, model.live_fraction);
  return 0;
}
