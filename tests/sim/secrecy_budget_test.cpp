// security-rules C8 on whole sites: epsilons add, survive crashes, and at the limit no key is made.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/world.hpp"

namespace quoin {
namespace {

constexpr std::array roles{QuantumRole::alice, QuantumRole::bob};

WorldConfig quiet_world(std::uint64_t seed) {
  WorldConfig config = small_world(seed);
  config.faults = FaultPlan{};
  return config;
}

double block_epsilon(const WorldConfig& config) { return epsilon_of_block(config.parameters); }

// Room for five blocks and a half, on one side alone or on both.
class SecrecyBudgetStops : public testing::TestWithParam<std::pair<bool, bool>> {};

TEST_P(SecrecyBudgetStops, TheLinkBeforeItsLimitIsPassed) {
  WorldConfig config = quiet_world(31);
  const double epsilon = block_epsilon(config);
  const auto [alice_is_short, bob_is_short] = GetParam();
  if (alice_is_short) config.secrecy_budget[0].limit = 5.5 * epsilon;
  if (bob_is_short) config.secrecy_budget[1].limit = 5.5 * epsilon;
  auto world = World::make(config).value();
  world->run_until(Instant{6 * ns_per_s});
  EXPECT_EQ(world->outcome().blocks_committed[0], 5U);
  EXPECT_EQ(world->outcome().blocks_committed[1], 5U);
  EXPECT_NE(world->outcome().last_alarm.find("secrecy budget"), std::string::npos)
      << world->outcome().last_alarm;
  for (const QuantumRole role : roles) {
    const LinkStatus status = world->site(role)->link_status();
    const bool is_short = role == QuantumRole::alice ? alice_is_short : bob_is_short;
    EXPECT_EQ(status.is_budget_spent, is_short);
    // The other side may have prepared blocks that this one refused: spent all the same.
    if (is_short) {
      EXPECT_LE(status.secrecy_spent, 5.5 * epsilon);
    }
    EXPECT_GE(status.secrecy_spent, 5 * epsilon * (1 - 1e-9));
    EXPECT_TRUE(status.is_running) << "the link stands, it only makes no key";
    EXPECT_GT(status.secrecy_period_ends_unix_ms, world->clock().wall_unix_ms());
  }
}

INSTANTIATE_TEST_SUITE_P(EitherSide, SecrecyBudgetStops,
                         testing::Values(std::pair(true, true), std::pair(true, false),
                                         std::pair(false, true)));

TEST(SecrecyBudget, ANewPeriodMakesKeyAgain) {
  WorldConfig config = quiet_world(32);
  for (SecrecyBudget& budget : config.secrecy_budget)
    budget = {.limit = 3.5 * block_epsilon(config), .period_ms = 20'000};
  auto world = World::make(config).value();
  world->run_until(Instant{15 * ns_per_s});
  EXPECT_EQ(world->outcome().blocks_committed[0], 3U);
  world->run_until(Instant{36 * ns_per_s});
  EXPECT_EQ(world->outcome().blocks_committed[0], 6U);
  const LinkStatus status = world->site(QuantumRole::bob)->link_status();
  EXPECT_NEAR(status.secrecy_total, 6 * block_epsilon(config), 1e-3 * block_epsilon(config));
}

// Whatever is written or lost: what a site has spent never goes down, and covers all that it
// committed.
TEST(SecrecyBudget, SpentEpsilonNeverFallsOverCrashesAndRestarts) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    WorldConfig config = quiet_world(4000 + seed);
    auto world = World::make(config).value();
    std::array<double, 2> most{};
    for (int step = 1; step <= 120; ++step) {
      const QuantumRole dying = roles[(seed + static_cast<std::uint64_t>(step)) % 2];
      MemoryStore& disk = world->disk(dying);
      if (step % 15 == 0) disk.fail_at(disk.writes() + 1 + seed % 5, step % 2 == 0);
      if (step % 40 == 0) world->restart(dying);
      world->run_until(Instant{step * 25 * ns_per_ms});
      for (std::size_t i = 0; i < 2; ++i) {
        Site* site = world->site(roles[i]);
        if (site == nullptr) continue;
        const double total = site->link_status().secrecy_total;
        ASSERT_GE(total, most[i]) << "seed " << seed << ", step " << step;
        most[i] = total;
      }
    }
    const WorldOutcome outcome = world->settle_and_compare(2 * ns_per_s);
    EXPECT_TRUE(outcome.violations.empty()) << outcome.violations.front();
    EXPECT_GT(outcome.crashes, 0U);
    for (std::size_t i = 0; i < 2; ++i) {
      const double blocks = static_cast<double>(outcome.blocks_committed[i]);
      EXPECT_GE(world->site(roles[i])->link_status().secrecy_total,
                blocks * block_epsilon(config) * (1 - 1e-9));
    }
  }
}

// A new lineage starts its own sum, not a new budget.
TEST(SecrecyBudget, TheAccountOutlivesRestartsOfBothSites) {
  auto world = World::make(quiet_world(33)).value();
  world->run_until(Instant{3 * ns_per_s});
  const double before = world->site(QuantumRole::alice)->link_status().secrecy_total;
  ASSERT_GT(before, 0);
  for (const QuantumRole role : roles) world->restart(role);
  EXPECT_DOUBLE_EQ(world->site(QuantumRole::alice)->link_status().secrecy_total, before);
  world->run_until(Instant{5 * ns_per_s});
  EXPECT_GT(world->site(QuantumRole::alice)->link_status().secrecy_total, before);
}

}  // namespace
}  // namespace quoin
