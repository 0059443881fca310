#include "quantum/simulator.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <thread>

#include "quantum/link_model.hpp"

namespace quoin {
namespace {

std::unique_ptr<SimulatedLink> make_link(const LinkPhysics& physics, std::uint64_t seed) {
  auto link = SimulatedLink::make(physics, seed);
  EXPECT_TRUE(link);
  return std::move(link).value();
}

// Slot, Bob's basis and mask, Alice's setting, one number per detection.
struct Record {
  std::vector<std::uint64_t> rows;
  EmissionSums emitted;
  std::uint64_t dropped = 0;
  std::array<std::uint64_t, 2> singles{};
  bool operator==(const Record&) const = default;
};

void add_block(Record& record, SimulatedLink& link, std::uint64_t slot_count) {
  const auto events = link.bob().next_block(slot_count);
  ASSERT_TRUE(events);
  const auto answer = link.alice().settings_for(events->first_slot, slot_count, events->offsets);
  ASSERT_TRUE(answer);
  const SettingPlanes& s = answer->settings;
  for (std::size_t i = 0; i < events->offsets.size(); ++i) {
    std::uint64_t row = events->first_slot + events->offsets[i];
    for (const bool bit :
         {events->basis_is_test[i], bit_at(events->clicked_0.expose_secret(), i),
          bit_at(events->clicked_1.expose_secret(), i), s.basis_is_test[i], s.intensity_is_decoy[i],
          s.intensity_is_vacuum[i], bit_at(s.bits.expose_secret(), i)})
      row = row << 1 | (bit ? 1 : 0);
    record.rows.push_back(row);
  }
  for (std::size_t a = 0; a < basis_count; ++a)
    for (std::size_t k = 0; k < intensity_count; ++k)
      record.emitted.sent[a][k] += answer->emitted.sent[a][k];
  record.dropped += events->slots_dropped_dead_time;
  for (std::size_t d = 0; d < 2; ++d) record.singles[d] += events->singles[d];
}

Record record_of(SimulatedLink& link, std::uint64_t slots, const std::vector<std::uint64_t>& cuts) {
  Record record;
  std::uint64_t done = 0;
  for (std::size_t i = 0; done < slots; ++i) {
    const std::uint64_t count = std::min(cuts[i % cuts.size()], slots - done);
    add_block(record, link, count);
    done += count;
  }
  return record;
}

void expect_blocks_do_not_matter(const LinkPhysics& physics, std::uint64_t slots,
                                 std::size_t rows_min) {
  const Record whole = record_of(*make_link(physics, 5), slots, {slots});
  EXPECT_GT(whole.rows.size(), rows_min);
  EXPECT_EQ(whole.emitted.total(), slots);
  for (const std::vector<std::uint64_t>& cuts :
       {std::vector<std::uint64_t>{65536}, {1, 65535}, {100'000, 7, 3}, {30'001}})
    EXPECT_EQ(record_of(*make_link(physics, 5), slots, cuts), whole) << cuts[0];
  EXPECT_NE(record_of(*make_link(physics, 6), slots, {slots}), whole);
}

TEST(Simulator, GivesTheSameWhateverTheBlocks) {
  LinkPhysics physics;
  physics.dead_time_ns = 130;
  expect_blocks_do_not_matter(physics, 1'000'003, 10'000);
  physics.dead_time_ns = 20;
  physics.afterpulse_probability = 0.2;
  physics.afterpulse_lifetime_ns = 3'000;
  expect_blocks_do_not_matter(physics, 1'000'003, 20'000);
  physics.distance_km = 100;
  physics.dark_counts_per_s = {1e5, 1e5};
  expect_blocks_do_not_matter(physics, 1'000'003, 1'000);
}

std::uint64_t digest_of(const LinkPhysics& physics, std::uint64_t slots) {
  const auto link = make_link(physics, 20241123);
  const Record record = record_of(*link, slots, {1'000'000});
  std::uint64_t digest = 0xcbf29ce484222325;
  for (const std::uint64_t row : record.rows) digest = (digest ^ row) * 0x100000001b3;
  for (const auto& basis : record.emitted.sent)
    for (const std::uint64_t sent : basis) digest = (digest ^ sent) * 0x100000001b3;
  return digest;
}

// Equal on every processor and compiler, with whatever instructions: a change of these numbers
// breaks replay of recorded seeds.
TEST(Simulator, DrawsTheSameOnEveryMachine) {
  LinkPhysics afterpulsing;
  afterpulsing.afterpulse_probability = 0.05;
  LinkPhysics distant = afterpulsing;
  distant.distance_km = 100;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    const char* const name = hwy::TargetName(target);
    EXPECT_EQ(digest_of(LinkPhysics{}, 3'000'000), 4802555033266686052u) << name;
    EXPECT_EQ(digest_of(afterpulsing, 3'000'000), 14530316168904473618u) << name;
    EXPECT_EQ(digest_of(distant, 50'000'000), 9668586542426017052u) << name;
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

TEST(Simulator, KeepsDetectionsApartByTheDeadTime) {
  LinkPhysics physics;
  physics.distance_km = 0;
  physics.dead_time_ns = 50;
  const auto link = make_link(physics, 3);
  SlotIndex live_from = 0;
  std::uint64_t singles = 0;
  for (int block = 0; block < 50; ++block) {
    const auto events = link->bob().next_block(3001);
    ASSERT_TRUE(events);
    for (std::size_t i = 0; i < events->offsets.size(); ++i) {
      const SlotIndex slot = events->first_slot + events->offsets[i];
      ASSERT_GE(slot, live_from);
      ASSERT_TRUE(bit_at(events->clicked_0.expose_secret(), i) ||
                  bit_at(events->clicked_1.expose_secret(), i));
      live_from = slot + 6;
    }
    EXPECT_EQ(events->singles[0], popcount(events->clicked_0.expose_secret()));
    singles += events->singles[0] + events->singles[1];
  }
  EXPECT_GT(singles, 10'000u);
}

TEST(Simulator, AnswersForSlotsWithoutADetectionAndAlwaysTheSame) {
  const auto link = make_link(LinkPhysics{}, 9);
  ASSERT_TRUE(link->bob().next_block(300'000));
  std::vector<std::uint32_t> all(70'000);
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto answer = link->alice().settings_for(100'000, all.size(), all);
  ASSERT_TRUE(answer);
  // Slot by slot the settings add up to the sums.
  EmissionSums sums;
  const SettingPlanes& s = answer->settings;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t k = s.intensity_is_vacuum[i] ? 2 : s.intensity_is_decoy[i] ? 1 : 0;
    ++sums.sent[s.basis_is_test[i] ? 1 : 0][k];
  }
  EXPECT_EQ(sums, answer->emitted);
  const auto again = link->alice().settings_for(100'000, all.size(), all);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->settings.basis_is_test, s.basis_is_test);
  EXPECT_EQ(again->settings.intensity_is_decoy, s.intensity_is_decoy);
  EXPECT_TRUE(equal_constant_time(again->settings.bits.expose_secret_bytes(),
                                  s.bits.expose_secret_bytes()));
}

TEST(Simulator, AliceRefusesWhatSheCannotKnow) {
  LinkPhysics physics;
  physics.retention_s = 0.001;  // 100 000 slots
  const auto link = make_link(physics, 9);
  const auto code_of = [&](SlotIndex first, std::uint64_t count,
                           std::vector<std::uint32_t> offsets) {
    const auto answer = link->alice().settings_for(first, count, offsets);
    EXPECT_FALSE(answer);
    return answer.error().code;
  };
  EXPECT_EQ(code_of(0, 10, {}), ErrorCode::not_found);  // nothing emitted yet
  ASSERT_TRUE(link->bob().next_block(150'000));
  EXPECT_EQ(code_of(49'999, 10, {}), ErrorCode::not_found);
  EXPECT_EQ(code_of(149'999, 2, {}), ErrorCode::not_found);
  EXPECT_EQ(code_of(~SlotIndex{0} - 1, 5, {}), ErrorCode::not_found);
  EXPECT_TRUE(link->alice().settings_for(50'000, 100'000, {}));
  EXPECT_EQ(code_of(60'000, 10, {10}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(60'000, 10, {3, 3}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(60'000, 10, {4, 3}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(60'000, 0, {}), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(0, block_slots_max + 1, {}), ErrorCode::too_large);
  EXPECT_EQ(link->bob().next_block(0).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(link->bob().next_block(block_slots_max + 1).error().code, ErrorCode::too_large);
}

TEST(Simulator, ABlockWithTooManyDetectionsLeavesBobWhereHeWas) {
  LinkPhysics physics;
  physics.distance_km = 0;
  physics.dead_time_ns = 0;
  physics.mu = {8, 0.1, 0};
  const auto link = make_link(physics, 4);
  const auto other = make_link(physics, 4);
  EXPECT_EQ(link->bob().next_block(60'000'000).error().code, ErrorCode::too_large);
  EXPECT_EQ(link->emitted(), 0u);
  EXPECT_EQ(record_of(*link, 100'000, {100'000}), record_of(*other, 100'000, {100'000}));
}

TEST(Simulator, EveComesAndGoesAtTheSlotItSays) {
  LinkPhysics physics;
  const std::uint64_t block = 4 * 65536;
  const auto link = make_link(physics, 8);
  const auto calm = make_link(physics, 8);
  const auto eve = InterceptResend::make(1).value();
  Record with;
  Record without;
  add_block(with, *link, block);
  const auto from = link->set_eve(eve, 0);
  ASSERT_TRUE(from);
  EXPECT_EQ(*from, block);
  EXPECT_EQ(link->set_eve(nullptr, 2 * block - 1).value(), 2 * block);
  for (int i = 0; i < 2; ++i) add_block(with, *link, block);
  for (int i = 0; i < 3; ++i) add_block(without, *calm, block);
  const auto in_block = [&](const Record& record, std::uint64_t b) {
    std::vector<std::uint64_t> rows;
    for (const std::uint64_t row : record.rows)
      if ((row >> 7) / block == b) rows.push_back(row);
    return rows;
  };
  // Dead time reaches over the seam, so compare behind the first slots of the third block.
  EXPECT_EQ(in_block(with, 0), in_block(without, 0));
  EXPECT_NE(in_block(with, 1), in_block(without, 1));
  const auto calm_again = in_block(with, 2);
  const auto expected = in_block(without, 2);
  ASSERT_GT(calm_again.size(), 1000u);
  EXPECT_TRUE(std::equal(calm_again.end() - 1000, calm_again.end(), expected.end() - 1000));
}

TEST(Simulator, ADroppedBacklogMovesBobForward) {
  const auto link = make_link(LinkPhysics{}, 8);
  ASSERT_TRUE(link->bob().next_block(1000));
  link->drop_backlog_before(500);  // already handed over
  EXPECT_EQ(link->emitted(), 1000u);
  link->drop_backlog_before(1'234'567);
  const auto events = link->bob().next_block(100'000);
  ASSERT_TRUE(events);
  EXPECT_EQ(events->first_slot, 1'234'567u);
  EXPECT_TRUE(link->alice().settings_for(events->first_slot, 100'000, events->offsets));
}

TEST(Simulator, ServesBothSidesFromTwoThreads) {
  LinkPhysics physics;
  const auto link = make_link(physics, 12);
  constexpr std::uint64_t block = 200'000;
  ASSERT_TRUE(link->bob().next_block(block));
  std::vector<EmissionSums> sums(40);
  std::thread alice([&] {
    for (EmissionSums& sum : sums) {
      const auto answer = link->alice().settings_for(0, block, {});
      if (answer) sum = answer->emitted;
    }
  });
  for (int i = 0; i < 40; ++i) {
    EXPECT_TRUE(link->bob().next_block(block));
    if (i % 10 == 0) {
      EXPECT_TRUE(link->set_eve(InterceptResend::make(0.5).value(), 0));
    }
  }
  alice.join();
  for (const EmissionSums& sum : sums) EXPECT_EQ(sum, sums[0]);
  EXPECT_EQ(sums[0].total(), block);
}

TEST(Simulator, ALinkInTheDarkDetectsNothing) {
  LinkPhysics physics;
  physics.detector_efficiency = {0, 0};
  physics.dark_counts_per_s = {0, 0};
  const auto link = make_link(physics, 1);
  const auto events = link->bob().next_block(10'000'000);
  ASSERT_TRUE(events);
  EXPECT_TRUE(events->offsets.empty());
  const auto answer = link->alice().settings_for(0, 10'000'000, {});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->emitted.total(), 10'000'000u);
}

}  // namespace
}  // namespace quoin
