#include "kernels/poly_hash.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "../vectors/vector_file.hpp"

namespace quoin {
namespace {

using Block = std::array<std::byte, 16>;
using KeyView = std::span<const std::byte, 16>;

// NIST SP 800-38D, 6.3, Algorithm 1, bit by bit: bit 0 is the leftmost bit of byte 0.
Block multiply(const Block& x, const Block& y) {
  const auto bit = [](const Block& block, std::size_t i) {
    return (std::to_integer<unsigned>(block[i / 8]) >> (7 - i % 8) & 1) != 0;
  };
  Block z{};
  Block v = y;
  for (std::size_t i = 0; i < 128; ++i) {
    if (bit(x, i))
      for (std::size_t j = 0; j < 16; ++j) z[j] ^= v[j];
    const bool carries = bit(v, 127);
    for (std::size_t j = 16; j-- > 0;) v[j] = v[j] >> 1 | (j > 0 ? v[j - 1] << 7 : std::byte{0});
    if (carries) v[0] ^= std::byte{0xe1};
  }
  return z;
}

Block reference_hash(const Block& key, ByteSpan message) {
  ByteWriter padded;
  padded.fixed(message);
  while (padded.size() % 16 != 0) padded.u8(0);
  padded.u64(0).u64(message.size() * 8);
  Block sum{};
  for (std::size_t at = 0; at < padded.size(); at += 16) {
    for (std::size_t j = 0; j < 16; ++j) sum[j] ^= padded.bytes()[at + j];
    sum = multiply(sum, key);
  }
  return sum;
}

Block as_block(const Bytes& bytes) {
  Block block{};
  std::copy_n(bytes.begin(), 16, block.begin());
  return block;
}

rc::Gen<Bytes> some_bytes(std::size_t size_max) {
  return rc::gen::mapcat(rc::gen::inRange<std::size_t>(0, size_max + 1), [](std::size_t size) {
    return rc::gen::container<Bytes>(
        size, rc::gen::map(rc::gen::arbitrary<std::uint8_t>(),
                           [](std::uint8_t byte) { return static_cast<std::byte>(byte); }));
  });
}
rc::Gen<Block> some_block() {
  return rc::gen::map(
      rc::gen::container<Bytes>(
          16, rc::gen::map(rc::gen::arbitrary<std::uint8_t>(),
                           [](std::uint8_t byte) { return static_cast<std::byte>(byte); })),
      as_block);
}

TEST(PolyHash, GivesTheKnownAnswers) {
  for (const VectorRecord& record : read_vectors("poly_hash.txt")) {
    const Block key = as_block(record.bytes("key"));
    EXPECT_EQ(to_hex(poly_hash(key, record.bytes("message"))), record.text("hash"))
        << record.text("message");
  }
}

TEST(PolyHash, IsHeldByTheBitwiseReference) {
  // The reference itself stands on the same known answers.
  for (const VectorRecord& record : read_vectors("poly_hash.txt"))
    ASSERT_EQ(to_hex(reference_hash(as_block(record.bytes("key")), record.bytes("message"))),
              record.text("hash"));
}

RC_GTEST_PROP(PolyHash, EqualsTheBitwiseReference, ()) {
  const Block key = *some_block();
  const Bytes message = *some_bytes(1200);
  RC_ASSERT(poly_hash(key, message) == reference_hash(key, message));
}

RC_GTEST_PROP(PolyHash, DoesNotDependOnTheSplit, ()) {
  const Block key = *some_block();
  const Bytes message = *some_bytes(2000);
  PolyHash running(key);
  std::size_t at = 0;
  while (at < message.size()) {
    const std::size_t size = std::min(message.size() - at, *rc::gen::inRange<std::size_t>(0, 700));
    running.update(ByteSpan(message).subspan(at, size));
    at += size;
    RC_ASSERT(running.size_bytes() == at);
  }
  RC_ASSERT(running.finish() == poly_hash(key, message));
}

TEST(PolyHash, StartsAnewAfterFinish) {
  const Block key = as_block(Bytes(16, std::byte{0x5c}));
  PolyHash running(key);
  running.update(as_bytes("the first message, of odd length"));
  const PolyHashValue first = running.finish();
  EXPECT_EQ(running.size_bytes(), 0u);
  running.update(as_bytes("the first message, of odd length"));
  EXPECT_EQ(running.finish(), first);
}

TEST(PolyHash, TellsAMessageFromTheSameWithZerosBehind) {
  const Block key = as_block(Bytes(16, std::byte{0x5c}));
  EXPECT_NE(poly_hash(key, Bytes(16)), poly_hash(key, Bytes(17)));
  EXPECT_NE(poly_hash(key, Bytes(31)), poly_hash(key, Bytes(32)));
}

// Every instruction set that this machine has, and the emulated one, against the scalar code.
TEST(PolyHash, IsEqualOnEveryInstructionSet) {
  namespace blocks = poly_hash_blocks;
  const Block key = as_block(Bytes(16, std::byte{0x93}));
  std::vector<blocks::Words> powers(blocks::powers_count);
  blocks::make_powers(key, powers);
  Bytes message(16 * 151);
  for (std::size_t i = 0; i < message.size(); ++i)
    message[i] = static_cast<std::byte>(i * 167 + i / 251);
  std::size_t sets = 0;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    for (std::size_t count = 0; count <= 151; ++count) {
      blocks::Words scalar = {0x0123'4567'89ab'cdef, 0xfedc'ba98'7654'3210};
      blocks::Words simd = scalar;
      blocks::absorb_scalar(scalar, powers, ByteSpan(message).first(16 * count));
      blocks::absorb_simd(simd, powers, ByteSpan(message).first(16 * count));
      ASSERT_EQ(simd, scalar) << hwy::TargetName(target) << ", " << count << " blocks";
    }
    ++sets;
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  EXPECT_GE(sets, 1u);
}

// f(m) = sum m_i k^(l+1-i): the XOR of two hashes of messages of equal length is linear in the
// difference of the messages.
RC_GTEST_PROP(PolyHash, IsLinearForEqualLengths, ()) {
  const Block key = *some_block();
  const Bytes a = *some_bytes(300);
  Bytes b(a.size());
  for (std::byte& byte : b) byte = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
  Bytes both(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) both[i] = a[i] ^ b[i];
  PolyHashValue left = poly_hash(key, a);
  const PolyHashValue right = poly_hash(key, b);
  const PolyHashValue zero = poly_hash(key, Bytes(a.size()));
  for (std::size_t i = 0; i < left.size(); ++i) left[i] ^= right[i] ^ zero[i];
  RC_ASSERT(left == poly_hash(key, both));
}

}  // namespace
}  // namespace quoin
