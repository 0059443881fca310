// The bounded reader, the writer, bit strings and passports: what came in is read once, whole, and
// within its bounds.
#include "core/bytes.hpp"

#include <gtest/gtest.h>

#include "core/passport.hpp"

namespace quoin {
namespace {

TEST(ByteReader, ReadsWhatTheWriterWrote) {
  BitString bits(70);
  bits.set(69, true);
  const Bytes bytes =
      std::move(ByteWriter().u8(1).u16(0x0203).u32(0x04050607).u64(8).text("name").bits(bits))
          .take();
  ByteReader in(bytes);
  EXPECT_EQ(in.u8(), 1);
  EXPECT_EQ(in.u16(), 0x0203);
  EXPECT_EQ(in.u32(), 0x04050607U);
  EXPECT_EQ(in.u64(), 8U);
  EXPECT_EQ(in.text(10), "name");
  EXPECT_EQ(in.bits(100), bits);
  EXPECT_TRUE(in.finish("message").has_value());
}

TEST(ByteReader, PastTheEndEverythingIsZeroAndFailed) {
  const Bytes bytes{std::byte{9}};
  ByteReader in(bytes);
  EXPECT_EQ(in.u32(), 0U);
  EXPECT_TRUE(in.failed());
  EXPECT_EQ(in.u8(), 0) << "the byte that is there must not be read after a failure";
  EXPECT_FALSE(in.finish("message").has_value());
}

TEST(ByteReader, BoundsHoldBeforeAnythingIsTaken) {
  const Bytes text = std::move(ByteWriter().text("12345")).take();
  ByteReader in(text);
  EXPECT_EQ(in.text(4), "");
  EXPECT_TRUE(in.failed());
  // A length that promises more than there is.
  const Bytes huge = std::move(ByteWriter().u32(0xffffffff)).take();
  ByteReader bits(huge);
  EXPECT_TRUE(bits.bits(0xffffffff).empty());
  EXPECT_TRUE(bits.failed());
}

TEST(ByteReader, BitsPastTheEndAreNoSecondEncoding) {
  Bytes bytes = std::move(ByteWriter().bits(BitString(3))).take();
  bytes.back() = std::byte{0x08};
  ByteReader in(bytes);
  EXPECT_TRUE(in.bits(3).empty());
  EXPECT_TRUE(in.failed());
}

TEST(ByteReader, LeftOverBytesAreAnError) {
  const Bytes bytes{std::byte{1}, std::byte{2}};
  ByteReader in(bytes);
  (void)in.u8();
  EXPECT_EQ(in.finish("message").error().code, ErrorCode::malformed);
}

TEST(Hex, BothWaysAndNothingElse) {
  EXPECT_EQ(to_hex(from_hex("00fFa5").value()), "00ffa5");
  EXPECT_FALSE(from_hex("0").has_value());
  EXPECT_FALSE(from_hex("0g").has_value());
}

Passport some_passport() {
  Passport p;
  p.block = make_block_id(3, 4);
  p.protocol = "bb84-decoy2";
  p.assumptions = {"one", "two"};
  p.epsilon_sec = 1e-10;
  p.counts.key.detected = {5, 6, 7};
  p.grade = Grade::information_theoretic;
  p.source = KeySource::simulated;
  p.made_unix_ms = 1'700'000'000'000;
  return p;
}

TEST(PassportTest, KeepsEverythingAndNothingShorter) {
  const auto bytes = encode(some_passport());
  const auto read = decode_passport(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->block, make_block_id(3, 4));
  EXPECT_EQ(read->assumptions, some_passport().assumptions);
  EXPECT_EQ(read->counts.key.detected[2], 7U);
  EXPECT_EQ(read->grade, Grade::information_theoretic);
  EXPECT_EQ(encode(*read), bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_passport(std::span(bytes).first(size)).has_value()) << size;
}

}  // namespace
}  // namespace quoin
