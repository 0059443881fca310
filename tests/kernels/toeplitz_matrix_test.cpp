#include "kernels/toeplitz_matrix.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <random>
#include <vector>

namespace quoin {
namespace {

using Words = std::vector<std::uint64_t>;

Words random_bits(std::mt19937_64& engine, std::size_t bits) {
  Words out(words_for_bits(bits));
  for (std::uint64_t& word : out) word = engine();
  if (bits > 0) out.back() &= last_word_mask(bits);
  return out;
}

// The definition, a column at a time: column j holds diagonals from columns - 1 - j on.
Words reference(const Words& diagonals, std::size_t rows, std::size_t columns, const Words& bits,
                std::size_t first) {
  Words out(words_for_bits(rows));
  for (std::size_t j = 0; j < columns; ++j) {
    if (first + j >= bits.size() * 64 || !bit_at(bits, first + j)) continue;
    for (std::size_t w = 0; w < out.size(); ++w) {
      const std::size_t from = columns - 1 - j + w * 64;
      std::uint64_t word = from / 64 < diagonals.size() ? diagonals[from / 64] >> (from % 64) : 0;
      if (from % 64 > 0 && from / 64 + 1 < diagonals.size())
        word |= diagonals[from / 64 + 1] << (64 - from % 64);
      out[w] ^= word;
    }
  }
  out.back() &= last_word_mask(rows);
  return out;
}

void expect_product(std::mt19937_64& engine, std::size_t rows, std::size_t columns,
                    const ToeplitzPlan& plan) {
  SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(columns) + " columns, 2^" +
               std::to_string(plan.log2_points) + " points");
  const Words diagonals = random_bits(engine, rows + columns - 1);
  const std::size_t first = engine() % 130;
  const Words bits = random_bits(engine, first + columns + engine() % 130);
  Words expected = reference(diagonals, rows, columns, bits, first);
  Words out = random_bits(engine, rows);
  for (std::size_t w = 0; w < out.size(); ++w) expected[w] ^= out[w];
  const ToeplitzMatrix matrix(diagonals, rows, columns, plan);
  matrix.multiply_add(out, bits, first);
  out.back() &= last_word_mask(rows);
  EXPECT_EQ(out, expected);
}

ToeplitzPlan by_fft(unsigned log2_points) { return {ToeplitzMethod::additive_fft, 0, log2_points}; }

TEST(ToeplitzMatrix, both_methods_follow_the_definition_on_every_instruction_set) {
  std::size_t compared = 0;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    std::mt19937_64 engine(5);
    for (int round = 0; round < 20; ++round) {
      const std::size_t rows = 1 + engine() % 9000;
      const std::size_t columns = 1 + engine() % 9000;
      ToeplitzPlan squares = plan_toeplitz(rows, columns);
      squares.method = ToeplitzMethod::karatsuba;
      expect_product(engine, rows, columns, squares);
      expect_product(engine, rows, columns, by_fft(6 + engine() % 4));
      ++compared;
    }
  }
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_GE(compared, 20U);
}

TEST(ToeplitzMatrix, the_smallest_and_the_most_uneven_ones) {
  std::mt19937_64 engine(6);
  for (const std::size_t rows : {1U, 2U, 63U, 64U, 65U, 2048U, 2049U, 20000U}) {
    for (const std::size_t columns : {1U, 2U, 64U, 2047U, 2048U, 2049U, 20000U}) {
      expect_product(engine, rows, columns, plan_toeplitz(rows, columns));
      expect_product(engine, rows, columns, by_fft(6));
    }
  }
}

TEST(ToeplitzMatrix, serves_several_vectors) {
  std::mt19937_64 engine(7);
  constexpr std::size_t rows = 5000;
  constexpr std::size_t columns = 7001;
  const Words diagonals = random_bits(engine, rows + columns - 1);
  const ToeplitzMatrix matrix(diagonals, rows, columns, by_fft(7));
  for (int round = 0; round < 3; ++round) {
    const Words bits = random_bits(engine, columns);
    Words out(words_for_bits(rows));
    matrix.multiply_add(out, bits, 0);
    out.back() &= last_word_mask(rows);
    EXPECT_EQ(out, reference(diagonals, rows, columns, bits, 0)) << round;
  }
}

}  // namespace
}  // namespace quoin
