// Whole sites under the simulation: what must hold with faults, without them, and at every write.
#include "sim/world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace quoin {
namespace {

WorldConfig quiet_world(std::uint64_t seed) {
  WorldConfig config = small_world(seed);
  config.faults = FaultPlan{};
  return config;
}

// Under sanitizers one case in so many is run.
std::uint64_t share_of_cases() {
  const char* share = std::getenv("QUOIN_SIM_SHARE");
  return share == nullptr ? 1 : std::max<std::uint64_t>(1, std::strtoull(share, nullptr, 10));
}

void run_until_switched(World& world) {
  while (!world.outcome().is_information_theoretic && world.clock().now() < Instant{10 * ns_per_s})
    world.run_until(Instant{world.clock().now().ns + 20 * ns_per_ms});
  ASSERT_TRUE(world.outcome().is_information_theoretic);
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

TEST(World, WithoutFaultsOneSessionMakesKeyAndSwitches) {
  auto world = World::make(quiet_world(1)).value();
  world->run_until(Instant{2 * ns_per_s});
  const WorldOutcome outcome = world->settle_and_compare(2 * ns_per_s);
  EXPECT_EQ(joined(outcome.violations), "");
  EXPECT_EQ(outcome.sessions, 1U) << "something ended a session that nothing disturbed";
  EXPECT_TRUE(outcome.is_information_theoretic);
  EXPECT_GT(outcome.blocks_committed[0], 3U);
  EXPECT_EQ(outcome.blocks_aborted, 0U);
  EXPECT_EQ(outcome.keys_equal, outcome.keys_served);
  EXPECT_GE(outcome.keys_equal, 96U);
  // Steady state spends one pad per direction and block.
  EXPECT_LE(outcome.pads_used, 2 * (outcome.blocks_committed[0] + 4));
}

// security-rules A8: key made under the bootstrap says so; from the switch on the grade is
// information-theoretic, and stays.
TEST(World, GradesSayWhatTheKeyRestsOn) {
  auto world = World::make(quiet_world(2)).value();
  run_until_switched(*world);
  world->run_until(Instant{world->clock().now().ns + 3 * ns_per_s});
  const auto grades = [&world] {
    std::vector<Grade> in_order;
    for (const auto& [block, grade] : world->outcome().grades) in_order.push_back(grade);
    return in_order;
  };
  const std::vector<Grade> first = grades();
  ASSERT_GT(first.size(), 4U);
  EXPECT_EQ(first.front(), Grade::bootstrap_pki);
  EXPECT_EQ(first.back(), Grade::information_theoretic);
  EXPECT_TRUE(std::ranges::is_sorted(first));
  // After a restart of both sites the link goes on under its own key: no bootstrap any more.
  world->restart(QuantumRole::alice);
  world->restart(QuantumRole::bob);
  world->run_until(Instant{world->clock().now().ns + 2 * ns_per_s});
  const std::vector<Grade> later = grades();
  ASSERT_GT(later.size(), first.size());
  for (std::size_t i = first.size(); i < later.size(); ++i)
    EXPECT_EQ(later[i], Grade::information_theoretic);
  EXPECT_TRUE(world->outcome().violations.empty());
}

TEST(World, TheSameSeedGivesTheSameRun) {
  const WorldOutcome a = run_seed(3).value();
  const WorldOutcome b = run_seed(3).value();
  EXPECT_EQ(a.sessions, b.sessions);
  EXPECT_EQ(a.blocks_committed[0], b.blocks_committed[0]);
  EXPECT_EQ(a.pads_used, b.pads_used);
  EXPECT_EQ(a.crashes, b.crashes);
  EXPECT_EQ(a.keys_equal, b.keys_equal);
  EXPECT_EQ(a.seconds_to_first_key, b.seconds_to_first_key);
}

TEST(World, SeedsWithFaultsBreakNoPromise) {
  for (std::uint64_t seed = 100; seed < 112; seed += share_of_cases()) {
    const WorldOutcome outcome = run_seed(seed).value();
    EXPECT_EQ(joined(outcome.violations), "") << "seed " << seed;
    EXPECT_EQ(outcome.needs_operator, "") << "seed " << seed;
  }
}

TEST(World, EveInTheFibreLeavesNoKey) {
  WorldConfig config = quiet_world(4);
  config.eve = InterceptResend::make(1.0).value();
  auto world = World::make(config).value();
  world->run_until(Instant{ns_per_s / 2});
  const WorldOutcome& outcome = world->outcome();
  EXPECT_EQ(outcome.blocks_committed[0] + outcome.blocks_committed[1], 0U);
  EXPECT_GT(outcome.blocks_without_key, 0U);
  EXPECT_NE(outcome.last_no_key, "");
  for (const double qber : outcome.qber_of_no_key) EXPECT_NEAR(qber, 0.25, 0.02) << "both sites";
  for (const QuantumRole role : {QuantumRole::alice, QuantumRole::bob}) {
    EXPECT_EQ(world->site(role)->key_store().available_bits(), 0U);
    EXPECT_EQ(world->site(role)->link_status().lineage, 0U);
  }
}

// A site without consumers stops making key when its store is full, keeps the link, and goes on
// when keys are used.
TEST(World, AFullKeyStoreMakesNoMoreKey) {
  WorldConfig config = quiet_world(9);
  config.key_store_bytes = 16384;
  auto world = World::make(config).value();
  world->run_until(Instant{8 * ns_per_s});
  const auto blocks = world->outcome().blocks_committed[0];
  ASSERT_GT(blocks, 0U);
  world->run_until(Instant{10 * ns_per_s});
  EXPECT_EQ(world->outcome().blocks_committed[0], blocks);
  EXPECT_EQ(world->outcome().sessions, 1U);
  EXPECT_EQ(world->outcome().needs_operator, "");
}

// Either site dies at its n-th write, before or after the disk has it, and comes back: equal keys,
// no pad twice.
class CrashAtEveryWrite : public testing::TestWithParam<std::pair<QuantumRole, bool>> {};

TEST_P(CrashAtEveryWrite, KeepsEveryPromise) {
  const auto [role, lands] = GetParam();
  for (std::uint64_t write = 1; write < 36; write += share_of_cases()) {
    auto world = World::make(quiet_world(502)).value();
    world->disk(role).fail_at(write, lands);
    world->run_until(Instant{ns_per_s});
    const WorldOutcome outcome = world->settle_and_compare(2 * ns_per_s);
    EXPECT_EQ(joined(outcome.violations), "") << "write " << write;
    EXPECT_EQ(outcome.needs_operator, "") << "write " << write;
    EXPECT_GT(outcome.keys_equal, 0U) << "write " << write;
  }
}

INSTANTIATE_TEST_SUITE_P(EitherSide, CrashAtEveryWrite,
                         testing::Values(std::pair(QuantumRole::alice, false),
                                         std::pair(QuantumRole::alice, true),
                                         std::pair(QuantumRole::bob, false),
                                         std::pair(QuantumRole::bob, true)));

// Reconnecting leans on no trust anchor: with TLS broken from the second connection on, the link
// still makes key.
TEST(World, AfterTheSwitchTlsMayBreak) {
  auto world = World::make(quiet_world(10)).value();
  run_until_switched(*world);
  world->run_until(Instant{world->clock().now().ns + ns_per_s});
  world->break_transport();
  world->cut();
  const auto blocks = world->outcome().blocks_committed[0];
  world->run_until(Instant{world->clock().now().ns + 3 * ns_per_s});
  EXPECT_GT(world->outcome().blocks_committed[0], blocks);
  EXPECT_EQ(world->outcome().sessions, 2U);
  const WorldOutcome outcome = world->settle_and_compare(ns_per_s);
  EXPECT_EQ(joined(outcome.violations), "");
  EXPECT_GT(outcome.keys_equal, 0U);
}

// Cutting the line does not shorten the window that is printed, nor stretch the one allowed.
TEST(World, TheBootstrapWindowSpansReconnections) {
  auto world = World::make(quiet_world(12)).value();
  const auto seconds = [&] { return static_cast<double>(world->clock().now().ns) * 1e-9; };
  double first_commitment = 0;
  int cuts = 0;
  bool is_to_cut = false;
  world->set_tamper([&](QuantumRole, Bytes& frame) {
    const auto view = decode_frame(frame);
    if (!view || view->header.type != FrameType::commitment || cuts >= 4) return true;
    if (first_commitment == 0) first_commitment = seconds();
    is_to_cut = true;  // the session runs, and has no key yet
    return true;
  });
  while (cuts < 4 && seconds() < 20) {
    world->run_until(Instant{world->clock().now().ns + ns_per_ms});
    if (!is_to_cut) continue;
    is_to_cut = false;
    ++cuts;
    world->cut();
  }
  ASSERT_EQ(cuts, 4);
  ASSERT_FALSE(world->outcome().is_information_theoretic);
  const double last_cut = seconds();
  run_until_switched(*world);
  EXPECT_GE(world->outcome().bootstrap_seconds, last_cut - first_commitment);
  EXPECT_LE(world->outcome().bootstrap_seconds, seconds());
  EXPECT_GT(last_cut - first_commitment, 0.1);
}

// The same before the switch: the bootstrap does lean on TLS, so nothing comes of it.
TEST(World, BeforeTheSwitchBrokenTlsGivesNoKey) {
  auto world = World::make(quiet_world(11)).value();
  world->break_transport();
  world->run_until(Instant{2 * ns_per_s});
  EXPECT_EQ(world->outcome().blocks_committed[0] + world->outcome().blocks_committed[1], 0U);
}

// Pads that go without key in return: the link stops in order, and says what to do.
TEST(World, ADryLedgerStopsTheLink) {
  auto world = World::make(quiet_world(12)).value();
  run_until_switched(*world);
  world->set_tamper([](QuantumRole from, Bytes& frame) {
    const auto view = decode_frame(frame);
    if (view && from == QuantumRole::bob && view->header.type == FrameType::estimate)
      frame.back() ^= std::byte{1};
    return true;
  });
  while (world->outcome().needs_operator.empty() && world->clock().now() < Instant{400 * ns_per_s})
    world->run_until(Instant{world->clock().now().ns + 5 * ns_per_s});
  EXPECT_NE(world->outcome().needs_operator.find("dry"), std::string::npos)
      << world->outcome().needs_operator;
  EXPECT_EQ(joined(world->outcome().violations), "");
}

// security-rules A4: a disk restored from an old copy is noticed before its first pad.
TEST(World, ARestoredSnapshotStopsTheLink) {
  for (const QuantumRole role : {QuantumRole::alice, QuantumRole::bob}) {
    auto world = World::make(quiet_world(7)).value();
    run_until_switched(*world);
    world->run_until(Instant{world->clock().now().ns + ns_per_s / 2});
    ASSERT_GT(world->outcome().pads_used, 0U);
    const MemoryStore::Rows old = world->disk(role).snapshot();
    world->run_until(Instant{world->clock().now().ns + ns_per_s});
    world->disk(role).restore(old);
    world->restart(role);
    const std::uint64_t pads_before = world->outcome().pads_used;
    world->run_until(Instant{world->clock().now().ns + 2 * ns_per_s});
    EXPECT_NE(world->outcome().needs_operator, "") << to_string(role);
    EXPECT_EQ(world->outcome().pads_used, pads_before) << "a pad was spent from an old copy";
    // Nor does a key leave that the old copy takes for unused.
    const char* const own = role == QuantumRole::alice ? "app-a" : "app-b";
    const char* const peer = role == QuantumRole::alice ? "app-b" : "app-a";
    KmeEffects effects;
    KeyRequest request;
    request.master = SaeId{own};
    request.slave = SaeId{peer};
    const auto reply = world->site(role)->kme().request_keys(request, effects);
    ASSERT_FALSE(reply.has_value());
    EXPECT_EQ(reply.error().code, ErrorCode::unavailable);
    EXPECT_EQ(joined(world->outcome().violations), "");
  }
}

// A site that lost its whole disk must not be bootstrapped silently: that is a downgrade
// (security-rules A5).
TEST(World, ALostDiskNeedsAnOperator) {
  auto world = World::make(quiet_world(8)).value();
  run_until_switched(*world);
  world->disk(QuantumRole::bob).restore({});
  world->restart(QuantumRole::bob);
  const auto blocks = world->outcome().blocks_committed[0];
  world->run_until(Instant{world->clock().now().ns + 2 * ns_per_s});
  EXPECT_NE(world->outcome().needs_operator, "");
  EXPECT_EQ(world->outcome().blocks_committed[0], blocks);
}

}  // namespace
}  // namespace quoin
