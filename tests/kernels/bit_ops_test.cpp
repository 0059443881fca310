#include "kernels/bit_ops.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <random>

#include "kernels/public_expansion.hpp"

namespace quoin {
namespace {

BitString random_bits(std::mt19937_64& engine, std::size_t size_bits) {
  BitString out(size_bits);
  for (std::uint64_t& word : out.words()) word = engine();
  out.trim();
  return out;
}

TEST(BitOps, compress_selects_in_order) {
  std::mt19937_64 engine(1);
  for (std::size_t size = 0; size < 400; size += 7) {
    const BitString source = random_bits(engine, size);
    BitString mask = random_bits(engine, size);
    if (size % 2 == 0) {
      const BitString thinner = random_bits(engine, size);
      for (std::size_t w = 0; w < mask.words().size(); ++w) mask.words()[w] &= thinner.words()[w];
    }
    BitString expected;
    for (std::size_t i = 0; i < size; ++i)
      if (mask[i]) expected.push_back(source[i]);
    BitString out(mask.count_ones());
    EXPECT_EQ(compress_bits(source.words(), mask.words(), out.words()), mask.count_ones());
    EXPECT_EQ(out, expected) << size;
  }
}

// Masks from empty to full, and what lies past the selected bits stays as it was.
TEST(BitOps, compress_gives_the_same_on_every_instruction_set) {
  std::size_t compared = 0;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    std::mt19937_64 engine(12);
    for (std::size_t size = 0; size < 1500; size += 37) {
      const BitString source = random_bits(engine, size);
      BitString mask = random_bits(engine, size);
      const std::uint64_t density = engine() % 4;
      for (std::uint64_t& word : mask.words())
        word = density == 0 ? 0 : density == 1 ? ~std::uint64_t{0} : word;
      mask.trim();
      BitString expected(mask.count_ones());
      BitString out(mask.count_ones());
      EXPECT_EQ(compress_bits_scalar(source.words(), mask.words(), expected.words()),
                mask.count_ones());
      EXPECT_EQ(compress_bits(source.words(), mask.words(), out.words()), mask.count_ones());
      EXPECT_EQ(out, expected) << size;
      ++compared;
    }
  }
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_GE(compared, 40U);
}

TEST(BitOps, order_is_noticed_at_every_place_on_every_instruction_set) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    for (const std::size_t size : {0U, 1U, 2U, 3U, 16U, 65U, 150U}) {
      std::vector<std::uint32_t> numbers(size);
      for (std::size_t i = 0; i < size; ++i)
        numbers[i] = 0x7fffffc0U + static_cast<std::uint32_t>(i);
      EXPECT_TRUE(is_strictly_increasing(numbers));
      for (std::size_t i = 1; i < size; ++i) {
        std::vector<std::uint32_t> equal = numbers;
        equal[i] = equal[i - 1];
        EXPECT_FALSE(is_strictly_increasing(equal)) << i << " of " << size;
        std::swap(numbers[i], numbers[i - 1]);
        EXPECT_FALSE(is_strictly_increasing(numbers)) << i << " of " << size;
        std::swap(numbers[i], numbers[i - 1]);
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(BitOps, copies_at_any_offset_with_zeros_outside) {
  std::mt19937_64 engine(2);
  const BitString source = random_bits(engine, 320);
  for (std::int64_t offset = -200; offset < 400; offset += 13) {
    BitString out(192);
    copy_bits(source.words(), offset, out.words());
    for (std::size_t i = 0; i < 192; ++i) {
      const std::int64_t from = offset + static_cast<std::int64_t>(i);
      const bool expected = from >= 0 && from < 320 && source[static_cast<std::size_t>(from)];
      ASSERT_EQ(out[i], expected) << offset << " + " << i;
    }
  }
}

TEST(BitOps, parities_of_ranges) {
  std::mt19937_64 engine(3);
  const BitString bits = random_bits(engine, 300);
  const BitString mask = random_bits(engine, 300);
  for (std::size_t begin = 0; begin <= 300; begin += 11) {
    for (std::size_t end = begin; end <= 300; end += 7) {
      bool plain = false;
      bool masked = false;
      for (std::size_t i = begin; i < end; ++i) {
        plain ^= bits[i];
        masked ^= bits[i] && mask[i];
      }
      ASSERT_EQ(range_parity(bits.words(), begin, end), plain) << begin << ".." << end;
      ASSERT_EQ(masked_range_parity(bits.words(), mask.words(), begin, end), masked);
    }
  }
}

TEST(BitOps, transposes_a_matrix_of_bits) {
  std::mt19937_64 engine(4);
  std::array<std::uint64_t, 64> rows{};
  for (std::uint64_t& row : rows) row = engine();
  std::array<std::uint64_t, 64> out = rows;
  transpose_64x64(out);
  for (std::size_t i = 0; i < 64; ++i)
    for (std::size_t j = 0; j < 64; ++j) ASSERT_EQ(out[j] >> i & 1, rows[i] >> j & 1);
}

TEST(PublicExpansion, permutations_are_complete_and_depend_on_seed_and_stream) {
  std::array<std::byte, 32> seed{};
  std::vector<std::vector<std::uint16_t>> drawn;
  for (std::uint64_t stream = 0; stream < 4; ++stream) {
    seed[31] = static_cast<std::byte>(stream / 2);
    PublicExpansion source(seed, stream % 2);
    std::vector<std::uint16_t> order(65536);
    draw_permutation(source, order);
    std::vector<std::uint16_t> sorted = order;
    std::ranges::sort(sorted);
    for (std::size_t i = 0; i < sorted.size(); ++i) ASSERT_EQ(sorted[i], i);
    for (const auto& other : drawn) {
      std::size_t equal = 0;
      for (std::size_t i = 0; i < order.size(); ++i) equal += order[i] == other[i] ? 1U : 0U;
      EXPECT_LT(equal, 15U);  // fixed points of a random permutation: Poisson of mean 1
    }
    drawn.push_back(std::move(order));
  }
}

}  // namespace
}  // namespace quoin
