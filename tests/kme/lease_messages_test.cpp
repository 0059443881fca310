#include "kme/lease_messages.hpp"

#include <gtest/gtest.h>

#include <random>

namespace quoin {
namespace {

std::vector<LeaseMessage> examples() {
  std::vector<LeaseMessage> out;
  const Association association{{"a"}, {{"b"}, {"c"}}, 32};
  LeaseId id;
  id.bytes.fill(std::byte{3});
  out.emplace_back(LeaseRequest{5, association, 64});
  LeaseTerms terms{id, SecretBytes::zeroed(32), BlockId{77}, 64, 2048, 64, association};
  out.emplace_back(LeaseOffer{5, std::move(terms)});
  out.emplace_back(LeaseAck{id});
  out.emplace_back(LeaseRefusal{5, {}, RefusalReason::limits});
  out.emplace_back(LeaseRefusal{0, id, RefusalReason::unknown_block});
  return out;
}

TEST(LeaseMessages, RoundTrip) {
  for (const LeaseMessage& message : examples()) {
    const Bytes bytes = encode(message);
    const auto decoded = decode_lease_message(bytes);
    ASSERT_TRUE(decoded) << decoded.error().text();
    EXPECT_EQ(decoded->index(), message.index());
    EXPECT_EQ(encode(*decoded), bytes);
  }
}

TEST(LeaseMessages, TruncatedOrExtendedAreRefused) {
  for (const LeaseMessage& message : examples()) {
    Bytes bytes = encode(message);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
      EXPECT_FALSE(decode_lease_message(ByteSpan(bytes).first(cut))) << cut;
    bytes.push_back({});
    EXPECT_FALSE(decode_lease_message(bytes));
  }
}

TEST(LeaseMessages, MutatedAreRefusedOrCanonical) {
  std::mt19937_64 engine(4);
  for (const LeaseMessage& message : examples()) {
    const Bytes bytes = encode(message);
    for (int round = 0; round < 2000; ++round) {
      Bytes changed = bytes;
      changed[engine() % changed.size()] = static_cast<std::byte>(engine());
      const auto decoded = decode_lease_message(changed);
      if (decoded) {
        EXPECT_EQ(encode(*decoded), changed);
      }
    }
  }
}

TEST(LeaseMessages, RefuseWhatCannotBe) {
  const Association good{{"a"}, {{"b"}}, 32};
  EXPECT_FALSE(decode_lease_message(encode(LeaseRequest{0, good, 64})));
  EXPECT_FALSE(decode_lease_message(encode(LeaseRequest{1, good, 0})));
  EXPECT_FALSE(decode_lease_message(encode(LeaseRequest{1, {{"a"}, {}, 32}, 1})));
  EXPECT_FALSE(decode_lease_message(encode(LeaseRequest{1, {{"a"}, {{"a"}}, 32}, 1})));
  EXPECT_FALSE(decode_lease_message(encode(LeaseRefusal{0, {}, RefusalReason::limits})));
  EXPECT_FALSE(decode_lease_message(encode(LeaseRefusal{1, {}, RefusalReason{7}})));
  EXPECT_FALSE(decode_lease_message(Bytes{std::byte{9}}));
  EXPECT_EQ(decode_lease_message(Bytes(lease_message_bytes_max + 1)).error().code,
            ErrorCode::too_large);
}

}  // namespace
}  // namespace quoin
