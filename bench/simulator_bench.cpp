// Simulated pulses per second of one core, both sides of the link produced: Bob's detections with
// dead time, afterpulses and double clicks, Alice's settings for them and her sums over all pulses.
// Beside it a naive simulation that draws every pulse, in the same run. Processor time of this
// process, medians of five rounds, both in turn. --json prints one object per line.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <vector>

#include "quantum/simulator.hpp"

namespace {

using namespace quoin;

constexpr int rounds = 5;

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

struct Point {
  const char* name;
  LinkPhysics physics;
};

LinkPhysics fibre_of(double distance_km) {
  LinkPhysics physics;
  physics.distance_km = distance_km;
  physics.afterpulse_probability = 0.01;
  return physics;
}

// 2.5 GHz over 2.2 dB, about 370 million detections per second, QBER 0.35 % (Li et al. 2023).
LinkPhysics record_link() {
  LinkPhysics physics = fibre_of(10);
  physics.slot_rate_hz = 2.5e9;
  physics.loss_db_per_km = 0.22;
  physics.receiver_loss_db = 0;
  physics.mu = {0.68, 0.2, 0};
  physics.misalignment = 0.0032;
  physics.detector_efficiency = {0.6, 0.6};
  physics.dead_time_ns = 0.4;
  physics.afterpulse_lifetime_ns = 5;
  return physics;
}

// Seconds for `slots` pulses, Bob's share first.
std::array<double, 2> time_link(SimulatedLink& link, std::uint64_t slots) {
  const double start = cpu_seconds();
  const auto events = link.bob().next_block(slots);
  const double middle = cpu_seconds();
  if (!events) std::exit(1);
  const auto answer = link.alice().settings_for(events->first_slot, slots, events->offsets);
  const double end = cpu_seconds();
  if (!answer) std::exit(1);
  return {middle - start, end - middle};
}

// One pulse after the other, as one would write it first: the settings, the chance of a click in
// each detector from a table, dead time, afterpulse.
class NaiveLink {
 public:
  explicit NaiveLink(const LinkPhysics& physics) : physics_(physics), channel_(physics_) {
    for (unsigned i = 0; i < 24; ++i) {
      const auto masks =
          channel_.masks_for_state(physics_.mu[i >> 3], static_cast<Basis>(i & 1),
                                   (i >> 2 & 1) != 0, static_cast<Basis>(i >> 1 & 1));
      clicks_[i] = {masks[1] + masks[3], masks[2] + masks[3]};
    }
  }

  double time(std::uint64_t slots) {
    const double start = cpu_seconds();
    settings_.resize(slots);
    detections_.clear();
    for (std::uint64_t slot = 0; slot < slots; ++slot) emit(slot);
    return cpu_seconds() - start;
  }
  std::size_t detections() const { return detections_.size(); }

 private:
  void emit(std::uint64_t slot) {
    const double k = uniform_(random_);
    const unsigned intensity =
        k < physics_.intensity_probability[0]                                       ? 0
        : k < physics_.intensity_probability[0] + physics_.intensity_probability[1] ? 1
                                                                                    : 2;
    const unsigned basis = uniform_(random_) < physics_.key_basis_probability ? 0 : 1;
    const unsigned measured = uniform_(random_) < physics_.key_basis_probability ? 0 : 1;
    const unsigned bit = uniform_(random_) < 0.5 ? 0 : 1;
    settings_[slot] = static_cast<std::uint8_t>(bit | basis << 1 | intensity << 2);
    if (slot < live_from_) return;
    const auto& chance = clicks_[intensity << 3 | bit << 2 | measured << 1 | basis];
    unsigned mask = uniform_(random_) < chance[0] ? 1U : 0U;
    mask |= uniform_(random_) < chance[1] ? 2U : 0U;
    if (slot == release_) mask |= release_mask_;
    if (mask == 0) return;
    detections_.push_back({slot, static_cast<std::uint8_t>(mask | measured << 2)});
    live_from_ = slot + 1 + physics_.dead_time_slots();
    if (uniform_(random_) >= physics_.afterpulse_probability) return;
    release_ = live_from_;
    while (uniform_(random_) >= physics_.release_probability()) ++release_;
    release_mask_ = mask;
  }

  struct Detection {
    std::uint64_t slot;
    std::uint8_t mask_and_basis;
  };

  LinkPhysics physics_;
  OpticalChannel channel_;
  std::array<std::array<double, 2>, 24> clicks_{};
  std::mt19937_64 random_{1};
  std::uniform_real_distribution<double> uniform_;
  std::vector<std::uint8_t> settings_;
  std::vector<Detection> detections_;
  std::uint64_t live_from_ = 0;
  std::uint64_t release_ = ~std::uint64_t{0};
  unsigned release_mask_ = 0;
};

double median(std::array<double, rounds> values) {
  std::sort(values.begin(), values.end());
  return values[rounds / 2];
}

void measure(const Point& point, bool is_json) {
  constexpr std::uint64_t slots = 50'000'000;
  constexpr std::uint64_t naive_slots = 1'000'000;
  const auto link = SimulatedLink::make(point.physics, 1);
  if (!link) std::exit(1);
  NaiveLink naive(point.physics);
  time_link(**link, slots);
  naive.time(naive_slots);
  std::array<double, rounds> bob;
  std::array<double, rounds> both;
  std::array<double, rounds> baseline;
  for (std::size_t i = 0; i < rounds; ++i) {
    const auto seconds = time_link(**link, slots);
    bob[i] = seconds[0];
    both[i] = seconds[0] + seconds[1];
    baseline[i] = naive.time(naive_slots);
  }
  const double value = static_cast<double>(slots) / 1e6 / median(both);
  const double bob_value = static_cast<double>(slots) / 1e6 / median(bob);
  const double naive_value = static_cast<double>(naive_slots) / 1e6 / median(baseline);
  if (is_json)
    std::printf(
        "{\"stage\":\"simulator\",\"point\":\"%s\",\"metric\":\"mpulse_per_s\",\"value\":%.1f,"
        "\"unit\":\"Mpulse/s\",\"baseline\":%.2f,\"ratio\":%.1f}\n",
        point.name, value, naive_value, value / naive_value);
  else
    std::printf("%6s %16.0f %16.0f %16.1f %10.1f %12.2f\n", point.name, value, bob_value,
                naive_value, value / naive_value, value * 1e6 / point.physics.slot_rate_hz);
}

}  // namespace

int main(int argc, char** argv) {
  const bool is_json = argc > 1 && std::strcmp(argv[1], "--json") == 0;
  if (!is_json)
    std::printf(
        " point    both Mpulse/s    Bob Mpulse/s  naive Mpulse/s      ratio  x real time\n");
  for (const Point& point :
       {Point{"10km", fibre_of(10)}, Point{"25km", fibre_of(25)}, Point{"50km", fibre_of(50)},
        Point{"100km", fibre_of(100)}, Point{"200km", fibre_of(200)}, Point{"P1", record_link()}})
    measure(point, is_json);
  return 0;
}
