#include "auth/ledger.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "memory_store.hpp"

namespace quoin {
namespace {

constexpr Direction a2b = Direction::alice_to_bob;
constexpr Direction b2a = Direction::bob_to_alice;

// Distinct nonces without a generator: a counter.
class CountingNonces final : public PublicRandom {
 public:
  void fill(MutableByteSpan out) override {
    for (std::byte& byte : out) byte = std::byte{0};
    ++count_;
    std::memcpy(out.data(), &count_, std::min(out.size(), sizeof count_));
  }

 private:
  std::uint64_t count_ = 0;
};

AtRestCipher cipher_of(std::uint8_t fill, PublicRandom& nonces) {
  Bytes key(file_key_bytes, static_cast<std::byte>(fill));
  return AtRestCipher::from_file_key(SecretBytes::take_and_wipe(key), nonces).value();
}

// Key that both ends of a block have, all bytes told apart by block and place.
SecretBytes block_key(BlockId block, std::size_t size) {
  Bytes bytes(size);
  std::mt19937_64 draw(to_u64(block));
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(draw());
  return SecretBytes::take_and_wipe(bytes);
}

std::size_t segment_bytes(std::uint32_t pads, bool starts_lineage) {
  return (starts_lineage ? lineage_root_bytes : 0) + 2 * pads * pad_bytes;
}

// One site: its store, and the ledger as loaded from it.
class Site {
 public:
  explicit Site(QuantumRole role)
      : role_(role), cipher_(cipher_of(static_cast<std::uint8_t>(role), nonces_)) {
    EXPECT_TRUE(restart());
  }

  // Forgets everything but the store.
  Status restart() {
    store_ = store_.snapshot();
    auto loaded = AuthLedger::load(store_, cipher_, "link-1");
    if (!loaded) return loaded.failure();
    ledger_.emplace(std::move(loaded).value());
    return success();
  }

  Status prepare(BlockId block, std::uint32_t pads, bool starts, std::uint64_t lineage) {
    StoreBatch batch;
    QUOIN_TRY(ledger().prepare_segment(batch, block, block_key(block, segment_bytes(pads, starts)),
                                       starts, lineage));
    return store_.apply(batch);
  }
  Status commit(BlockId block) {
    StoreBatch batch;
    QUOIN_TRY(ledger().commit_segment(batch, block));
    return store_.apply(batch);
  }
  Status discard(BlockId block) {
    StoreBatch batch;
    QUOIN_TRY(ledger().discard_segment(batch, block));
    return store_.apply(batch);
  }
  // A pad whose mark is durable.
  Result<Pad> take() {
    StoreBatch batch;
    QUOIN_TAKE(pad, ledger().take_pad(batch, sending_direction(role_)));
    QUOIN_TRY(store_.apply(batch));
    return pad;
  }
  // Verifies a tag that was made under `used`.
  Status receive(const Pad& used) {
    const Direction direction = receiving_direction(role_);
    QUOIN_TAKE(own, ledger().pad_for_verification(direction, used.position));
    if (!equal_constant_time(own.expose_secret(), used.bits.expose_secret()))
      return fail(ErrorCode::unauthenticated, "the pads differ");
    StoreBatch batch;
    QUOIN_TRY(ledger().advance_receive_mark(batch, direction, used.position));
    return store_.apply(batch);
  }
  // As on a connection: marks there, encoded and decoded, against the own ledger.
  Status check(const Site& peer) {
    QUOIN_TAKE(marks, decode_ledger_marks(encode(peer.ledger_->marks())));
    return ledger().check_peer_marks(marks, role_);
  }

  AuthLedger& ledger() { return *ledger_; }
  MemoryStore& store() { return store_; }

 private:
  QuantumRole role_;
  CountingNonces nonces_;
  AtRestCipher cipher_;
  MemoryStore store_;
  std::optional<AuthLedger> ledger_;
};

class Ledger : public testing::Test {
 protected:
  void fill(BlockId block, std::uint32_t pads, bool starts, std::uint64_t lineage = 1) {
    for (Site* site : {&alice, &bob}) {
      ASSERT_TRUE(site->prepare(block, pads, starts, lineage));
      ASSERT_TRUE(site->commit(block));
    }
  }
  void expect_agreement() {
    EXPECT_TRUE(alice.check(bob)) << alice.check(bob).error().text();
    EXPECT_TRUE(bob.check(alice)) << bob.check(alice).error().text();
  }
  Site alice{QuantumRole::alice};
  Site bob{QuantumRole::bob};
  const BlockId first = make_block_id(1, 0);
  const BlockId second = make_block_id(1, 5);
};

TEST_F(Ledger, StartsEmpty) {
  EXPECT_EQ(alice.ledger().lineage(), 0u);
  EXPECT_FALSE(alice.ledger().is_ready(a2b));
  EXPECT_EQ(alice.take().error().code, ErrorCode::exhausted);
  EXPECT_EQ(alice.ledger().hash_key(a2b).error().code, ErrorCode::not_found);
  expect_agreement();
}

TEST_F(Ledger, CutsTheFirstSegmentAsTheHeaderSays) {
  fill(first, 4, true);
  const SecretBytes key = block_key(first, segment_bytes(4, true));
  const auto slice = [&](std::size_t at, std::size_t size) {
    return to_hex(key.expose_secret().subspan(at, size));
  };
  EXPECT_EQ(to_hex(alice.ledger().hash_key(a2b)->expose_secret()), slice(0, 16));
  EXPECT_EQ(to_hex(alice.ledger().hash_key(b2a)->expose_secret()), slice(16, 16));
  EXPECT_EQ(to_hex(alice.ledger().control_root()->expose_secret()), slice(32, 48));
  EXPECT_EQ(to_hex(alice.take()->bits.expose_secret()), slice(80, 16));
  EXPECT_EQ(to_hex(alice.take()->bits.expose_secret()), slice(96, 16));
  EXPECT_EQ(to_hex(bob.take()->bits.expose_secret()), slice(80 + 4 * 16, 16));
  EXPECT_EQ(alice.ledger().pads_left(a2b), 2u);
  EXPECT_EQ(alice.ledger().pads_left(b2a), 4u);
  EXPECT_EQ(alice.ledger().bytes_left(), 6u * 16);
}

TEST_F(Ledger, PreparedKeyVerifiesButIsNotUsedForSending) {
  for (Site* site : {&alice, &bob}) ASSERT_TRUE(site->prepare(first, 4, true, 1));
  EXPECT_EQ(alice.take().error().code, ErrorCode::exhausted);
  EXPECT_EQ(alice.ledger().pads_held(a2b), 4u);
  ASSERT_TRUE(alice.commit(first));  // holds Bob's "prepared"
  const auto pad = alice.take();
  ASSERT_TRUE(pad);
  EXPECT_TRUE(bob.ledger().hash_key(a2b));
  ASSERT_TRUE(bob.receive(*pad));
  EXPECT_EQ(bob.discard(first).error().code, ErrorCode::conflict);  // the peer uses it
  expect_agreement();
  ASSERT_TRUE(bob.restart());
  ASSERT_TRUE(bob.commit(first));
  EXPECT_EQ(bob.receive(*pad).error().code, ErrorCode::conflict);
  EXPECT_TRUE(bob.take());
  expect_agreement();
}

TEST_F(Ledger, SurvivesARestartAtEveryStep) {
  fill(first, 3, true);
  fill(second, 2, false);
  std::set<std::string> seen;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(alice.restart());
    ASSERT_TRUE(bob.restart());
    const auto pad = alice.take();
    ASSERT_TRUE(pad);
    EXPECT_TRUE(seen.insert(to_hex(pad->bits.expose_secret())).second);
    ASSERT_TRUE(bob.receive(*pad));
    expect_agreement();
  }
  EXPECT_EQ(alice.take().error().code, ErrorCode::exhausted);
}

TEST_F(Ledger, ErasesWhatIsSpentInBothDirectionsButKeepsTheHashKeys) {
  fill(first, 2, true);
  fill(second, 2, false);
  const std::string hash_key = to_hex(alice.ledger().hash_key(a2b)->expose_secret());
  const std::size_t rows = alice.store().rows().size();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(bob.receive(*alice.take()));
    ASSERT_TRUE(alice.receive(*bob.take()));
  }
  EXPECT_EQ(alice.ledger().segment(first), std::nullopt);
  EXPECT_EQ(alice.store().rows().size(), rows - 2);  // segment and commit
  ASSERT_TRUE(alice.restart());
  EXPECT_EQ(to_hex(alice.ledger().hash_key(a2b)->expose_secret()), hash_key);
  EXPECT_TRUE(alice.take());
  expect_agreement();
}

TEST_F(Ledger, RefusesPadsAtAndBelowTheMark) {
  fill(first, 8, true);
  std::vector<Pad> pads;
  for (int i = 0; i < 4; ++i) pads.push_back(alice.take().value());
  ASSERT_TRUE(bob.receive(pads[2]));  // 0 and 1 got lost with a connection: burnt
  for (const int i : {0, 1, 2})
    EXPECT_EQ(bob.receive(pads[static_cast<std::size_t>(i)]).error().code, ErrorCode::conflict);
  EXPECT_TRUE(bob.receive(pads[3]));
}

TEST_F(Ledger, LookingAtAPadAdvancesNothingHoweverFarItIs) {
  fill(first, 8, true);
  const auto rows = bob.store().rows();
  ASSERT_TRUE(bob.ledger().pad_for_verification(a2b, {first, 7}));
  EXPECT_EQ(bob.ledger().pad_for_verification(a2b, {first, 8}).error().code, ErrorCode::not_found);
  EXPECT_EQ(bob.ledger().pad_for_verification(a2b, {make_block_id(9, 9), 0}).error().code,
            ErrorCode::not_found);
  EXPECT_EQ(bob.ledger().pads_left(a2b), 8u);
  EXPECT_EQ(bob.store().rows(), rows);
  EXPECT_TRUE(bob.receive(*alice.take()));
}

TEST_F(Ledger, BoundsFailedAttemptsUntilOneSucceeds) {
  fill(first, 8, true);
  for (std::uint32_t i = 0; i + 1 < verification_attempts_max; ++i)
    ASSERT_TRUE(bob.ledger().pad_for_verification(a2b, {first, 3}));
  ASSERT_TRUE(bob.receive(*alice.take()));  // the last attempt left, and it is good
  for (std::uint32_t i = 0; i < verification_attempts_max; ++i)
    ASSERT_TRUE(bob.ledger().pad_for_verification(a2b, {first, 3}));
  EXPECT_EQ(bob.ledger().pad_for_verification(a2b, {first, 3}).error().code, ErrorCode::exhausted);
}

// security-rules A4: the site that went back in time must not spend a single pad.
TEST_F(Ledger, NoticesARestoredSenderOnBothSides) {
  fill(first, 8, true);
  Site& restored = alice;
  MemoryStore old = restored.store().snapshot();
  ASSERT_TRUE(bob.receive(*alice.take()));
  expect_agreement();
  restored.store().rows() = old.rows();
  ASSERT_TRUE(restored.restart());
  const Status here = alice.check(bob);
  const Status there = bob.check(alice);
  ASSERT_FALSE(here);
  ASSERT_FALSE(there);
  EXPECT_EQ(here.error().code, ErrorCode::conflict);
  EXPECT_EQ(there.error().code, ErrorCode::conflict);
  EXPECT_NE(here.error().message.find("this site"), std::string::npos);
  EXPECT_NE(there.error().message.find("the peer"), std::string::npos);
  EXPECT_FALSE(here.error().cure.empty());
}

TEST_F(Ledger, NoticesAStoreFromBeforeASegment) {
  fill(first, 4, true);
  MemoryStore old = bob.store().snapshot();
  fill(second, 4, false);
  bob.store().rows() = old.rows();
  ASSERT_TRUE(bob.restart());
  EXPECT_FALSE(alice.check(bob));
  EXPECT_FALSE(bob.check(alice));
}

TEST_F(Ledger, NoticesSwappedRolesIfPadsWouldBeUsedTwice) {
  fill(first, 4, true);
  ASSERT_TRUE(alice.take());  // sent, never received
  const LedgerMarks alices = alice.ledger().marks();
  EXPECT_FALSE(bob.ledger().check_peer_marks(alices, QuantumRole::alice));
}

TEST_F(Ledger, BurntPadsAreNoConflict) {
  fill(first, 4, true);
  ASSERT_TRUE(alice.take());  // durable, then the connection broke
  ASSERT_TRUE(alice.restart());
  expect_agreement();
  const auto pad = alice.take();
  ASSERT_TRUE(pad);
  EXPECT_EQ(pad->position.index, 1u);
  EXPECT_TRUE(bob.receive(*pad));
}

TEST_F(Ledger, AMarkThatWasNotWrittenGivesThePadToNobody) {
  fill(first, 4, true);
  alice.store().fail_at(0);
  EXPECT_FALSE(alice.take());
  ASSERT_TRUE(alice.restart());
  EXPECT_EQ(alice.take()->position.index, 0u);  // never was used, so it may be
}

TEST_F(Ledger, ASegmentCommittedBehindTheMarkIsBurnt) {
  fill(first, 2, true);
  for (Site* site : {&alice, &bob}) {
    ASSERT_TRUE(site->prepare(make_block_id(1, 3), 2, false, 1));
    ASSERT_TRUE(site->prepare(second, 2, false, 1));
    ASSERT_TRUE(site->commit(second));
  }
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(bob.receive(*alice.take()));
  for (Site* site : {&alice, &bob}) ASSERT_TRUE(site->commit(make_block_id(1, 3)));
  EXPECT_EQ(alice.ledger().pads_left(a2b), 1u);
  EXPECT_EQ(alice.take()->position.segment, second);
  EXPECT_EQ(bob.take()->position.segment, first);
  expect_agreement();
}

TEST_F(Ledger, APreparedSegmentBehindBothMarksStillRollsForward) {
  const BlockId slow = make_block_id(1, 3);
  fill(first, 1, true);
  for (Site* site : {&alice, &bob}) ASSERT_TRUE(site->prepare(slow, 1, false, 1));
  fill(second, 2, false);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(bob.receive(*alice.take()));
    ASSERT_TRUE(alice.receive(*bob.take()));
  }
  for (Site* site : {&alice, &bob}) {
    EXPECT_TRUE(site->ledger().segment(slow));
    ASSERT_TRUE(site->commit(slow));
    EXPECT_FALSE(site->ledger().segment(slow));  // nothing of it is left to use
    ASSERT_TRUE(site->restart());
  }
  expect_agreement();
}

TEST_F(Ledger, ANewLineageReplacesTheOld) {
  fill(first, 4, true, 1);
  ASSERT_TRUE(bob.receive(*alice.take()));
  const BlockId start = make_block_id(2, 0);
  for (Site* site : {&alice, &bob}) ASSERT_TRUE(site->prepare(start, 4, true, 2));
  ASSERT_TRUE(alice.commit(start));
  EXPECT_EQ(alice.ledger().lineage(), 2u);
  expect_agreement();  // Bob has the start prepared and will follow
  ASSERT_TRUE(bob.commit(start));
  for (Site* site : {&alice, &bob}) {
    EXPECT_EQ(site->ledger().segment(first), std::nullopt);
    ASSERT_TRUE(site->restart());
    EXPECT_EQ(site->ledger().lineage(), 2u);
    EXPECT_EQ(site->ledger().marks().directions, LedgerMarks{}.directions);
    EXPECT_EQ(site->store().rows().size(), 4u);  // marks, segment, root, commit
  }
  EXPECT_EQ(to_hex(alice.ledger().hash_key(a2b)->expose_secret()),
            to_hex(block_key(start, 16).expose_secret()));
  EXPECT_TRUE(bob.receive(*alice.take()));
}

TEST_F(Ledger, DifferentLineagesAreReportedAsSuch) {
  ASSERT_TRUE(alice.prepare(first, 4, true, 1));
  ASSERT_TRUE(alice.commit(first));
  const Status status = bob.check(alice);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::conflict);
  EXPECT_NE(status.error().message.find("lineage"), std::string::npos);
}

TEST_F(Ledger, RefusesWhatDoesNotFit) {
  EXPECT_EQ(alice.prepare(first, 4, false, 1).error().code, ErrorCode::conflict);  // no lineage yet
  EXPECT_EQ(alice.prepare(first, 4, true, 0).error().code, ErrorCode::conflict);
  EXPECT_EQ(alice.prepare(first, 0, true, 1).error().code, ErrorCode::invalid_argument);
  ASSERT_TRUE(alice.prepare(first, 4, true, 1));
  EXPECT_EQ(alice.prepare(first, 4, true, 1).error().code, ErrorCode::conflict);
  ASSERT_TRUE(alice.prepare(second, 4, false, 1));
  EXPECT_EQ(alice.commit(second).error().code, ErrorCode::conflict);  // before its lineage
  ASSERT_TRUE(alice.commit(first));
  ASSERT_TRUE(alice.commit(first));
  EXPECT_EQ(alice.discard(first).error().code, ErrorCode::conflict);
  EXPECT_TRUE(alice.discard(make_block_id(7, 7)));
  EXPECT_EQ(alice.commit(make_block_id(7, 7)).error().code, ErrorCode::not_found);
  EXPECT_EQ(alice.prepare(make_block_id(2, 0), 4, true, 1).error().code, ErrorCode::conflict);
}

TEST_F(Ledger, DiscardLeavesNothingBehind) {
  ASSERT_TRUE(alice.prepare(first, 4, true, 1));
  ASSERT_TRUE(alice.discard(first));
  EXPECT_TRUE(alice.store().rows().empty());
  ASSERT_TRUE(alice.prepare(first, 4, true, 1));
}

TEST_F(Ledger, AbandonLeavesNothingBehind) {
  fill(first, 4, true);
  ASSERT_TRUE(alice.take());
  ASSERT_TRUE(alice.prepare(second, 4, false, 1));
  StoreBatch batch;
  alice.ledger().abandon(batch);
  ASSERT_TRUE(alice.store().apply(batch));
  EXPECT_TRUE(alice.store().rows().empty());
  EXPECT_EQ(alice.ledger().lineage(), 0u);
  EXPECT_FALSE(alice.ledger().hash_key(a2b));
  EXPECT_TRUE(alice.prepare(make_block_id(3, 0), 4, true, 1));
}

TEST_F(Ledger, AsksForWhatIsMissing) {
  EXPECT_EQ(alice.ledger().refill_bits_wanted(8, true), (80u + 8 * 32) * 8);
  fill(first, 8, true);
  EXPECT_EQ(alice.ledger().refill_bits_wanted(8, false), 0u);
  ASSERT_TRUE(alice.take());
  EXPECT_EQ(alice.ledger().refill_bits_wanted(8, false), 256u);
  EXPECT_EQ(AuthLedger::segment_bits_for(255, false), 0u);
  EXPECT_EQ(AuthLedger::segment_bits_for(600, false), 512u);
  EXPECT_EQ(AuthLedger::segment_bits_for(640 + 255, true), 0u);
  EXPECT_EQ(AuthLedger::segment_bits_for(640 + 257, true), 640u + 256);
}

TEST_F(Ledger, KeepsNoKeyInTheClear) {
  fill(first, 8, true);
  const SecretBytes key = block_key(first, segment_bytes(8, true));
  const std::string whole = to_hex(key.expose_secret());
  for (const auto& [place, value] : alice.store().rows()) {
    const std::string row = to_hex(value);
    for (std::size_t at = 0; at + 32 <= whole.size(); at += 32)
      EXPECT_EQ(row.find(whole.substr(at, 32)), std::string::npos);
  }
}

TEST_F(Ledger, RefusesARowThatWasAlteredMovedOrLost) {
  fill(first, 2, true);
  fill(second, 2, false);
  const MemoryStore::Rows good = alice.store().rows();
  for (const auto& [place, value] : good) {
    if (place.first != Table::ledger_segments || value.empty()) continue;
    for (std::size_t i = 0; i < value.size(); ++i) {
      alice.store().rows() = good;
      alice.store().rows()[place][i] ^= std::byte{1};
      EXPECT_FALSE(alice.restart()) << "byte " << i;
    }
    for (const auto& [other_place, other_value] : good) {
      if (other_place == place || other_place.first != place.first || other_value.empty()) continue;
      alice.store().rows() = good;
      alice.store().rows()[place] = other_value;
      EXPECT_FALSE(alice.restart());
    }
  }
  for (const auto& [place, value] : good) {
    // Without its commit row a later segment is merely prepared again: the peer's marks tell. Every
    // other loss is noticed at once.
    alice.store().rows() = good;
    alice.store().rows().erase(place);
    const bool is_commit = place.first == Table::ledger_segments && value.empty();
    const bool is_second = place.second.back() == static_cast<std::byte>(to_u64(second) & 0xff);
    const bool loaded = static_cast<bool>(alice.restart());
    EXPECT_EQ(loaded, is_commit && is_second);
    if (!loaded) continue;
    EXPECT_TRUE(alice.discard(second));
    EXPECT_FALSE(bob.check(alice));
  }
  alice.store().rows() = good;
  EXPECT_TRUE(alice.restart());
}

TEST_F(Ledger, LinksDoNotMix) {
  fill(first, 2, true);
  CountingNonces nonces;
  const AtRestCipher cipher = cipher_of(0, nonces);
  auto other = AuthLedger::load(alice.store(), cipher, "link-10");
  ASSERT_TRUE(other);
  EXPECT_EQ(other->lineage(), 0u);
  EXPECT_EQ(AuthLedger::load(alice.store(), cipher, "").error().code, ErrorCode::invalid_argument);
}

TEST(LedgerMarksCoding, GivesBackWhatItTookAndRefusesTheRest) {
  LedgerMarks marks;
  marks.lineage = 3;
  marks.directions[0] = {{make_block_id(1, 2), 3}, {}};
  marks.directions[1] = {{}, {make_block_id(4, 5), 6}};
  marks.segments = {{make_block_id(1, 2), true}, {make_block_id(4, 5), false}};
  const Bytes wire = encode(marks);
  const auto decoded = decode_ledger_marks(wire);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, marks);
  for (std::size_t size = 0; size < wire.size(); ++size)
    EXPECT_FALSE(decode_ledger_marks(ByteSpan(wire).first(size)));
  std::swap(marks.segments[0], marks.segments[1]);
  EXPECT_FALSE(decode_ledger_marks(encode(marks)));  // not ascending
  marks.segments.assign(ledger_segments_max + 1, {});
  EXPECT_FALSE(decode_ledger_marks(encode(marks)));
}

// ---- Crashes. ----

// A script in which both sites refill, send and receive; `alice_fails` and `bob_fails` say at which
// write of the site its store fails and the site restarts with what is durable. Then the script
// goes on. Checked: no pad leaves twice, both ends have the same bits, and no false alarm is
// raised.
class CrashScript {
 public:
  Site alice{QuantumRole::alice};
  Site bob{QuantumRole::bob};

  void run() {
    std::uint32_t index = 0;
    for (int round = 0; round < 6; ++round) {
      refill(make_block_id(1, index++), alice.ledger().lineage() == 0);
      for (int i = 0; i < 2; ++i) {
        exchange(alice, bob);
        exchange(bob, alice);
      }
    }
    EXPECT_GE(used_.size(), 8u);
  }

 private:
  // After any failure both reconnect: what is prepared on both sides rolls forward if one side has
  // committed it, else it is discarded.
  void reconnect() {
    ASSERT_TRUE(alice.restart()) << alice.restart().error().text();
    ASSERT_TRUE(bob.restart()) << bob.restart().error().text();
    for (const auto& [own, peer] : {std::pair{&alice, &bob}, std::pair{&bob, &alice}}) {
      for (const SegmentMark& mark : own->ledger().marks().segments) {
        if (mark.is_committed) continue;
        const auto there = peer->ledger().segment(mark.block);
        const bool is_committed_there = there && there->is_committed;
        ASSERT_TRUE(is_committed_there ? own->commit(mark.block) : own->discard(mark.block));
      }
    }
    ASSERT_TRUE(alice.check(bob)) << alice.check(bob).error().text();
    ASSERT_TRUE(bob.check(alice)) << bob.check(alice).error().text();
  }

  void refill(BlockId block, bool starts) {
    const std::uint64_t lineage = starts ? 1 : alice.ledger().lineage();
    const bool done = alice.prepare(block, 3, starts, lineage) &&
                      bob.prepare(block, 3, starts, lineage) && alice.commit(block) &&
                      bob.commit(block);
    if (!done) reconnect();
  }

  void exchange(Site& sender, Site& receiver) {
    const auto pad = sender.take();
    if (!pad) {
      if (pad.error().code != ErrorCode::exhausted) reconnect();
      return;
    }
    // The tag leaves now.
    EXPECT_TRUE(used_.insert(to_hex(pad->bits.expose_secret())).second) << "a pad left twice";
    const Status received = receiver.receive(*pad);
    EXPECT_TRUE(received || received.error().code == ErrorCode::io) << received.error().text();
    if (!received) reconnect();
  }

  std::set<std::string> used_;
};

TEST(LedgerCrash, NoPadTwiceWhicheverWriteFails) {
  std::size_t writes = 0;
  {
    CrashScript script;
    script.run();
    writes = std::max(script.alice.store().applied(), script.bob.store().applied());
  }
  ASSERT_GT(writes, 20u);
  for (std::size_t n = 0; n < writes; ++n) {
    for (const bool is_alice : {true, false}) {
      SCOPED_TRACE((is_alice ? "Alice's write " : "Bob's write ") + std::to_string(n));
      CrashScript script;
      (is_alice ? script.alice : script.bob).store().fail_at(n);
      script.run();
    }
  }
}

TEST(LedgerCrash, NoPadTwiceUnderTwoFailures) {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 draw(seed);
    CrashScript script;
    script.alice.store().fail_at(draw() % 30);
    script.bob.store().fail_at(draw() % 30);
    script.run();
  }
}

}  // namespace
}  // namespace quoin
