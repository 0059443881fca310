// Why no pad may be used twice: two tags under one pad give the hash key away, and with it any tag.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/bytes.hpp"
#include "kernels/poly_hash.hpp"

namespace quoin {
namespace {

using Block = std::array<std::byte, 16>;

// In GHASH bit order, by the shift-and-add of NIST SP 800-38D, Algorithm 1, or in plain order (bit
// 0 of the last byte is the constant term), which the published vector uses.
enum class Order { ghash, plain };

Block mirrored(const Block& block) {
  Block out;
  for (std::size_t i = 0; i < 16; ++i) {
    unsigned byte = std::to_integer<unsigned>(block[15 - i]);
    unsigned reversed = 0;
    for (unsigned bit = 0; bit < 8; ++bit) reversed |= (byte >> bit & 1) << (7 - bit);
    out[i] = static_cast<std::byte>(reversed);
  }
  return out;
}

Block multiply_ghash(const Block& x, Block v) {
  Block z{};
  for (std::size_t i = 0; i < 128; ++i) {
    if ((std::to_integer<unsigned>(x[i / 8]) >> (7 - i % 8) & 1) != 0)
      for (std::size_t j = 0; j < 16; ++j) z[j] ^= v[j];
    const bool carries = (v[15] & std::byte{1}) != std::byte{0};
    for (std::size_t j = 16; j-- > 0;) v[j] = v[j] >> 1 | (j > 0 ? v[j - 1] << 7 : std::byte{0});
    if (carries) v[0] ^= std::byte{0xe1};
  }
  return z;
}

Block multiply(Order order, const Block& x, const Block& y) {
  if (order == Order::ghash) return multiply_ghash(x, y);
  return mirrored(multiply_ghash(mirrored(x), mirrored(y)));
}

Block power_of_two(Order order, Block x, int squarings) {
  for (int i = 0; i < squarings; ++i) x = multiply(order, x, x);
  return x;
}

// x^(2^128 - 2), as the product of x^2, x^4, ... x^(2^127).
Block inverse(Order order, const Block& x) {
  Block square = multiply(order, x, x);
  Block product = square;
  for (int i = 2; i < 128; ++i) {
    square = multiply(order, square, square);
    product = multiply(order, product, square);
  }
  return product;
}

Block operator^(const Block& a, const Block& b) {
  Block out;
  for (std::size_t i = 0; i < 16; ++i) out[i] = a[i] ^ b[i];
  return out;
}

// t1 + t2 = (m1 + m2) k^2 for messages of one block: k is the square root of a quotient.
Block recover_key(Order order, const Block& t1, const Block& t2, const Block& m1, const Block& m2) {
  const Block quotient = multiply(order, t1 ^ t2, inverse(order, m1 ^ m2));
  return power_of_two(order, quotient, 127);
}

Block block_of(std::string_view hex) {
  Block block{};
  std::ranges::copy(from_hex(hex).value(), block.begin());
  return block;
}

const Block key = block_of("0102030405060708090a0b0c0d0e0f10");
const Block pad = block_of("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
const Block first = block_of("000102030405060708090a0b0c0d0e0f");
const Block second = block_of("101112131415161718191a1b1c1d1e1f");

TEST(PadReuse, PublishedVectorGivesTheKeyAway) {
  const Block t1 = block_of("426120b66e4fd317f39ee27a701809e6");
  const Block t2 = block_of("4e7467ec221f8149eb8be574284912d0");
  EXPECT_EQ(recover_key(Order::plain, t1, t2, first, second), key);
}

TEST(PadReuse, GivesOurOwnKeyAwayAndForgesAnyTag) {
  const Block t1 = poly_hash(key, first) ^ pad;
  const Block t2 = poly_hash(key, second) ^ pad;
  const Block stolen = recover_key(Order::ghash, t1, t2, first, second);
  EXPECT_EQ(stolen, key);
  const Block stolen_pad = t1 ^ poly_hash(stolen, first);
  const Bytes forged = to_bytes("release the key, all tags are fine");
  EXPECT_EQ(poly_hash(stolen, forged) ^ stolen_pad, poly_hash(key, forged) ^ pad);
}

TEST(PadReuse, TwoPadsGiveNothingAway) {
  const Block other_pad = block_of("00112233445566778899aabbccddeeff");
  const Block t1 = poly_hash(key, first) ^ pad;
  const Block t2 = poly_hash(key, second) ^ other_pad;
  EXPECT_NE(recover_key(Order::ghash, t1, t2, first, second), key);
}

}  // namespace
}  // namespace quoin
