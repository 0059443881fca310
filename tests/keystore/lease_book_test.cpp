#include "keystore/lease_book.hpp"

#include <gtest/gtest.h>

#include "memory_store.hpp"

namespace quoin {
namespace {

using test::make_passport;
using test::make_secret_key;

constexpr std::uint32_t key_bytes = 32;
constexpr std::size_t block_bits = 8 * 10'000;

class LeaseBookTest : public ::testing::Test {
 protected:
  LeaseBookTest() : cipher_(AtRestCipher::from_file_key(file_key_, random_).value()) {
    reload();
    StoreBatch batch;
    (void)keys_->prepare(batch, block_, make_secret_key(5, block_bits), make_passport(block_));
    (void)keys_->commit(batch, block_);
    (void)store_.apply(batch);
  }
  void reload() {
    StoreBatch batch;
    keys_ = KeyStore::load(store_, cipher_, random_, {.allow_simulated = true}).value();
    book_ = LeaseBook::load(store_, cipher_, *keys_, batch).value();
    ASSERT_TRUE(keys_->finish_load(batch));
    ASSERT_TRUE(store_.apply(batch));
  }
  LeaseTerms terms(std::uint64_t offset, std::uint32_t count, std::vector<SaeId> slaves) {
    LeaseTerms out;
    random_.fill(out.id.bytes);
    out.id_key = random_.draw(32);
    out.block = block_;
    out.offset_bytes = offset;
    out.range_bytes = std::uint64_t{count} * key_bytes;
    out.key_count = count;
    out.association = {{"alpha"}, std::move(slaves), key_bytes};
    return out;
  }
  LeaseTerms add(LeaseSide side, std::uint32_t count, std::vector<SaeId> slaves = {{"beta"}}) {
    LeaseTerms made = terms(keys_->summary(block_)->leased_up_to, count, std::move(slaves));
    StoreBatch batch;
    EXPECT_TRUE(book_->add(batch, made.clone_secret(), side, LeaseState::active));
    EXPECT_TRUE(store_.apply(batch));
    return made;
  }
  Result<std::vector<DeliveredKey>> take(std::uint32_t count, std::optional<Grade> grade_min = {}) {
    StoreBatch batch;
    auto keys = book_->take(batch, pair_, count, grade_min);
    QUOIN_TRY(store_.apply(batch));
    return keys;
  }
  Result<std::vector<DeliveredKey>> fetch(const std::string& slave, const std::string& master,
                                          std::vector<KeyId> ids) {
    StoreBatch batch;
    auto keys = book_->fetch(batch, {slave}, {master}, ids);
    QUOIN_TRY(store_.apply(batch));
    return keys;
  }
  static Bytes bytes_of(const DeliveredKey& key) {
    return {key.key.expose_secret().begin(), key.key.expose_secret().end()};
  }
  static Bytes block_bytes(std::size_t offset) {
    const SecretKey key = make_secret_key(5, block_bits);
    const ByteSpan part = key.bits().expose_secret_bytes().subspan(offset, key_bytes);
    return {part.begin(), part.end()};
  }

  test::SeededRandom random_{2};
  SecretBytes file_key_ = SecretBytes::zeroed(32);
  AtRestCipher cipher_;
  test::MemoryStore store_;
  BlockId block_{1};
  Association pair_{{"alpha"}, {{"beta"}}, key_bytes};
  std::unique_ptr<KeyStore> keys_;
  std::unique_ptr<LeaseBook> book_;
};

TEST_F(LeaseBookTest, TheKeysOfALeaseAreItsBitsInOrder) {
  const LeaseTerms first = add(LeaseSide::master, 10);
  const LeaseTerms second = add(LeaseSide::master, 5);
  EXPECT_EQ(book_->ready_keys(pair_), 15u);
  const auto keys = take(12);
  ASSERT_TRUE(keys);
  for (std::uint32_t i = 0; i < 12; ++i) {
    EXPECT_EQ(bytes_of((*keys)[i]), block_bytes(i * key_bytes));
    EXPECT_EQ((*keys)[i].id, i < 10 ? KeyIds(first).at(i) : KeyIds(second).at(i - 10));
  }
  EXPECT_EQ(book_->ready_keys(pair_), 3u);
  EXPECT_EQ(take(4).error().code, ErrorCode::exhausted);
  EXPECT_EQ(take(3)->size(), 3u);
  EXPECT_EQ(book_->ready_keys(pair_), 0u);
  EXPECT_EQ(store_.count(Table::leases), 0u);
  EXPECT_EQ(store_.count(Table::deliveries), 0u);
}

TEST_F(LeaseBookTest, MostRequestsWriteNothing) {
  add(LeaseSide::master, 256);
  const std::size_t before = store_.writes();
  for (int i = 0; i < 250; ++i) ASSERT_TRUE(take(1));
  // A mark per 65 keys, and one for each group of 4 KiB (128 keys) that was used up.
  EXPECT_LE(store_.writes() - before, 7u);
}

TEST_F(LeaseBookTest, CrashBurnsWhatWasReservedAndReissuesNothing) {
  add(LeaseSide::master, 200);
  std::set<KeyId> given;
  for (int round = 0; round < 3; ++round) {
    const auto keys = take(3);
    ASSERT_TRUE(keys);
    for (const DeliveredKey& key : *keys) EXPECT_TRUE(given.insert(key.id).second);
    reload();
  }
  // Each crash burns the 64 keys reserved ahead of the three.
  EXPECT_EQ(book_->ready_keys(pair_), 200u - 3 * (3 + LeaseBook::reserve_keys) + 1);
}

TEST_F(LeaseBookTest, CleanStopBurnsNothing) {
  add(LeaseSide::master, 200);
  std::set<KeyId> given;
  for (int round = 0; round < 3; ++round) {
    const auto keys = take(3);
    for (const DeliveredKey& key : *keys) EXPECT_TRUE(given.insert(key.id).second);
    StoreBatch batch;
    book_->settle(batch);
    ASSERT_TRUE(store_.apply(batch));
    reload();
  }
  EXPECT_EQ(book_->ready_keys(pair_), 191u);
}

TEST_F(LeaseBookTest, OfferedLeasesServeNothing) {
  StoreBatch batch;
  LeaseTerms offered = terms(0, 10, {{"beta"}});
  ASSERT_TRUE(book_->add(batch, offered.clone_secret(), LeaseSide::master, LeaseState::offered));
  ASSERT_TRUE(store_.apply(batch));
  EXPECT_EQ(book_->ready_keys(pair_), 0u);
  EXPECT_EQ(book_->offered_keys(pair_), 10u);
  EXPECT_FALSE(take(1));
  reload();
  ASSERT_EQ(book_->offered().size(), 1u);
  EXPECT_EQ(book_->offered().front()->id, offered.id);
  StoreBatch activation;
  ASSERT_TRUE(book_->activate(activation, offered.id));
  ASSERT_TRUE(store_.apply(activation));
  EXPECT_TRUE(book_->offered().empty());
  EXPECT_TRUE(take(1));
}

TEST_F(LeaseBookTest, SlaveGetsEachKeyOnceInAnyOrder) {
  const LeaseTerms lease = add(LeaseSide::slave, 200);
  KeyIds ids(lease);
  const auto first = fetch("beta", "alpha", {ids.at(150), ids.at(3)});
  ASSERT_TRUE(first);
  EXPECT_EQ(bytes_of((*first)[0]), block_bytes(150 * key_bytes));
  EXPECT_EQ(bytes_of((*first)[1]), block_bytes(3 * key_bytes));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(fetch("beta", "alpha", {ids.at(3)}).error().code, ErrorCode::not_found);
    // All or nothing: the taken one spoils the request, the other stays.
    EXPECT_EQ(fetch("beta", "alpha", {ids.at(4), ids.at(150)}).error().code, ErrorCode::not_found);
    reload();
  }
  EXPECT_TRUE(fetch("beta", "alpha", {ids.at(4)}));
  EXPECT_EQ(fetch("beta", "alpha", {ids.at(5), ids.at(5)}).error().code,
            ErrorCode::invalid_argument);
}

TEST_F(LeaseBookTest, OnlyNamedSaesFetchAndOnlyUnderTheRightMaster) {
  const LeaseTerms lease = add(LeaseSide::slave, 10);
  KeyIds ids(lease);
  EXPECT_EQ(fetch("eve", "alpha", {ids.at(0)}).error().code, ErrorCode::unauthorised);
  EXPECT_EQ(fetch("beta", "other", {ids.at(0)}).error().code, ErrorCode::unauthorised);
  EXPECT_EQ(fetch("beta", "alpha", {KeyId{}}).error().code, ErrorCode::not_found);
  EXPECT_EQ(fetch("eve", "alpha", {KeyId{}, ids.at(0)}).error().code, ErrorCode::unauthorised);
  EXPECT_TRUE(fetch("beta", "alpha", {ids.at(0)}));
}

TEST_F(LeaseBookTest, EachSlaveOfASetFetchesOnceThenTheKeyIsErased) {
  const LeaseTerms lease = add(LeaseSide::slave, 2, {{"beta"}, {"delta"}, {"gamma"}});
  KeyIds ids(lease);
  for (const char* slave : {"gamma", "beta"}) {
    EXPECT_TRUE(fetch(slave, "alpha", {ids.at(0)}));
    EXPECT_FALSE(fetch(slave, "alpha", {ids.at(0)}));
    reload();
  }
  EXPECT_TRUE(fetch("delta", "alpha", {ids.at(0)}));
  EXPECT_EQ(fetch("delta", "alpha", {ids.at(0)}).error().code, ErrorCode::not_found);
  for (const char* slave : {"delta", "beta", "gamma"})
    EXPECT_TRUE(fetch(slave, "alpha", {ids.at(1)}));
  EXPECT_EQ(store_.count(Table::leases), 0u);
  EXPECT_EQ(store_.count(Table::deliveries), 0u);
}

TEST_F(LeaseBookTest, RangesAreTakenOnceWhoeverOffersThem) {
  add(LeaseSide::slave, 10);
  StoreBatch batch;
  EXPECT_EQ(
      book_->add(batch, terms(9 * key_bytes, 5, {{"beta"}}), LeaseSide::slave, LeaseState::active)
          .error()
          .code,
      ErrorCode::conflict);
  EXPECT_TRUE(batch.empty());
}

TEST_F(LeaseBookTest, BurningErasesKeysAndRows) {
  const LeaseTerms master = add(LeaseSide::master, 128);
  const LeaseTerms slave = add(LeaseSide::slave, 128);
  KeyIds ids(slave);
  ASSERT_TRUE(take(1));
  ASSERT_TRUE(fetch("beta", "alpha", {ids.at(77)}));
  StoreBatch batch;
  ASSERT_TRUE(book_->burn(batch, master.id));
  ASSERT_TRUE(book_->burn(batch, slave.id));
  EXPECT_EQ(book_->burn(batch, slave.id).error().code, ErrorCode::not_found);
  ASSERT_TRUE(store_.apply(batch));
  EXPECT_EQ(store_.count(Table::leases), 0u);
  EXPECT_EQ(store_.count(Table::deliveries), 0u);
  EXPECT_EQ(store_.count(Table::wrapping_keys), 1u);  // two groups of three were all theirs
  EXPECT_FALSE(fetch("beta", "alpha", {ids.at(78)}));
}

TEST_F(LeaseBookTest, OldestWaitingKeysAreRetired) {
  const LeaseTerms first = add(LeaseSide::slave, 50);
  const LeaseTerms second = add(LeaseSide::slave, 50);
  reload();
  StoreBatch batch;
  ASSERT_TRUE(book_->retire_oldest(batch, pair_, 99));
  ASSERT_TRUE(store_.apply(batch));
  EXPECT_EQ(book_->undelivered_keys(pair_), 50u);
  EXPECT_FALSE(fetch("beta", "alpha", {KeyIds(first).at(0)}));
  EXPECT_TRUE(fetch("beta", "alpha", {KeyIds(second).at(0)}));
}

TEST_F(LeaseBookTest, GradeIsCheckedBeforeAnythingIsUsed) {
  StoreBatch batch;
  const BlockId weak{2};
  ASSERT_TRUE(keys_->prepare(batch, weak, make_secret_key(6, 8000),
                             make_passport(weak, Grade::bootstrap_pki)));
  ASSERT_TRUE(keys_->commit(batch, weak));
  LeaseTerms lease = terms(0, 10, {{"beta"}});
  lease.block = weak;
  ASSERT_TRUE(book_->add(batch, std::move(lease), LeaseSide::master, LeaseState::active));
  ASSERT_TRUE(store_.apply(batch));
  EXPECT_EQ(take(1, Grade::information_theoretic).error().code, ErrorCode::conflict);
  EXPECT_EQ(book_->ready_keys(pair_), 10u);
  EXPECT_EQ(take(1, Grade::bootstrap_pki)->front().statement.grade, Grade::bootstrap_pki);
}

TEST_F(LeaseBookTest, IdKeysAreSealedInTheStore) {
  const LeaseTerms lease = add(LeaseSide::slave, 10);
  EXPECT_FALSE(store_.holds(lease.id_key.expose_secret()));
}

}  // namespace
}  // namespace quoin
