// Block parities, halves and transposes in vectors against their scalar twins, on every instruction
// set that this machine has.
#include "kernels/block_parity.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <random>

#include "kernels/bit_ops.hpp"

namespace quoin {
namespace {

// Calls test() once per instruction set.
template <class Test>
void on_every_target(Test test) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    test();
  }
  hwy::SetSupportedTargetsForTest(0);
}

std::vector<std::uint64_t> random_words(std::mt19937_64& engine, std::size_t count) {
  std::vector<std::uint64_t> out(count);
  for (std::uint64_t& word : out) word = engine();
  return out;
}

TEST(BlockParity, blocks_of_every_size_match_the_scalar_twin) {
  on_every_target([] {
    std::mt19937_64 engine(1);
    for (unsigned log2_block = 0; log2_block <= 6; ++log2_block) {
      for (const std::size_t count : {0U, 1U, 3U, 7U, 8U, 9U, 64U, 129U, 1024U}) {
        const std::vector<std::uint64_t> words = random_words(engine, count);
        std::vector<std::uint64_t> expected(words_for_bits(count * 64 >> log2_block));
        std::vector<std::uint64_t> got(expected.size(), ~std::uint64_t{0});
        block_parities_scalar(words, log2_block, expected);
        block_parities(words, log2_block, got);
        ASSERT_EQ(got, expected) << count << " words, blocks of 2^" << log2_block;
      }
    }
  });
}

TEST(BlockParity, the_scalar_twin_counts_ones) {
  std::mt19937_64 engine(2);
  const std::vector<std::uint64_t> words = random_words(engine, 10);
  for (unsigned log2_block = 0; log2_block <= 6; ++log2_block) {
    std::vector<std::uint64_t> out(words_for_bits(640 >> log2_block));
    block_parities_scalar(words, log2_block, out);
    for (std::size_t b = 0; b < std::size_t{640} >> log2_block; ++b) {
      bool odd = false;
      for (std::size_t i = 0; i < std::size_t{1} << log2_block; ++i)
        odd ^= bit_at(words, (b << log2_block) + i);
      ASSERT_EQ(bit_at(out, b), odd);
    }
  }
}

TEST(BlockParity, halves_match_the_scalar_twin) {
  on_every_target([] {
    std::mt19937_64 engine(3);
    for (const std::size_t count : {0U, 1U, 5U, 8U, 63U, 64U, 65U, 700U}) {
      for (const unsigned half : {1U, 2U, 4U, 8U, 16U, 32U, 63U}) {
        std::vector<std::uint64_t> values = random_words(engine, count);
        std::vector<std::uint64_t> expected(words_for_bits(count));
        std::vector<std::uint64_t> got(expected.size(), ~std::uint64_t{0});
        left_parities_scalar(values, half, expected);
        left_parities(values, half, got);
        ASSERT_EQ(got, expected) << count << " values, halves of " << half;
        const std::vector<std::uint64_t> choice = random_words(engine, expected.size());
        std::vector<std::uint64_t> kept = values;
        keep_halves_scalar(kept, half, choice);
        keep_halves(values, half, choice);
        ASSERT_EQ(values, kept) << count << " values, halves of " << half;
      }
    }
  });
}

TEST(BlockParity, the_transpose_matches_the_scalar_one) {
  on_every_target([] {
    std::mt19937_64 engine(4);
    for (int i = 0; i < 20; ++i) {
      std::array<std::uint64_t, 64> rows{};
      for (std::uint64_t& row : rows) row = engine();
      std::array<std::uint64_t, 64> expected = rows;
      transpose_64x64(expected);
      transpose_64x64_simd(rows);
      ASSERT_EQ(rows, expected);
    }
  });
}

}  // namespace
}  // namespace quoin
