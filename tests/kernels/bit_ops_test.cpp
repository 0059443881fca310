#include "kernels/bit_ops.hpp"

#include <gtest/gtest.h>

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
