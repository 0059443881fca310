#include "link/records.hpp"

#include <gtest/gtest.h>

#include "sim/memory_store.hpp"

namespace quoin {
namespace {

LinkRecords::Spending spend(double epsilon, std::int64_t unix_ms = 1000) {
  return {.epsilon = epsilon, .budget = {.limit = 1e-6, .period_ms = 10'000}, .unix_ms = unix_ms};
}

TEST(LinkRecords, SurviveARestart) {
  MemoryStore store;
  LinkRecords records = LinkRecords::load(store).value();
  EXPECT_EQ(records.next_session(), 1U);
  StoreBatch batch;
  records.use_session(batch, 4);
  records.prepare(batch, make_block_id(4, 0), spend(1e-10), 99);
  records.prepare(batch, make_block_id(4, 1), spend(1e-10), 0);
  records.commit(batch, make_block_id(4, 0));
  ASSERT_TRUE(store.apply(batch).has_value());

  const LinkRecords again = LinkRecords::load(store).value();
  EXPECT_EQ(again.next_session(), 5U);
  EXPECT_EQ(again.lineage(), 99U);
  EXPECT_EQ(again.blocks_committed(), 1U);
  EXPECT_DOUBLE_EQ(again.epsilon_spent(), 2e-10);
  EXPECT_EQ(again.prepared_blocks(), std::vector{make_block_id(4, 1)});
  EXPECT_EQ(again.state(make_block_id(4, 0)), OwnBlockState::committed);
  EXPECT_EQ(again.state(make_block_id(4, 7)), std::nullopt);
}

TEST(LinkRecords, ADiscardedBlockHasSpentItsEpsilon) {
  MemoryStore store;
  LinkRecords records = LinkRecords::load(store).value();
  StoreBatch batch;
  records.prepare(batch, make_block_id(1, 0), spend(1e-10), 5);
  records.discard(batch, make_block_id(1, 0));
  ASSERT_TRUE(store.apply(batch).has_value());
  const LinkRecords again = LinkRecords::load(store).value();
  EXPECT_DOUBLE_EQ(again.epsilon_spent(), 1e-10);
  EXPECT_TRUE(again.prepared_blocks().empty());
}

// A lineage whose first block the peer never held does not exist: the next block starts one.
TEST(LinkRecords, ALineageGoesWithTheBlockThatWasToStartIt) {
  MemoryStore store;
  LinkRecords records = LinkRecords::load(store).value();
  StoreBatch batch;
  records.prepare(batch, make_block_id(1, 0), spend(1e-10), 5);
  records.prepare(batch, make_block_id(1, 1), spend(1e-10), 0);
  records.discard(batch, make_block_id(1, 1));
  EXPECT_EQ(records.lineage(), 5U);
  records.discard(batch, make_block_id(1, 0));
  ASSERT_TRUE(store.apply(batch).has_value());
  EXPECT_EQ(records.lineage(), 0U);
  EXPECT_EQ(LinkRecords::load(store).value().lineage(), 0U);
}

// The account of the budget outlives restarts, discards and lineages; a period ends by the clock.
TEST(LinkRecords, TheSecrecyAccountNeverFallsWithinAPeriod) {
  MemoryStore store;
  const SecrecyBudget budget{.limit = 2.5e-10, .period_ms = 10'000};
  LinkRecords records = LinkRecords::load(store).value();
  EXPECT_TRUE(records.secrecy().allows(budget, 2.5e-10, 1000));
  EXPECT_FALSE(records.secrecy().allows(budget, 2.6e-10, 1000));
  StoreBatch batch;
  records.prepare(batch, make_block_id(1, 0), spend(1e-10, 1000), 5);
  records.prepare(batch, make_block_id(1, 1), spend(1e-10, 2000), 0);
  records.discard(batch, make_block_id(1, 0));
  records.forget_lineage(batch);
  ASSERT_TRUE(store.apply(batch).has_value());

  LinkRecords again = LinkRecords::load(store).value();
  EXPECT_EQ(again.epsilon_spent(), 0);
  EXPECT_DOUBLE_EQ(again.secrecy().total, 2e-10);
  EXPECT_DOUBLE_EQ(again.secrecy().spent(budget, 9'000), 2e-10);
  EXPECT_FALSE(again.secrecy().allows(budget, 1e-10, 9'000));
  EXPECT_FALSE(again.secrecy().allows(budget, 1e-10, 500)) << "a clock that went back";
  EXPECT_NEAR(again.secrecy().left(budget, 9'000), 0.5e-10, 1e-20);
  EXPECT_TRUE(again.secrecy().allows(budget, 1e-10, 11'000)) << "the next period";
  StoreBatch later;
  again.prepare(later, make_block_id(2, 0), spend(1e-10, 11'000), 6);
  EXPECT_DOUBLE_EQ(again.secrecy().total, 3e-10);
  EXPECT_DOUBLE_EQ(again.secrecy().spent(budget, 11'000), 1e-10);
}

TEST(LinkRecords, AnAccountThatIsNoSumIsDamage) {
  MemoryStore store;
  LinkRecords records = LinkRecords::load(store).value();
  StoreBatch batch;
  records.prepare(batch, make_block_id(1, 0), spend(-1e-10), 0);
  ASSERT_TRUE(store.apply(batch).has_value());
  EXPECT_FALSE(LinkRecords::load(store).has_value());
}

TEST(LinkRecords, ForgetsOnlyCommittedBlocks) {
  MemoryStore store;
  LinkRecords records = LinkRecords::load(store).value();
  StoreBatch batch;
  for (std::uint32_t i = 0; i < 4; ++i) records.prepare(batch, make_block_id(1, i), spend(0), 0);
  records.commit(batch, make_block_id(1, 0));
  records.commit(batch, make_block_id(1, 3));
  records.forget_committed_before(batch, make_block_id(1, 3));
  ASSERT_TRUE(store.apply(batch).has_value());
  const LinkRecords again = LinkRecords::load(store).value();
  EXPECT_EQ(again.state(make_block_id(1, 0)), std::nullopt);
  EXPECT_EQ(again.state(make_block_id(1, 1)), OwnBlockState::prepared);
  EXPECT_EQ(again.state(make_block_id(1, 3)), OwnBlockState::committed);
}

TEST(LinkRecords, DamagedRowsAreAnError) {
  MemoryStore store;
  StoreBatch batch;
  batch.put(Table::meta, as_bytes("link/state"), as_bytes("short"));
  ASSERT_TRUE(store.apply(batch).has_value());
  EXPECT_FALSE(LinkRecords::load(store).has_value());
}

}  // namespace
}  // namespace quoin
