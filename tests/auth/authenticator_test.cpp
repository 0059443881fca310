#include "auth/authenticator.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "../vectors/vector_file.hpp"

namespace quoin {
namespace {

SecretBytes secret_filled_with(std::size_t size, std::uint8_t value) {
  Bytes bytes(size, static_cast<std::byte>(value));
  return SecretBytes::take_and_wipe(bytes);
}

TranscriptContext context_of(Direction direction) {
  return {"block transcript", "link-1", to_bytes("session one"), direction, 0};
}

// Two ends of one direction, either scheme.
struct Ends {
  TranscriptAuthenticator sender;
  TranscriptAuthenticator receiver;
};

TranscriptAuthenticator make(TagScheme scheme, TranscriptContext context) {
  if (scheme == TagScheme::hmac_sha384)
    return TranscriptAuthenticator::hmac(std::move(context), secret_filled_with(48, 9));
  return TranscriptAuthenticator::wegman_carter(std::move(context), secret_filled_with(16, 9));
}

Pad pad_number(std::uint32_t index) {
  return {{make_block_id(1, 2), index}, secret_filled_with(16, static_cast<std::uint8_t>(index))};
}

TagFrame tag_with(TranscriptAuthenticator& sender, std::uint32_t pad) {
  auto tag = sender.scheme() == TagScheme::hmac_sha384 ? sender.tag() : sender.tag(pad_number(pad));
  EXPECT_TRUE(tag);
  return std::move(tag).value();
}

Status verify_with(TranscriptAuthenticator& receiver, const TagFrame& frame) {
  if (receiver.scheme() == TagScheme::hmac_sha384) return receiver.verify(frame);
  return receiver.verify(frame, pad_number(frame.pad.index).bits);
}

class Transcript : public testing::TestWithParam<TagScheme> {
 protected:
  Ends ends() {
    return {make(GetParam(), context_of(Direction::alice_to_bob)),
            make(GetParam(), context_of(Direction::alice_to_bob))};
  }
  // A tag over frames "one", "two" by a sender of `context`, judged by the usual receiver.
  bool is_accepted_from(TranscriptContext context) {
    TranscriptAuthenticator sender = make(GetParam(), std::move(context));
    TranscriptAuthenticator receiver = make(GetParam(), context_of(Direction::alice_to_bob));
    for (TranscriptAuthenticator* end : {&sender, &receiver}) {
      end->absorb(as_bytes("one"));
      end->absorb(as_bytes("two"));
    }
    return static_cast<bool>(verify_with(receiver, tag_with(sender, 1)));
  }
};

TEST_P(Transcript, VerifiesCheckpointAfterCheckpoint) {
  Ends both = ends();
  for (std::uint32_t i = 0; i < 5; ++i) {
    for (TranscriptAuthenticator* end : {&both.sender, &both.receiver}) {
      for (std::uint32_t frame = 0; frame < i; ++frame) end->absorb(Bytes(100 * frame));
      EXPECT_EQ(end->checkpoint(), i);
    }
    const TagFrame tag = tag_with(both.sender, i);
    EXPECT_EQ(tag.checkpoint, i);
    const Status verified = verify_with(both.receiver, tag);
    ASSERT_TRUE(verified) << verified.error().text();
    EXPECT_EQ(both.receiver.bytes_since_checkpoint(), 0u);
  }
}

TEST_P(Transcript, RefusesADifferentFrame) {
  Ends both = ends();
  both.sender.absorb(as_bytes("slots 1 2 3"));
  both.receiver.absorb(as_bytes("slots 1 2 4"));
  EXPECT_EQ(verify_with(both.receiver, tag_with(both.sender, 0)).error().code,
            ErrorCode::unauthenticated);
}

TEST_P(Transcript, BindsTheBordersOfFrames) {
  Ends both = ends();
  both.sender.absorb(as_bytes("ab"));
  both.sender.absorb(as_bytes("c"));
  both.receiver.absorb(as_bytes("a"));
  both.receiver.absorb(as_bytes("bc"));
  EXPECT_FALSE(verify_with(both.receiver, tag_with(both.sender, 0)));
}

TEST_P(Transcript, BindsTheNumberOfFramesAndTheirOrder) {
  for (const auto& received :
       std::vector<std::vector<std::string>>{{"one"}, {"two", "one"}, {"one", "two", ""}}) {
    Ends both = ends();
    both.sender.absorb(as_bytes("one"));
    both.sender.absorb(as_bytes("two"));
    for (const std::string& frame : received) both.receiver.absorb(as_bytes(frame));
    EXPECT_FALSE(verify_with(both.receiver, tag_with(both.sender, 0)));
  }
}

TEST_P(Transcript, BindsItsContext) {
  EXPECT_TRUE(is_accepted_from(context_of(Direction::alice_to_bob)));
  EXPECT_FALSE(is_accepted_from(context_of(Direction::bob_to_alice)));  // reflected
  TranscriptContext other = context_of(Direction::alice_to_bob);
  other.session_id = to_bytes("session two");
  EXPECT_FALSE(is_accepted_from(other));  // spliced from another session
  other = context_of(Direction::alice_to_bob);
  other.link_id = "link-2";
  EXPECT_FALSE(is_accepted_from(other));
  other = context_of(Direction::alice_to_bob);
  other.purpose = "something else";
  EXPECT_FALSE(is_accepted_from(other));
  other = context_of(Direction::alice_to_bob);
  other.first_checkpoint = 1;
  EXPECT_FALSE(is_accepted_from(other));
}

TEST_P(Transcript, RefusesAReplayedTag) {
  Ends both = ends();
  const TagFrame first = tag_with(both.sender, 0);
  ASSERT_TRUE(verify_with(both.receiver, first));
  EXPECT_FALSE(verify_with(both.receiver, first));
}

// security-rules A2: what failed once is over, and nothing has moved.
TEST_P(Transcript, IsOverAfterOneFailure) {
  Ends both = ends();
  TagFrame tag = tag_with(both.sender, 0);
  const TagFrame good = tag;
  tag.tag[3] ^= std::byte{1};
  EXPECT_FALSE(verify_with(both.receiver, tag));
  EXPECT_EQ(both.receiver.checkpoint(), 0u);
  EXPECT_EQ(verify_with(both.receiver, good).error().code, ErrorCode::unauthenticated);
  EXPECT_EQ(both.receiver.checkpoint(), 0u);
}

TEST_P(Transcript, RefusesEveryFlippedBitOfTheTagAndItsNumbers) {
  const std::size_t bits = [&] {
    Ends both = ends();
    return encode(tag_with(both.sender, 5)).size() * 8;
  }();
  for (std::size_t i = 0; i < bits; ++i) {
    Ends both = ends();
    both.sender.absorb(as_bytes("frame"));
    both.receiver.absorb(as_bytes("frame"));
    Bytes wire = encode(tag_with(both.sender, 5));
    wire[i / 8] ^= static_cast<std::byte>(1u << i % 8);
    const auto decoded = decode_tag_frame(wire);
    EXPECT_FALSE(decoded && verify_with(both.receiver, *decoded)) << "bit " << i;
  }
}

TEST_P(Transcript, IsOverAfterATagOfAnotherNumber) {
  Ends both = ends();
  TagFrame tag = tag_with(both.sender, 0);
  const TagFrame good = tag;
  tag.checkpoint = 1;
  EXPECT_FALSE(verify_with(both.receiver, tag));
  EXPECT_EQ(verify_with(both.receiver, good).error().code, ErrorCode::unauthenticated);
}

INSTANTIATE_TEST_SUITE_P(Schemes, Transcript,
                         testing::Values(TagScheme::hmac_sha384, TagScheme::wegman_carter));

// The whole message as the header describes it, hashed at once with the known pad.
TEST(WegmanCarter, TagIsTheHashOfTheWholeMessageUnderThePad) {
  TranscriptAuthenticator sender =
      make(TagScheme::wegman_carter, context_of(Direction::bob_to_alice));
  sender.absorb(as_bytes("one"));
  sender.absorb(as_bytes("zwei"));
  const TagFrame tag = tag_with(sender, 7);
  ByteWriter message;
  message.text("quoin transcript 1").u8(2).u8(1).text("block transcript").text("link-1");
  message.text("session one").u64(0);
  message.u64(3).fixed(as_bytes("one")).u64(4).fixed(as_bytes("zwei"));
  message.u64(2).u64(7).u64(to_u64(make_block_id(1, 2))).u32(7);
  const Bytes key(16, std::byte{9});
  Bytes expected;
  for (const std::byte byte :
       poly_hash(std::span<const std::byte, 16>(key.data(), 16), message.bytes()))
    expected.push_back(byte ^ std::byte{7});
  EXPECT_EQ(to_hex(tag.tag), to_hex(expected));
  EXPECT_EQ(tag.pad, (PadPosition{make_block_id(1, 2), 7}));
  const double blocks = static_cast<double>(message.size() / 16 + 2);
  EXPECT_DOUBLE_EQ(sender.epsilon_spent(), blocks * 0x1p-128);
}

TEST(WegmanCarter, TagIsHashXorPadInTheVectors) {
  for (const VectorRecord& record : read_vectors("poly_hash.txt")) {
    const Bytes key = record.bytes("key");
    Bytes tag = record.bytes("pad");
    const PolyHashValue hash =
        poly_hash(std::span<const std::byte, 16>(key.data(), 16), record.bytes("message"));
    for (std::size_t i = 0; i < tag.size(); ++i) tag[i] ^= hash[i];
    EXPECT_EQ(to_hex(tag), record.text("tag"));
  }
}

TEST(WegmanCarter, WipesThePadItUsed) {
  TranscriptAuthenticator sender =
      make(TagScheme::wegman_carter, context_of(Direction::alice_to_bob));
  Pad pad = pad_number(1);
  ASSERT_TRUE(sender.tag(std::move(pad)));
  EXPECT_TRUE(pad.bits.empty());
}

TEST(TagFrames, DecodeOnlyWhatIsEncoded) {
  const TagFrame frame{
      TagScheme::wegman_carter, 77, {make_block_id(3, 4), 5}, Bytes(16, std::byte{8})};
  const Bytes wire = encode(frame);
  const auto decoded = decode_tag_frame(wire);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, frame);
  for (std::size_t size = 0; size < wire.size(); ++size)
    EXPECT_FALSE(decode_tag_frame(ByteSpan(wire).first(size)));
  Bytes longer = wire;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode_tag_frame(longer));
  Bytes unknown = wire;
  unknown[0] = std::byte{3};
  EXPECT_FALSE(decode_tag_frame(unknown));
}

TEST(TagFrames, HmacNamesNoPad) {
  TagFrame frame{TagScheme::hmac_sha384, 1, {}, Bytes(48)};
  EXPECT_TRUE(decode_tag_frame(encode(frame)));
  frame.pad.index = 1;
  EXPECT_FALSE(decode_tag_frame(encode(frame)));
}

RC_GTEST_PROP(TagFrames, AnyBytesDecodeOrNotAndEncodeBack, ()) {
  const auto raw =
      *rc::gen::container<std::vector<std::uint8_t>>(37, rc::gen::arbitrary<std::uint8_t>());
  Bytes wire;
  for (const std::uint8_t byte : raw) wire.push_back(static_cast<std::byte>(byte));
  wire[0] = static_cast<std::byte>(2);
  const auto decoded = decode_tag_frame(wire);
  RC_ASSERT(static_cast<bool>(decoded));
  RC_ASSERT(encode(*decoded) == wire);
}

}  // namespace
}  // namespace quoin
