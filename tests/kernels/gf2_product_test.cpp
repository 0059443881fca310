#include "kernels/gf2_product.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <random>
#include <vector>

namespace quoin {
namespace {

using Words = std::vector<std::uint64_t>;

Words random_words(std::mt19937_64& engine, std::size_t size) {
  Words out(size);
  for (std::uint64_t& word : out) word = engine();
  return out;
}

// The definition, bit by bit: row i is the sum over j of diagonals[64N + i - j] vector[j].
Words reference(const Words& diagonals, const Words& vector) {
  const std::size_t bits = vector.size() * 64;
  Words out(vector.size());
  for (std::size_t i = 0; i < bits; ++i) {
    bool sum = false;
    for (std::size_t j = 0; j < bits; ++j)
      sum ^= bit_at(diagonals, bits + i - j) && bit_at(vector, j);
    assign_bit(out, i, sum);
  }
  return out;
}

TEST(Gf2Product, carryless_product_of_words_is_the_schoolbook_one) {
  std::mt19937_64 engine(1);
  for (int round = 0; round < 1000; ++round) {
    const std::uint64_t a = round == 0 ? ~std::uint64_t{0} : engine();
    const std::uint64_t b = round < 2 ? ~std::uint64_t{0} : engine();
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    for (unsigned i = 0; i < 64; ++i) {
      if ((b >> i & 1) == 0) continue;
      low ^= a << i;
      if (i > 0) high ^= a >> (64 - i);
    }
    const CarrylessProduct product = carryless_product(a, b);
    EXPECT_EQ(product.low, low);
    EXPECT_EQ(product.high, high);
  }
}

TEST(Gf2Product, scalar_twin_follows_the_definition) {
  std::mt19937_64 engine(2);
  for (const std::size_t size : {1U, 2U, 3U, 7U, 20U}) {
    const Words diagonals = random_words(engine, 2 * size);
    const Words vector = random_words(engine, size);
    Words out(size);
    gf2_toeplitz_add_scalar(out, diagonals, vector);
    EXPECT_EQ(out, reference(diagonals, vector)) << size;
  }
}

// Every instruction set this machine has gives the scalar result, for sizes with and without
// recursion and for lengths that fill no vector.
TEST(Gf2Product, every_instruction_set_gives_the_scalar_result) {
  std::size_t compared = 0;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    std::mt19937_64 engine(3);
    for (const std::size_t wanted :
         {1U, 2U, 5U, 8U, 9U, 17U, 31U, 39U, 40U, 41U, 77U, 80U, 163U, 400U}) {
      const std::size_t size = gf2_toeplitz_padded_words(wanted);
      ASSERT_GE(size, wanted);
      const Words diagonals = random_words(engine, 2 * size);
      const Words vector = random_words(engine, size);
      Words out = random_words(engine, size);
      Words expected = out;
      gf2_toeplitz_add_scalar(expected, diagonals, vector);
      // A guard behind the scratch shows writes past its end.
      Words scratch(gf2_toeplitz_scratch_words(size) + 1, 0xA5A5A5A5A5A5A5A5ULL);
      gf2_toeplitz_add(out, diagonals, vector, MutableWordSpan(scratch).first(scratch.size() - 1));
      EXPECT_EQ(out, expected) << hwy::TargetName(target) << ", " << size << " words";
      EXPECT_EQ(scratch.back(), 0xA5A5A5A5A5A5A5A5ULL);
      ++compared;
    }
  }
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_GE(compared, 14U);
}

}  // namespace
}  // namespace quoin
