#include "auth/control_channel.hpp"

#include <gtest/gtest.h>

#include <set>

namespace quoin {
namespace {

SecretBytes key_filled_with(std::uint8_t value, std::size_t size = hmac_sha384_bytes) {
  Bytes bytes(size, static_cast<std::byte>(value));
  return SecretBytes::take_and_wipe(bytes);
}

ControlChannel channel(std::uint8_t key, Direction direction = Direction::alice_to_bob) {
  return ControlChannel(key_filled_with(key), direction);
}

TEST(ControlChannel, CarriesMessagesInOrder) {
  ControlChannel sender = channel(1);
  ControlChannel receiver = channel(1);
  for (const std::string text : {"first", "", "third, longer than the others"}) {
    auto frame = sender.protect(as_bytes(text));
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->size(), text.size() + control_overhead_bytes);
    auto payload = receiver.accept(*frame);
    ASSERT_TRUE(payload) << payload.error().text();
    EXPECT_EQ(to_text(*payload), text);
  }
  EXPECT_EQ(receiver.counter(), 3u);
}

TEST(ControlChannel, RefusesReplayAndReordering) {
  ControlChannel sender = channel(1);
  ControlChannel receiver = channel(1);
  const Bytes first = sender.protect(as_bytes("1")).value();
  const Bytes second = sender.protect(as_bytes("2")).value();
  ASSERT_TRUE(receiver.accept(second));
  EXPECT_EQ(receiver.accept(second).error().code, ErrorCode::conflict);
  EXPECT_EQ(receiver.accept(first).error().code, ErrorCode::conflict);
  EXPECT_EQ(receiver.counter(), 2u);
}

TEST(ControlChannel, RefusesReflectionAndOtherKeys) {
  ControlChannel sender = channel(1, Direction::alice_to_bob);
  const Bytes frame = sender.protect(as_bytes("commit")).value();
  EXPECT_EQ(channel(1, Direction::bob_to_alice).accept(frame).error().code,
            ErrorCode::unauthenticated);
  EXPECT_EQ(channel(2, Direction::alice_to_bob).accept(frame).error().code,
            ErrorCode::unauthenticated);
}

TEST(ControlChannel, RefusesEveryFlippedBitTruncationAndExtension) {
  ControlChannel sender = channel(1);
  const Bytes frame = sender.protect(as_bytes("commit block 7")).value();
  ControlChannel receiver = channel(1);
  for (std::size_t i = 0; i < frame.size() * 8; ++i) {
    Bytes altered = frame;
    altered[i / 8] ^= static_cast<std::byte>(1u << i % 8);
    EXPECT_FALSE(receiver.accept(altered)) << "bit " << i;
  }
  for (std::size_t size = 0; size < frame.size(); ++size)
    EXPECT_FALSE(receiver.accept(ByteSpan(frame).first(size)));
  Bytes longer = frame;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(receiver.accept(longer));
  EXPECT_EQ(receiver.counter(), 0u);
  EXPECT_TRUE(receiver.accept(frame));
}

TEST(ControlChannel, BoundsItsPayload) {
  ControlChannel sender = channel(1);
  EXPECT_TRUE(sender.protect(Bytes(control_payload_max)));
  EXPECT_EQ(sender.protect(Bytes(control_payload_max + 1)).error().code, ErrorCode::too_large);
}

TEST(DerivedKeys, AreDifferentForEveryUseAndEqualAtBothEnds) {
  const SecretBytes exporter = key_filled_with(5, 64);
  std::set<std::string> seen;
  const auto collect = [&seen](const DirectionKeys& keys) {
    for (const SecretBytes* key : {&keys.alice_to_bob, &keys.bob_to_alice}) {
      EXPECT_EQ(key->size_bytes(), hmac_sha384_bytes);
      seen.insert(to_hex(key->expose_secret()));
    }
  };
  for (const char* link : {"link-1", "link-2"}) {
    for (const char* session : {"s1", "s2"}) {
      auto keys = derive_bootstrap_keys(exporter, link, as_bytes(session));
      ASSERT_TRUE(keys);
      collect(keys->transcript);
      collect(keys->control);
      for (const std::uint32_t epoch : {0u, 1u})
        collect(derive_control_keys(exporter, link, as_bytes(session), epoch));
    }
  }
  EXPECT_EQ(seen.size(), 2u * 2 * (4 + 4));
  const auto again = derive_bootstrap_keys(exporter, "link-1", as_bytes("s1"));
  EXPECT_TRUE(seen.contains(to_hex(again->transcript.alice_to_bob.expose_secret())));
}

TEST(DerivedKeys, NeedAnExporter) {
  EXPECT_EQ(derive_bootstrap_keys({}, "link-1", as_bytes("s")).error().code,
            ErrorCode::invalid_argument);
  EXPECT_FALSE(derive_bootstrap_keys(key_filled_with(1, 31), "link-1", as_bytes("s")));
}

}  // namespace
}  // namespace quoin
