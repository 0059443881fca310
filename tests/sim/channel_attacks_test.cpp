// Mallory on the classical channel, below TLS: what she changes is noticed, and no key comes of it.
#include <gtest/gtest.h>

#include <cstdlib>

#include "auth/tag_frame.hpp"
#include "sim/world.hpp"

namespace quoin {
namespace {

WorldConfig quiet_world(std::uint64_t seed) {
  WorldConfig config = small_world(seed);
  config.faults = FaultPlan{};
  return config;
}

struct Seen {
  std::uint64_t changed = 0;
  std::uint64_t sifts_after_change = 0;
};

// Changes the first frame of a type that passes once the link is in steady state, and watches what
// Alice says afterwards.
WorldOutcome attack(FrameType type, QuantumRole sender, std::function<bool(Bytes&)> change,
                    Seen& seen, bool during_bootstrap) {
  auto world = World::make(quiet_world(21)).value();
  std::uint64_t session_of_change = 0;
  world->set_tamper([&](QuantumRole from, Bytes& frame) {
    const auto view = decode_frame(frame);
    if (!view) return true;
    if (seen.changed > 0 && world->outcome().sessions == session_of_change &&
        from == QuantumRole::alice && view->header.type == FrameType::sift)
      ++seen.sifts_after_change;
    const bool is_time = during_bootstrap || world->outcome().is_information_theoretic;
    if (seen.changed > 0 || !is_time || from != sender || view->header.type != type) return true;
    ++seen.changed;
    session_of_change = world->outcome().sessions;
    return change(frame);
  });
  world->run_until(Instant{3 * ns_per_s});
  world->set_tamper({});
  return world->settle_and_compare(2 * ns_per_s);
}

void expect_noticed(const WorldOutcome& outcome, const Seen& seen) {
  ASSERT_EQ(seen.changed, 1U) << "the attack did not take place";
  EXPECT_TRUE(outcome.violations.empty()) << outcome.violations.front();
  EXPECT_TRUE(outcome.sessions > 1 || outcome.blocks_aborted > 0 || !outcome.needs_operator.empty())
      << "nobody noticed";
}

class FlipOneBit : public testing::TestWithParam<std::tuple<FrameType, QuantumRole, bool>> {};

TEST_P(FlipOneBit, EndsTheSessionOrTheBlock) {
  const auto [type, sender, during_bootstrap] = GetParam();
  for (const std::size_t place : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    if (std::getenv("QUOIN_SIM_SHARE") != nullptr && place != 1) continue;
    Seen seen;
    const WorldOutcome outcome = attack(
        type, sender,
        [place](Bytes& frame) {
          // In the header, at the start of the payload, at its end.
          const std::size_t at = place == 0   ? 8
                                 : place == 1 ? std::min(frame.size() - 1, frame_header_bytes)
                                              : frame.size() - 1;
          frame[at] ^= std::byte{1};
          return true;
        },
        seen, during_bootstrap);
    expect_noticed(outcome, seen);
  }
}

INSTANTIATE_TEST_SUITE_P(
    EveryMessage, FlipOneBit,
    testing::Values(std::tuple(FrameType::hello, QuantumRole::alice, true),
                    std::tuple(FrameType::hello, QuantumRole::bob, true),
                    std::tuple(FrameType::commitment, QuantumRole::bob, true),
                    std::tuple(FrameType::commitment, QuantumRole::bob, false),
                    std::tuple(FrameType::sift, QuantumRole::alice, false),
                    std::tuple(FrameType::estimate, QuantumRole::bob, false),
                    std::tuple(FrameType::reconcile_start, QuantumRole::alice, false),
                    std::tuple(FrameType::reconcile, QuantumRole::alice, false),
                    std::tuple(FrameType::reconcile, QuantumRole::bob, false),
                    std::tuple(FrameType::verify, QuantumRole::alice, false),
                    std::tuple(FrameType::verify_result, QuantumRole::bob, false),
                    std::tuple(FrameType::amplify, QuantumRole::alice, true),
                    std::tuple(FrameType::amplify, QuantumRole::alice, false),
                    std::tuple(FrameType::switch_authentication, QuantumRole::alice, true),
                    std::tuple(FrameType::tag, QuantumRole::alice, false),
                    std::tuple(FrameType::tag, QuantumRole::bob, false),
                    std::tuple(FrameType::tag, QuantumRole::bob, true),
                    std::tuple(FrameType::control, QuantumRole::alice, false),
                    std::tuple(FrameType::control, QuantumRole::bob, true)));

// security-rules A1: a detection list in Bob's name brings Alice to say nothing about bases or
// intensities.
TEST(ChannelAttack, AForgedCommitmentGetsNoBases) {
  for (const bool during_bootstrap : {true, false}) {
    Seen seen;
    const WorldOutcome outcome = attack(
        FrameType::commitment, QuantumRole::bob,
        [](Bytes& frame) {
          frame[frame.size() - 2] ^=
              std::byte{0x18};  // another basis for some detections: still well formed
          return true;
        },
        seen, during_bootstrap);
    expect_noticed(outcome, seen);
    EXPECT_EQ(seen.sifts_after_change, 0U)
        << "Alice revealed bases for a commitment that was not Bob's";
  }
}

// The same with the tag held back: without it Alice waits, however long.
TEST(ChannelAttack, ACommitmentWithoutItsTagGetsNoBases) {
  for (const bool during_bootstrap : {true, false}) {
    auto world = World::make(quiet_world(27)).value();
    bool holds_back = false;
    std::uint64_t sifts = 0;
    world->set_tamper([&](QuantumRole from, Bytes& frame) {
      const auto view = decode_frame(frame);
      if (!view) return true;
      if (holds_back && from == QuantumRole::alice && view->header.type == FrameType::sift) ++sifts;
      if (from != QuantumRole::bob) return true;
      if (holds_back) return false;
      const bool is_time = during_bootstrap || world->outcome().is_information_theoretic;
      // Only a link without other blocks in flight tells the sift of this one from theirs.
      if (is_time && view->header.type == FrameType::commitment &&
          world->site(QuantumRole::alice)->link_status().blocks_in_flight == 0)
        holds_back = true;
      return true;
    });
    for (int i = 0; i < 400 && !holds_back; ++i) {
      world->run_until(Instant{world->clock().now().ns + 50 * ns_per_ms});
      // A new connection has no blocks in flight.
      if (!during_bootstrap && world->outcome().is_information_theoretic && i % 20 == 19 &&
          !holds_back)
        world->cut();
    }
    ASSERT_TRUE(holds_back);
    world->run_until(Instant{world->clock().now().ns + 10 * ns_per_s});
    EXPECT_EQ(sifts, 0U) << "Alice revealed bases without a tag over the commitment";
  }
}

TEST(ChannelAttack, ALostFrameIsNoticed) {
  Seen seen;
  const WorldOutcome outcome =
      attack(FrameType::estimate, QuantumRole::bob, [](Bytes&) { return false; }, seen, false);
  expect_noticed(outcome, seen);
}

// Back to HMAC after the switch: refused whatever the tag says.
TEST(ChannelAttack, ADowngradeToTheBootstrapSchemeIsRefused) {
  Seen seen;
  const WorldOutcome outcome = attack(
      FrameType::tag, QuantumRole::bob,
      [](Bytes& frame) {
        const auto view = decode_frame(frame).value();
        TagFrame forged;
        forged.scheme = TagScheme::hmac_sha384;
        forged.checkpoint = decode_tag_frame(view.payload)->checkpoint;
        forged.tag = Bytes(tag_bytes(forged.scheme));
        frame = encode_frame(view.header, encode(forged));
        return true;
      },
      seen, false);
  expect_noticed(outcome, seen);
  EXPECT_GT(outcome.tags_refused, 0U);
  EXPECT_TRUE(outcome.last_tag_refused.contains("fell back to bootstrap authentication"))
      << "named for what it is, before any pad is looked up: " << outcome.last_tag_refused;
}

// security-rules A3: a forgery that names a far pad must not burn the pads before it.
TEST(ChannelAttack, AForgedTagBurnsNoPads) {
  auto world = World::make(quiet_world(22)).value();
  bool is_forged = false;
  std::uint64_t pads_before = 0;
  std::uint64_t pads_after = 0;
  std::uint64_t session = 0;
  world->set_tamper([&](QuantumRole from, Bytes& frame) {
    const auto view = decode_frame(frame);
    if (!view || is_forged || from != QuantumRole::bob || view->header.type != FrameType::tag)
      return true;
    auto tag = decode_tag_frame(view->payload);
    if (!tag || tag->scheme != TagScheme::wegman_carter) return true;
    tag->pad.index += 50;
    frame = encode_frame(view->header, encode(*tag));
    is_forged = true;
    pads_before = world->site(QuantumRole::alice)->ledger().pads_left(Direction::bob_to_alice);
    session = world->outcome().sessions;
    return true;
  });
  while (world->clock().now() < Instant{4 * ns_per_s} &&
         !(is_forged && world->outcome().sessions > session))
    world->run_until(Instant{world->clock().now().ns + 10 * ns_per_ms});
  ASSERT_TRUE(is_forged);
  pads_after = world->site(QuantumRole::alice)->ledger().pads_left(Direction::bob_to_alice);
  EXPECT_EQ(pads_before, pads_after);
}

// A frame of the last session, or the own one sent back, is no frame of this one.
TEST(ChannelAttack, ReflectionAndCrossSessionReplayAreNoticed) {
  for (const bool reflects : {true, false}) {
    auto world = World::make(quiet_world(23)).value();
    Bytes old_commitment;
    std::uint64_t first_session = 0;
    bool is_done = false;
    world->set_tamper([&](QuantumRole from, Bytes& frame) {
      const auto view = decode_frame(frame);
      if (!view || is_done) return true;
      if (reflects) {
        // Alice's own sift message comes back to her in the place of Bob's estimate.
        if (from == QuantumRole::alice && view->header.type == FrameType::sift)
          old_commitment = frame;
        if (from == QuantumRole::bob && view->header.type == FrameType::estimate &&
            !old_commitment.empty()) {
          frame = old_commitment;
          is_done = true;
        }
        return true;
      }
      if (from == QuantumRole::bob && view->header.type == FrameType::commitment) {
        if (old_commitment.empty()) {
          old_commitment = frame;
          first_session = world->outcome().sessions;
          frame[frame.size() - 1] ^= std::byte{0x10};  // ends this session
        } else if (world->outcome().sessions > first_session) {
          frame = old_commitment;
          is_done = true;
        }
      }
      return true;
    });
    world->run_until(Instant{3 * ns_per_s});
    world->set_tamper({});
    const WorldOutcome outcome = world->settle_and_compare(2 * ns_per_s);
    ASSERT_TRUE(is_done);
    EXPECT_TRUE(outcome.violations.empty());
    EXPECT_GE(outcome.sessions, reflects ? 2U : 3U);
  }
}

// A peer of another version, and a peer with other parameters: named, and left to the operator.
TEST(ChannelAttack, AnotherVersionIsNamed) {
  auto world = World::make(quiet_world(24)).value();
  world->set_tamper([](QuantumRole from, Bytes& frame) {
    const auto view = decode_frame(frame);
    if (view && from == QuantumRole::bob && view->header.type == FrameType::hello)
      frame[frame_header_bytes + 1] = std::byte{2};
    return true;
  });
  world->run_until(Instant{ns_per_s});
  EXPECT_NE(world->outcome().needs_operator.find("link protocol 2"), std::string::npos)
      << world->outcome().needs_operator;
}

// security-rules A5: whoever breaks TLS later and claims to know no key of the link does not bring
// back the bootstrap.
TEST(ChannelAttack, APeerWithoutTheLinksKeyIsRefused) {
  auto world = World::make(quiet_world(26)).value();
  while (!world->outcome().is_information_theoretic)
    world->run_until(Instant{world->clock().now().ns + 50 * ns_per_ms});
  world->set_tamper([](QuantumRole from, Bytes& frame) {
    const auto view = decode_frame(frame);
    if (!view || from != QuantumRole::bob || view->header.type != FrameType::hello) return true;
    Hello hello = decode_hello(view->payload).value();
    hello.lineage = 0;
    frame = encode_frame(view->header, encode(hello));
    return true;
  });
  world->cut();
  const auto blocks = world->outcome().blocks_committed[0];
  world->run_until(Instant{world->clock().now().ns + 2 * ns_per_s});
  EXPECT_NE(world->outcome().needs_operator.find("does not know the authentication key"),
            std::string::npos)
      << world->outcome().needs_operator;
  EXPECT_EQ(world->outcome().blocks_committed[0], blocks);
}

TEST(ChannelAttack, OtherParametersAreNamed) {
  auto world = World::make(quiet_world(25)).value();
  world->set_tamper([](QuantumRole from, Bytes& frame) {
    const auto view = decode_frame(frame);
    if (!view || from != QuantumRole::bob || view->header.type != FrameType::hello) return true;
    Hello hello = decode_hello(view->payload).value();
    LinkParameters parameters = decode_link_parameters(hello.parameters).value();
    parameters.epsilon_sec = 1e-7;  // a downgrade
    hello.parameters = encode(parameters);
    frame = encode_frame(view->header, encode(hello));
    return true;
  });
  world->run_until(Instant{ns_per_s});
  EXPECT_NE(world->outcome().needs_operator.find("epsilon_sec"), std::string::npos)
      << world->outcome().needs_operator;
  EXPECT_EQ(world->outcome().blocks_committed[0], 0U);
}

}  // namespace
}  // namespace quoin
