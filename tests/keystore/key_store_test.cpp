#include "keystore/key_store.hpp"

#include <gtest/gtest.h>

#include "crypto/random.hpp"
#include "memory_store.hpp"

namespace quoin {
namespace {

using test::make_passport;
using test::make_secret_key;

constexpr BlockId block{42};

class KeyStoreTest : public ::testing::Test {
 protected:
  KeyStoreTest() : cipher_(AtRestCipher::from_file_key(file_key_, random_).value()) { reload(); }

  void reload() {
    keys_ = KeyStore::load(store_, cipher_, random_, options_).value();
    StoreBatch batch;
    ASSERT_TRUE(keys_->finish_load(batch));
    ASSERT_TRUE(store_.apply(batch));
  }
  Status prepare(BlockId id, std::size_t bits) {
    StoreBatch batch;
    QUOIN_TRY(keys_->prepare(batch, id, make_secret_key(to_u64(id), bits), make_passport(id)));
    return store_.apply(batch);
  }
  template <class... Arguments>
  Status apply(Status (KeyStore::*method)(StoreBatch&, Arguments...),
               std::type_identity_t<Arguments>... arguments) {
    StoreBatch batch;
    QUOIN_TRY((keys_.get()->*method)(batch, arguments...));
    return store_.apply(batch);
  }
  static Bytes expected(BlockId id, std::size_t bits, std::size_t offset, std::size_t size) {
    const SecretKey key = make_secret_key(to_u64(id), bits);
    const ByteSpan part = key.bits().expose_secret_bytes().subspan(offset, size);
    return {part.begin(), part.end()};
  }
  Bytes read(BlockId id, std::uint64_t offset, std::size_t size) {
    const auto bytes = keys_->read(id, offset, size);
    if (!bytes) return to_bytes(bytes.error().message);
    return {bytes->expose_secret().begin(), bytes->expose_secret().end()};
  }

  test::SeededRandom random_{1};
  SecretBytes file_key_ = SecretBytes::zeroed(32);
  AtRestCipher cipher_;
  test::MemoryStore store_;
  KeyStoreOptions options_{.allow_simulated = true, .group_bytes = 256};
  std::unique_ptr<KeyStore> keys_;
};

TEST_F(KeyStoreTest, OneTableSaysWhichMovesAreLegal) {
  // Rows: absent, prepared, committed; columns: prepare, commit, discard, use_up.
  const std::optional<BlockState> wanted[3][4] = {
      {BlockState::prepared, {}, {}, {}},
      {{}, BlockState::committed, BlockState::absent, {}},
      {{}, BlockState::committed, {}, BlockState::absent},
  };
  for (std::uint8_t from = 0; from < 3; ++from) {
    for (std::uint8_t move = 0; move < 4; ++move) {
      const auto to = next_state(BlockState{from}, BlockMove{move});
      ASSERT_EQ(to.has_value(), wanted[from][move].has_value()) << int(from) << " " << int(move);
      if (to) {
        EXPECT_EQ(*to, *wanted[from][move]);
      }
    }
  }
}

TEST_F(KeyStoreTest, MovesAreEnforcedAndSurviveReloading) {
  EXPECT_EQ(apply(&KeyStore::commit, block).error().code, ErrorCode::not_found);
  ASSERT_TRUE(prepare(block, 10'000));
  EXPECT_EQ(prepare(block, 10'000).error().code, ErrorCode::conflict);
  reload();
  EXPECT_EQ(keys_->prepared_blocks(), std::vector<BlockId>{block});
  EXPECT_EQ(keys_->available_bits(), 0u);  // locked until committed
  EXPECT_EQ(apply(&KeyStore::allocate, block, 0, 16).error().code, ErrorCode::conflict);
  ASSERT_TRUE(apply(&KeyStore::commit, block));
  ASSERT_TRUE(apply(&KeyStore::commit, block));
  EXPECT_EQ(apply(&KeyStore::discard, block).error().code, ErrorCode::conflict);
  reload();
  EXPECT_EQ(keys_->state_of(block), BlockState::committed);
  EXPECT_EQ(keys_->available_bits(), 10'000u);
  EXPECT_EQ((*keys_->passport(block))->lineage, 7u);
}

TEST_F(KeyStoreTest, DiscardLeavesNothing) {
  ASSERT_TRUE(prepare(block, 10'000));
  ASSERT_TRUE(apply(&KeyStore::discard, block));
  EXPECT_TRUE(store_.rows().empty());
  EXPECT_EQ(keys_->state_of(block), BlockState::absent);
}

TEST_F(KeyStoreTest, ReadsAnyLeasedRangeAndNothingAboveTheCursor) {
  constexpr std::size_t bits = 8 * 1000 + 5;  // the last 5 bits are dropped
  ASSERT_TRUE(prepare(block, bits));
  ASSERT_TRUE(apply(&KeyStore::commit, block));
  ASSERT_TRUE(apply(&KeyStore::allocate, block, 0, 900));
  keys_ = KeyStore::load(store_, cipher_, random_, options_).value();
  ASSERT_TRUE(keys_->retain(block, 0, 900));
  StoreBatch batch;
  ASSERT_TRUE(keys_->finish_load(batch));
  for (const auto& [offset, size] : {std::pair<std::size_t, std::size_t>{0, 1},
                                     {0, 900},
                                     {250, 12},
                                     {255, 2},
                                     {256, 256},
                                     {899, 1},
                                     {100, 700}})
    EXPECT_EQ(read(block, offset, size), expected(block, bits, offset, size)) << offset;
  EXPECT_FALSE(keys_->read(block, 899, 2));
  EXPECT_FALSE(keys_->read(block, 900, 1));
  EXPECT_FALSE(keys_->read(block, ~std::uint64_t{0}, 1));
  EXPECT_EQ(keys_->summary(block)->size_bytes, 1000u);
}

TEST_F(KeyStoreTest, RangesNeverOverlapAndGapsAreBurnt) {
  ASSERT_TRUE(prepare(block, 8 * 1000));
  ASSERT_TRUE(apply(&KeyStore::commit, block));
  ASSERT_TRUE(apply(&KeyStore::allocate, block, 300, 100));
  EXPECT_EQ(apply(&KeyStore::allocate, block, 399, 10).error().code, ErrorCode::conflict);
  EXPECT_EQ(apply(&KeyStore::allocate, block, 0, 10).error().code, ErrorCode::conflict);
  EXPECT_EQ(apply(&KeyStore::allocate, block, 900, 101).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(apply(&KeyStore::allocate, block, 900, ~std::uint64_t{0}).error().code,
            ErrorCode::invalid_argument);
  // The first group (256 bytes) lies in the gap below 300: its key is gone.
  EXPECT_EQ(keys_->read(block, 10, 5).error().code, ErrorCode::not_found);
  EXPECT_EQ(read(block, 300, 100), expected(block, 8000, 300, 100));
}

TEST_F(KeyStoreTest, UsedGroupsAreErasedOneByOneAndTheBlockWithTheLast) {
  ASSERT_TRUE(prepare(block, 8 * 1000));
  ASSERT_TRUE(apply(&KeyStore::commit, block));
  EXPECT_EQ(store_.count(Table::wrapping_keys), 4u);
  ASSERT_TRUE(apply(&KeyStore::allocate, block, 0, 1000));
  ASSERT_TRUE(apply(&KeyStore::spend, block, 0, 255));
  EXPECT_EQ(store_.count(Table::wrapping_keys), 4u);
  EXPECT_EQ(read(block, 255, 1), expected(block, 8000, 255, 1));
  ASSERT_TRUE(apply(&KeyStore::spend, block, 255, 1));
  EXPECT_EQ(store_.count(Table::wrapping_keys), 3u);
  EXPECT_EQ(store_.count(Table::block_groups), 3u);
  EXPECT_EQ(keys_->read(block, 255, 1).error().code, ErrorCode::not_found);  // not from a cache
  ASSERT_TRUE(apply(&KeyStore::spend, block, 512, 488));
  ASSERT_TRUE(apply(&KeyStore::spend, block, 256, 256));
  EXPECT_TRUE(store_.rows().empty());
  EXPECT_EQ(keys_->state_of(block), BlockState::absent);
}

using KeyStoreDeathTest = KeyStoreTest;
TEST_F(KeyStoreDeathTest, SpendingTwiceEndsTheProcess) {
  ASSERT_TRUE(prepare(block, 8 * 1000));
  ASSERT_TRUE(apply(&KeyStore::commit, block));
  ASSERT_TRUE(apply(&KeyStore::allocate, block, 0, 600));
  ASSERT_TRUE(apply(&KeyStore::spend, block, 0, 200));
  EXPECT_DEATH((void)apply(&KeyStore::spend, block, 100, 200), "spent twice");
}

TEST_F(KeyStoreTest, UnclaimedLeasedRangesAreErasedAtStart) {
  ASSERT_TRUE(prepare(block, 8 * 1000));
  ASSERT_TRUE(apply(&KeyStore::commit, block));
  ASSERT_TRUE(apply(&KeyStore::allocate, block, 0, 600));
  reload();  // nobody retains
  EXPECT_EQ(store_.count(Table::wrapping_keys), 2u);
  EXPECT_EQ(keys_->read(block, 0, 1).error().code, ErrorCode::not_found);
  EXPECT_EQ(keys_->available_bits(), 8u * 400);
}

TEST_F(KeyStoreTest, SourcesAreCheckedAtTheDoor) {
  StoreBatch batch;
  Passport passport = make_passport(block);
  passport.source = KeySource::replayed;
  EXPECT_EQ(keys_->prepare(batch, block, make_secret_key(1, 800), passport).error().code,
            ErrorCode::configuration);
  options_.allow_simulated = false;
  reload();
  passport.source = KeySource::simulated;
  const Status simulated = keys_->prepare(batch, block, make_secret_key(1, 800), passport);
  EXPECT_EQ(simulated.error().code, ErrorCode::configuration);
  EXPECT_FALSE(simulated.error().cure.empty());
  passport.source = KeySource::hardware;
  EXPECT_TRUE(keys_->prepare(batch, block, make_secret_key(1, 800), passport));
  EXPECT_EQ(keys_->prepare(batch, BlockId{2}, make_secret_key(1, 7), passport).error().code,
            ErrorCode::invalid_argument);
}

TEST_F(KeyStoreTest, IsBounded) {
  options_.stored_bytes_max = 1500;
  reload();
  ASSERT_TRUE(prepare(BlockId{1}, 8 * 1000));
  EXPECT_EQ(prepare(BlockId{2}, 8 * 1000).error().code, ErrorCode::exhausted);
  ASSERT_TRUE(apply(&KeyStore::discard, BlockId{1}));
  EXPECT_TRUE(prepare(BlockId{2}, 8 * 1000));
}

TEST_F(KeyStoreTest, NoKeyByteStandsInTheStore) {
  ASSERT_TRUE(prepare(block, 8 * 4000));
  const Bytes key = expected(block, 8 * 4000, 0, 4000);
  for (std::size_t at = 0; at + 8 <= key.size(); at += 8)
    ASSERT_FALSE(store_.holds(ByteSpan(key).subspan(at, 8))) << at;
}

TEST_F(KeyStoreTest, AlteredSwappedAndForeignRowsDoNotOpen) {
  ASSERT_TRUE(prepare(block, 8 * 1000));
  ASSERT_TRUE(apply(&KeyStore::commit, block));
  ASSERT_TRUE(apply(&KeyStore::allocate, block, 0, 1000));
  const auto row = [](std::uint32_t group) {
    return std::move(ByteWriter().u64(to_u64(block)).u32(group)).take();
  };
  auto& rows = store_.rows();
  // The rows of two groups swapped, key and text together: bound to their places.
  std::swap(rows[{Table::block_groups, row(0)}], rows[{Table::block_groups, row(1)}]);
  std::swap(rows[{Table::wrapping_keys, row(0)}], rows[{Table::wrapping_keys, row(1)}]);
  EXPECT_EQ(keys_->read(block, 0, 8).error().code, ErrorCode::unauthenticated);
  rows[{Table::block_groups, row(2)}][5] ^= std::byte{1};
  EXPECT_EQ(keys_->read(block, 512, 8).error().code, ErrorCode::unauthenticated);
  EXPECT_EQ(read(block, 768, 8), expected(block, 8000, 768, 8));

  SecretBytes other = SecretBytes::zeroed(32);
  other.expose_secret_mutable()[0] = std::byte{1};
  cipher_ = AtRestCipher::from_file_key(other, random_).value();
  auto foreign = KeyStore::load(store_, cipher_, random_, options_).value();
  ASSERT_TRUE(foreign->retain(block, 0, 1000));
  EXPECT_EQ(foreign->read(block, 768, 8).error().code, ErrorCode::configuration);
}

TEST_F(KeyStoreTest, DamagedRowsAreReported) {
  ASSERT_TRUE(prepare(block, 8 * 1000));
  const auto original = store_.rows();
  for (auto& [place, value] : original) {
    if (place.first != Table::blocks) continue;
    for (std::size_t cut = 0; cut < value.size(); ++cut) {
      store_.rows()[place] = Bytes(value.begin(), value.begin() + static_cast<std::ptrdiff_t>(cut));
      EXPECT_FALSE(KeyStore::load(store_, cipher_, random_, options_)) << cut;
    }
  }
}

}  // namespace
}  // namespace quoin
