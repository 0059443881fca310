// Drawing from fixed discrete distributions with integers only: alias tables, gaps between rare
// events, exact binomials. Tables are built with + - * / alone, so equal inputs give equal tables
// and equal draws on every CPU. For the simulator.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/counter_rng.hpp"

namespace quoin {

// Walker's alias method over 2^log2_size outcomes: one 64-bit word per draw, whose low bits choose
// a column and whose top 53 bits decide it. Probabilities are exact to 2^-53 / 2^log2_size.
template <std::size_t log2_size>
class AliasTable {
 public:
  static_assert(log2_size <= 10, "the column and the 53-bit threshold share one word");
  static constexpr std::size_t size = std::size_t{1} << log2_size;

  // Weights: at most `size`, non-negative, not all zero; they need not sum to 1.
  explicit AliasTable(std::span<const double> weights);

  std::uint32_t draw(std::uint64_t word) const {
    const Column& column = columns_[word & (size - 1)];
    const auto own = static_cast<std::uint32_t>(word & (size - 1));
    return (word >> 11) < column.threshold ? own : column.alias;
  }
  // Probability of an outcome as the integers give it, for tests.
  double probability(std::size_t outcome) const;

 private:
  struct Column {
    std::uint64_t threshold = 0;  // of 2^53
    std::uint32_t alias = 0;
  };
  std::array<Column, size> columns_;
};

extern template class AliasTable<7>;
extern template class AliasTable<10>;

// Positions of independent events of probability p per slot.
class GapSampler {
 public:
  explicit GapSampler(double event_probability);

  // Writes the events of slots [0, slots) in order to `positions` (room for `slots` entries) and
  // returns how many. slots <= 2^16.
  std::size_t draw_positions(CounterRng& rng, std::uint32_t slots,
                             std::span<std::uint16_t> positions) const;

 private:
  // The last outcome says "no event in the next overflow slots, draw again": gaps are memoryless.
  static constexpr std::uint32_t overflow = AliasTable<10>::size - 1;
  AliasTable<10> gaps_;
};

// Exact Binomial(n, p / 2^64): compares n random binary fractions with p, bit plane by bit plane,
// so about 2n random bits are used.
std::uint64_t draw_binomial(CounterRng& rng, std::uint64_t n, std::uint64_t p);

// Exact Multinomial(n; weights), by binomials in the order of `weights` (at least one positive).
std::vector<std::uint64_t> draw_multinomial(CounterRng& rng, std::uint64_t n,
                                            std::span<const double> weights);

}  // namespace quoin
