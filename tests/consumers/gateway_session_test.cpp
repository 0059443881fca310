#include "consumers/gateway_session.hpp"

#include <gtest/gtest.h>

#include <map>

#include "seeded_random.hpp"

namespace quoin {
namespace {

// Two sessions, two wires and a key source, in one thread: every step is the test's choice.
class Pair {
 public:
  explicit Pair(std::uint64_t seed, GatewayTerms terms = small_terms())
      : random(seed),
        master(*GatewaySession::make(GatewayRole::master, terms, random, now)),
        slave(*GatewaySession::make(GatewayRole::slave, terms, random, now)) {
    take(true, master.start());
    take(false, slave.start());
  }

  static GatewayTerms small_terms() {
    GatewayTerms terms;
    terms.master_sae = "sae-a";
    terms.slave_sae = "sae-b";
    terms.rekey_bytes = 50'000;
    return terms;
  }

  void take(bool is_master, Result<GatewayEffects> result) {
    if (!result) {
      if (!failure) failure = result.error();
      return;
    }
    GatewayEffects& effects = *result;
    append(is_master ? to_slave : to_master, effects.to_network);
    append(is_master ? master_user : slave_user, effects.to_user);
    if (effects.needs_new_key) wants_new_key = true;
    if (effects.needs_key_id) wanted_id = effects.needs_key_id;
    (is_master ? master_saw_end : slave_saw_end) |= effects.end_to_user;
    (is_master ? master_done : slave_done) |= effects.is_done;
    slave_established |= effects.became_established;
  }

  static void append(Bytes& to, ByteSpan bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

  void give_new_key() {
    wants_new_key = false;
    const std::string id = "key-" + std::to_string(++keys_made);
    keys[id] = random.bytes(32);
    take(true, master.key_arrived(key(id), now));
  }
  void give_wanted_key() {
    const std::string id = *wanted_id;
    wanted_id.reset();
    take(false, slave.key_arrived(key(id), now));
  }
  TunnelKey key(const std::string& id) {
    Bytes copy = keys.at(id);
    return {id, SecretBytes::take_and_wipe(copy)};
  }

  // Delivers some bytes of one wire.
  bool deliver(bool to_the_slave, std::size_t size_max) {
    Bytes& wire = to_the_slave ? to_slave : to_master;
    GatewaySession& reader = to_the_slave ? slave : master;
    if (wire.empty() || !reader.accepts_network_bytes()) return false;
    const std::size_t size = std::min(size_max, wire.size());
    const Bytes piece(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(size));
    wire.erase(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(size));
    take(!to_the_slave, reader.network_bytes(piece, now));
    return true;
  }

  // Everything that can happen, until nothing does.
  void settle() {
    bool moved = true;
    while (moved && !failure) {
      moved = deliver(true, 1 << 20);
      moved |= deliver(false, 1 << 20);
      if (wants_new_key) give_new_key(), moved = true;
      if (wanted_id) give_wanted_key(), moved = true;
    }
  }

  SeededRandom random;
  Instant now{1'000'000'000};
  GatewaySession master;
  GatewaySession slave;
  Bytes to_slave, to_master, master_user, slave_user;
  std::map<std::string, Bytes> keys;
  bool wants_new_key = false;
  std::optional<std::string> wanted_id;
  bool master_saw_end = false, slave_saw_end = false, master_done = false, slave_done = false;
  bool slave_established = false;
  std::uint64_t keys_made = 0;
  std::optional<Error> failure;
};

TEST(GatewaySession, CarriesBytesBothWaysAndEndsCleanly) {
  Pair pair(1);
  pair.settle();
  ASSERT_TRUE(pair.slave_established && pair.master.is_established());
  const Bytes up = pair.random.bytes(20'000);
  const Bytes down = pair.random.bytes(70);
  pair.take(true, pair.master.user_bytes(up, pair.now));
  pair.take(false, pair.slave.user_bytes(down, pair.now));
  pair.take(true, pair.master.user_ended(pair.now));
  pair.settle();
  EXPECT_TRUE(pair.slave_saw_end);
  EXPECT_FALSE(pair.slave_done) << "the other direction is still open";
  EXPECT_FALSE(pair.master.network_ended()) << "cut before the slave's close";
  pair.take(false, pair.slave.user_ended(pair.now));
  pair.settle();
  EXPECT_FALSE(pair.failure);
  EXPECT_EQ(pair.slave_user, up);
  EXPECT_EQ(pair.master_user, down);
  EXPECT_TRUE(pair.master_done && pair.slave_done);
  EXPECT_TRUE(pair.master.network_ended() && pair.slave.network_ended());
}

TEST(GatewaySession, NoUserByteBeforeTheOtherSideProvedTheKey) {
  Pair pair(2);
  EXPECT_FALSE(pair.master.accepts_user_bytes());
  pair.give_new_key();
  EXPECT_FALSE(pair.master.accepts_user_bytes());
  EXPECT_FALSE(pair.slave.accepts_user_bytes());
  pair.deliver(true, 1 << 20);
  EXPECT_FALSE(pair.slave.accepts_network_bytes()) << "the key comes first";
  pair.give_wanted_key();
  EXPECT_TRUE(pair.slave.accepts_user_bytes());
  EXPECT_FALSE(pair.master.accepts_user_bytes());
  pair.deliver(false, 1 << 20);
  EXPECT_TRUE(pair.master.accepts_user_bytes());
}

// Random interleavings of traffic, deliveries in pieces and keys that come late.
TEST(GatewaySession, RekeysUnderLoadWithoutLosingAByte) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Pair pair(seed);
    Bytes up;
    Bytes down;
    for (int step = 0; step < 1500 && !pair.failure; ++step) {
      pair.now.ns += ns_per_ms;
      switch (pair.random.below(8)) {
        case 0:
        case 1: {
          if (!pair.master.accepts_user_bytes()) break;
          const Bytes piece = pair.random.bytes(pair.random.below(5000));
          Pair::append(up, piece);
          pair.take(true, pair.master.user_bytes(piece, pair.now));
          break;
        }
        case 2: {
          if (!pair.slave.accepts_user_bytes()) break;
          const Bytes piece = pair.random.bytes(pair.random.below(5000));
          Pair::append(down, piece);
          pair.take(false, pair.slave.user_bytes(piece, pair.now));
          break;
        }
        case 3:
        case 4: pair.deliver(true, 1 + pair.random.below(6000)); break;
        case 5: pair.deliver(false, 1 + pair.random.below(6000)); break;
        case 6:
          if (pair.wants_new_key && pair.random.below(4) == 0) pair.give_new_key();
          break;
        default:
          if (pair.wanted_id && pair.random.below(4) == 0) pair.give_wanted_key();
          break;
      }
    }
    pair.settle();
    ASSERT_FALSE(pair.failure) << "seed " << seed << ": " << pair.failure->text();
    EXPECT_EQ(pair.slave_user, up) << "seed " << seed;
    EXPECT_EQ(pair.master_user, down) << "seed " << seed;
    EXPECT_GT(pair.master.epoch(), 3U) << "seed " << seed;
    EXPECT_EQ(pair.master.epoch(), pair.slave.epoch());
    EXPECT_EQ(pair.master.keys_used(), pair.keys_made);
  }
}

TEST(GatewaySession, UserBytesWaitAtTwiceTheLimit) {
  Pair pair(3);
  pair.settle();
  std::size_t sent = 0;
  while (pair.master.accepts_user_bytes() && sent < 1'000'000) {
    pair.take(true, pair.master.user_bytes(pair.random.bytes(1000), pair.now));
    sent += 1000;
  }
  EXPECT_EQ(sent, 100'000U);
  EXPECT_TRUE(pair.wants_new_key);
  pair.settle();
  EXPECT_TRUE(pair.master.accepts_user_bytes());
  EXPECT_EQ(pair.slave_user.size(), sent);
}

TEST(GatewaySession, RekeysAfterTimeButNotWhenIdle) {
  Pair pair(4);
  pair.settle();
  pair.now.ns += 600 * ns_per_s;
  pair.take(true, pair.master.tick(pair.now));
  pair.take(false, pair.slave.tick(pair.now));
  EXPECT_FALSE(pair.wants_new_key) << "an idle tunnel burns no keys";
  pair.take(true, pair.master.user_bytes(pair.random.bytes(10), pair.now));
  EXPECT_TRUE(pair.wants_new_key);
  pair.settle();
  EXPECT_EQ(pair.slave.epoch(), 1U);
  pair.take(true, pair.master.user_bytes(pair.random.bytes(10), pair.now));
  EXPECT_FALSE(pair.wants_new_key);
  EXPECT_EQ(pair.master.deadline().ns, pair.now.ns + 60 * ns_per_s);
  pair.now = pair.master.deadline();
  pair.take(true, pair.master.tick(pair.now));
  EXPECT_TRUE(pair.wants_new_key);
}

TEST(GatewaySession, AFailingKeySourceIsAskedAgainThenEndsTheTunnel) {
  Pair pair(5);
  pair.settle();
  pair.take(true, pair.master.user_bytes(pair.random.bytes(60'000), pair.now));
  const Error dry{ErrorCode::exhausted, "no key", {}};
  int asked = 0;
  while (!pair.failure && asked < 100) {
    if (pair.wants_new_key) {
      ++asked;
      pair.wants_new_key = false;
      pair.take(true, pair.master.key_failed(dry, pair.now));
    }
    pair.now = std::max(pair.now, pair.master.deadline());
    pair.take(true, pair.master.tick(pair.now));
  }
  ASSERT_TRUE(pair.failure);
  EXPECT_GT(asked, 20);
  EXPECT_LT(asked, 40);
  EXPECT_FALSE(pair.master.user_bytes({}, pair.now)) << "a failed tunnel stays failed";
}

TEST(GatewaySession, EveryFlippedBitOnTheWireEndsTheTunnel) {
  for (std::size_t bit = 0; bit < 400 * 8; bit += 3) {
    Pair pair(6);
    pair.give_new_key();
    Bytes& wire = pair.to_slave;
    const bool in_hello = bit / 8 < wire.size();
    if (!in_hello) pair.settle();
    if (!in_hello) pair.take(true, pair.master.user_bytes(pair.random.bytes(100), pair.now));
    const std::size_t at = in_hello ? bit / 8 : bit / 8 % wire.size();
    wire[at] ^= static_cast<std::byte>(1 << bit % 8);
    pair.deliver(true, 1 << 20);
    if (pair.wanted_id && pair.keys.contains(*pair.wanted_id)) pair.give_wanted_key();
    // A length made larger waits for bytes that never come; all else fails at once. In no case does
    // a changed byte reach the user or is a changed hello accepted.
    EXPECT_TRUE(pair.slave_user.empty()) << "bit " << bit;
    EXPECT_FALSE(in_hello && pair.slave_established) << "bit " << bit;
    EXPECT_TRUE(pair.failure || !pair.slave.network_ended()) << "bit " << bit;
  }
}

TEST(GatewaySession, RepeatedAndReorderedRecordsAreRefused) {
  Pair pair(7);
  pair.settle();
  pair.take(true, pair.master.user_bytes(to_bytes("one"), pair.now));
  const Bytes first = std::exchange(pair.to_slave, {});
  pair.take(true, pair.master.user_bytes(to_bytes("two"), pair.now));
  EXPECT_FALSE(pair.slave.network_bytes(pair.to_slave, pair.now)) << "the second before the first";
  Pair again(7);
  again.settle();
  again.take(true, again.master.user_bytes(to_bytes("one"), again.now));
  const Bytes record = again.to_slave;
  EXPECT_TRUE(again.slave.network_bytes(record, again.now));
  EXPECT_FALSE(again.slave.network_bytes(record, again.now)) << "twice";
}

TEST(GatewaySession, RefusesOtherApplicationsAndOtherKeys) {
  Pair pair(8);
  pair.give_new_key();
  GatewayTerms other = Pair::small_terms();
  other.master_sae = "sae-c";
  auto stranger = *GatewaySession::make(GatewayRole::slave, other, pair.random, pair.now);
  EXPECT_EQ(stranger.network_bytes(pair.to_slave, pair.now).error().code, ErrorCode::unauthorised);
  pair.deliver(true, 1 << 20);
  pair.keys[*pair.wanted_id] = pair.random.bytes(32);
  pair.give_wanted_key();
  ASSERT_TRUE(pair.failure);
  EXPECT_EQ(pair.failure->code, ErrorCode::unauthenticated);
  EXPECT_FALSE(pair.slave_established);
}

TEST(GatewaySession, RecordsOutOfTheirTurnAndOverTheirBoundAreRefused) {
  for (std::uint8_t type = 0; type < 9; ++type) {
    Pair pair(9);
    ByteWriter record;
    record.u8(type).u32(16).fixed(Bytes(16));
    EXPECT_FALSE(pair.slave.network_bytes(record.bytes(), pair.now)) << int{type};
    EXPECT_FALSE(pair.master.network_bytes(record.bytes(), pair.now)) << int{type};
  }
  Pair pair(10);
  ByteWriter record;
  record.u8(1).u32(0x10000000);
  EXPECT_EQ(pair.slave.network_bytes(record.bytes(), pair.now).error().code, ErrorCode::too_large);
}

}  // namespace
}  // namespace quoin
