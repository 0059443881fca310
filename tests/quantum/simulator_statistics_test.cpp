// The simulator against the analytic model. Seeds are fixed and printed. Every statistic is held to
// 4.5 sigma: with the 140 statistics of this file a correct simulator with fresh seeds would fail
// once in a thousand runs. QUOIN_FRESH_SEED=<number> replaces the seeds, for nightly runs.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "quantum/link_model.hpp"
#include "quantum/simulator.hpp"

namespace quoin {
namespace {

// Indices: Alice's basis, Bob's basis, intensity.
struct Tally {
  std::uint64_t slots = 0;
  std::uint64_t detected[2][2][3] = {};
  std::uint64_t wrong_only[2][2][3] = {};
  std::uint64_t doubles[2][2][3] = {};
  std::uint64_t detections = 0;
  std::uint64_t dropped = 0;
  EmissionSums emitted;
};

void add_block(Tally& tally, const DetectionEvents& events, const AliceAnswer& answer) {
  const WordSpan bits = answer.settings.bits.expose_secret();
  for (std::size_t i = 0; i < events.offsets.size(); ++i) {
    const std::size_t a = answer.settings.basis_is_test[i] ? 1 : 0;
    const std::size_t b = events.basis_is_test[i] ? 1 : 0;
    const std::size_t k = answer.settings.intensity_is_vacuum[i]  ? 2
                          : answer.settings.intensity_is_decoy[i] ? 1
                                                                  : 0;
    const bool right = bit_at(bits, i) ? bit_at(events.clicked_1.expose_secret(), i)
                                       : bit_at(events.clicked_0.expose_secret(), i);
    const bool wrong = bit_at(bits, i) ? bit_at(events.clicked_0.expose_secret(), i)
                                       : bit_at(events.clicked_1.expose_secret(), i);
    tally.detected[a][b][k] += 1;
    tally.wrong_only[a][b][k] += wrong && !right ? 1 : 0;
    tally.doubles[a][b][k] += wrong && right ? 1 : 0;
  }
  tally.slots += events.slot_count;
  tally.detections += events.offsets.size();
  tally.dropped += events.slots_dropped_dead_time;
  for (std::size_t a = 0; a < 2; ++a)
    for (std::size_t k = 0; k < 3; ++k) tally.emitted.sent[a][k] += answer.emitted.sent[a][k];
}

Tally run_link(SimulatedLink& link, std::uint64_t slots, std::uint64_t block) {
  Tally tally;
  while (tally.slots < slots) {
    const auto events = link.bob().next_block(block);
    EXPECT_TRUE(events);
    const auto answer =
        link.alice().settings_for(events->first_slot, events->slot_count, events->offsets);
    EXPECT_TRUE(answer);
    EXPECT_EQ(answer->emitted.total(), events->slot_count);
    add_block(tally, *events, *answer);
  }
  return tally;
}

constexpr double sigmas = 4.5;

// The seed of a test, or one made of it and QUOIN_FRESH_SEED.
std::uint64_t seed_of(std::uint64_t fixed) {
  const char* const fresh = std::getenv("QUOIN_FRESH_SEED");
  return fresh == nullptr ? fixed : fixed ^ std::strtoull(fresh, nullptr, 10) << 32;
}

void expect_near_sigma(double seen, double expected, double sigma, const std::string& what) {
  const double z = (seen - expected) / sigma;
  std::printf("  %-34s seen %14.0f  expected %14.1f  z %+5.2f\n", what.c_str(), seen, expected, z);
  EXPECT_LE(std::abs(z), sigmas) << what;
}

// Counts of accepted events: their total is a renewal process with gaps 1 + Geometric(p) +
// dead_slots, of which every kind takes a share q independently.
class CountModel {
 public:
  CountModel(const LinkPhysics& physics, std::uint64_t slots) : model_(link_model(physics)) {
    const double p = model_.click_probability;
    const double mean_gap = 1 / p + static_cast<double>(physics.dead_time_slots());
    total_ = static_cast<double>(slots) / mean_gap;
    total_variance_ = static_cast<double>(slots) * (1 - p) / (p * p) / std::pow(mean_gap, 3);
  }
  double total() const { return total_; }
  double total_sigma() const { return std::sqrt(total_variance_); }
  // Of a kind with probability `joint` per live slot.
  double expected(double joint) const { return total_ * joint / model_.click_probability; }
  double sigma(double joint) const {
    const double q = joint / model_.click_probability;
    return std::sqrt(total_ * q * (1 - q) + q * q * total_variance_);
  }

 private:
  LinkModel model_;
  double total_ = 0;
  double total_variance_ = 0;
};

const char* const basis_names[] = {"key", "test"};
const char* const intensity_names[] = {"signal", "decoy", "vacuum"};

void compare_gains_and_errors(const LinkPhysics& physics, const Tally& tally) {
  const LinkModel model = link_model(physics);
  const CountModel counts(physics, tally.slots);
  const double q[] = {physics.key_basis_probability, 1 - physics.key_basis_probability};
  for (std::size_t a = 0; a < 2; ++a)
    for (std::size_t k = 0; k < 3; ++k) {
      const ClickRates& rates = model.same_basis[k];
      const std::string name = std::string(basis_names[a]) + " " + intensity_names[k];
      const double joint = q[a] * q[a] * physics.intensity_probability[k] * rates.gain;
      const double seen = static_cast<double>(tally.detected[a][a][k]);
      expect_near_sigma(seen, counts.expected(joint), counts.sigma(joint), name + " gain");
      const double wrong = rates.wrong_only / rates.gain;
      const double both = rates.double_click / rates.gain;
      const double e = rates.error_rate();
      // A double click counts as half an error.
      const double errors = static_cast<double>(tally.wrong_only[a][a][k]) +
                            static_cast<double>(tally.doubles[a][a][k]) / 2;
      expect_near_sigma(errors, seen * e, std::sqrt(seen * (wrong + both / 4 - e * e)),
                        name + " errors");
    }
}

void compare_the_rest(const LinkPhysics& physics, const Tally& tally) {
  const LinkModel model = link_model(physics);
  const CountModel counts(physics, tally.slots);
  const double q[] = {physics.key_basis_probability, 1 - physics.key_basis_probability};
  expect_near_sigma(static_cast<double>(tally.detections), counts.total(), counts.total_sigma(),
                    "all detections");
  double doubles[2] = {};
  double doubles_expected[2] = {};
  for (std::size_t k = 0; k < 3; ++k) {
    const double pk = physics.intensity_probability[k];
    const double mixed = 2 * q[0] * q[1] * pk;
    const auto seen = tally.detected[0][1][k] + tally.detected[1][0][k];
    const double joint = mixed * model.different_basis[k].gain;
    expect_near_sigma(static_cast<double>(seen), counts.expected(joint), counts.sigma(joint),
                      std::string("mixed bases ") + intensity_names[k]);
    doubles[0] += static_cast<double>(tally.doubles[0][0][k] + tally.doubles[1][1][k]);
    doubles[1] += static_cast<double>(tally.doubles[0][1][k] + tally.doubles[1][0][k]);
    doubles_expected[0] += (q[0] * q[0] + q[1] * q[1]) * pk * model.same_basis[k].double_click;
    doubles_expected[1] += mixed * model.different_basis[k].double_click;
    for (std::size_t a = 0; a < 2; ++a) {
      const double p = q[a] * pk;
      const double n = static_cast<double>(tally.slots);
      expect_near_sigma(static_cast<double>(tally.emitted.sent[a][k]), n * p,
                        std::sqrt(n * p * (1 - p)),
                        std::string("sent ") + basis_names[a] + " " + intensity_names[k]);
    }
  }
  for (std::size_t m = 0; m < 2; ++m)
    expect_near_sigma(doubles[m], counts.expected(doubles_expected[m]),
                      counts.sigma(doubles_expected[m]),
                      m == 0 ? "double clicks, same basis" : "double clicks, mixed bases");
  // Every detection kills the slots behind it; the last one may reach past the end.
  const std::uint64_t killed = tally.detections * physics.dead_time_slots();
  EXPECT_LE(tally.dropped, killed);
  EXPECT_GE(tally.dropped + physics.dead_time_slots(), killed);
}

void compare(const char* title, const LinkPhysics& physics, std::uint64_t seed,
             std::uint64_t slots) {
  seed = seed_of(seed);
  std::printf("%s, seed %llu\n", title, static_cast<unsigned long long>(seed));
  const auto link = SimulatedLink::make(physics, seed);
  ASSERT_TRUE(link);
  const Tally tally = run_link(**link, slots, 50'000'000);
  ASSERT_EQ(tally.slots, slots);
  compare_gains_and_errors(physics, tally);
  compare_the_rest(physics, tally);
}

TEST(SimulatorStatistics, DefaultLinkMatchesTheModel) {
  compare("default link", LinkPhysics{}, 20240601, 800'000'000);
}

// Every imperfection large, so that each one would show: unlike detectors, many dark counts, long
// dead time, vacuum that is not empty.
TEST(SimulatorStatistics, RoughLinkMatchesTheModel) {
  LinkPhysics physics;
  physics.distance_km = 40;
  physics.detector_efficiency = {0.9, 0.6};
  physics.dark_counts_per_s = {3e5, 1e5};
  physics.misalignment = 0.05;
  physics.dead_time_ns = 95;
  physics.mu = {0.8, 0.2, 0.02};
  physics.intensity_probability = {0.5, 0.3, 0.2};
  physics.key_basis_probability = 0.7;
  compare("rough link", physics, 20240602, 400'000'000);
}

// Rare clicks take another way through the simulator (gaps between them) than frequent ones.
TEST(SimulatorStatistics, LongLinkMatchesTheModel) {
  LinkPhysics physics;
  physics.distance_km = 110;
  physics.dark_counts_per_s = {20'000, 10'000};
  physics.dead_time_ns = 5'000;
  physics.key_basis_probability = 0.7;
  compare("long link", physics, 20240603, 2'000'000'000);
}

// Afterpulses: rates per intensity, errors and double clicks, on both ways through the simulator.
TEST(SimulatorStatistics, AfterpulsesMatchTheModel) {
  LinkPhysics physics;
  physics.afterpulse_probability = 0.04;
  physics.afterpulse_lifetime_ns = 60;
  physics.dead_time_ns = 40;
  physics.key_basis_probability = 0.7;
  physics.distance_km = 15;
  compare("afterpulses, short link", physics, 20240604, 150'000'000);
  physics.distance_km = 90;
  physics.afterpulse_lifetime_ns = 5'000;
  compare("afterpulses, long link", physics, 20240605, 1'500'000'000);
}

double qber(const Tally& tally, std::size_t basis) {
  double errors = 0;
  double detected = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    errors += static_cast<double>(tally.wrong_only[basis][basis][k]) +
              static_cast<double>(tally.doubles[basis][basis][k]) / 2;
    detected += static_cast<double>(tally.detected[basis][basis][k]);
  }
  return errors / detected;
}

// attacks.md: intercept-resend adds fraction/4 (1 - 2 e0) to the error rate of both bases and
// leaves the gains alone.
TEST(SimulatorStatistics, InterceptResendAddsAQuarterOfItsFractionInBothBases) {
  LinkPhysics physics;
  physics.key_basis_probability = 0.6;
  const LinkModel model = link_model(physics);
  for (const double fraction : {0.2, 0.5, 1.0}) {
    const auto link = SimulatedLink::make(physics, seed_of(77));
    ASSERT_TRUE(link);
    auto eve = InterceptResend::make(fraction);
    ASSERT_TRUE(eve);
    ASSERT_EQ((*link)->set_eve(*eve, 0).value(), 0u);
    const Tally tally = run_link(**link, 40'000'000, 20'000'000);
    const double expected = model.qber_key + fraction / 4 * (1 - 2 * model.qber_key);
    for (std::size_t basis = 0; basis < 2; ++basis) {
      double n = 0;
      for (const std::uint64_t count : tally.detected[basis][basis])
        n += static_cast<double>(count);
      expect_near_sigma(qber(tally, basis) * n, expected * n,
                        std::sqrt(n * expected * (1 - expected)),
                        "fraction " + std::to_string(fraction) + " " + basis_names[basis]);
    }
    const CountModel counts(physics, tally.slots);
    expect_near_sigma(static_cast<double>(tally.detections), counts.total(), counts.total_sigma(),
                      "all detections");
  }
}

}  // namespace
}  // namespace quoin
