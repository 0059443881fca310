// Drawing from fixed discrete distributions with integers only: alias tables, rare and frequent
// independent events, exact binomials. Tables are built with + - * / alone, so equal inputs give
// equal tables and equal draws on every CPU. For the simulator.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "kernels/counter_rng.hpp"

namespace quoin {

// One column of Walker's alias method: below the threshold the column itself, else its alias.
struct AliasColumn {
  std::uint64_t threshold = 0;
  std::uint32_t alias = 0;
};
// `size` columns, each of `column_mass`, for at most `size` weights, non-negative and not all zero;
// they need not sum to 1. size * column_mass < 2^64. A full column is its own alias.
std::vector<AliasColumn> alias_columns(std::span<const double> weights, std::size_t size,
                                       std::uint64_t column_mass);

// What a stream of random words is for, where one drawing needs several.
struct SlotDraw {
  const CounterKey* key = nullptr;
  std::uint16_t domain = 0;  // this one and the next belong to the drawing
  std::uint64_t index = 0;
};

// Which of 2^16 slots something happened in.
struct SlotMask {
  static constexpr std::size_t slot_count = std::size_t{1} << 16;
  static constexpr std::size_t word_count = slot_count / 64;

  alignas(64) std::array<std::uint64_t, word_count> words{};

  bool operator[](std::size_t slot) const { return (words[slot / 64] >> (slot % 64) & 1) != 0; }
  void set(std::size_t slot) { words[slot / 64] |= std::uint64_t{1} << (slot % 64); }
  std::size_t count_ones() const;
  // out[w] <- ones in the words before w; out has word_count entries.
  void count_before(std::span<std::uint16_t> out) const;
  // The first one at or behind `slot`, or slot_count.
  std::size_t next_one(std::size_t slot) const;
  // The last one before `slot`, or slot_count when there is none.
  std::size_t last_one_before(std::size_t slot) const;
  void clear_range(std::size_t first, std::size_t end);
};

// Independent events of probability p per slot by the gaps between them, for rare events.
class GapSampler {
 public:
  // A gap is at least the number drawn; when that is `overflow`, draw again and add. Gaps are
  // memoryless.
  static constexpr std::uint64_t overflow = 1023;

  explicit GapSampler(double event_probability);  // clamped to 0..1
  // How many slots pass before the next event.
  std::uint64_t draw(std::uint64_t word) const {
    const std::uint64_t own = word & overflow;
    const std::uint64_t column = columns_[own];
    return word >> 11 < column >> 11 ? own : column & overflow;
  }
  // The events among `slots` <= 2^16 slots, in order; returns how many. `places` has room for one
  // more than `slots`.
  std::size_t draw_places(const CounterStream& stream, std::size_t slots,
                          std::span<std::uint16_t> places) const;

 private:
  std::vector<std::uint64_t> columns_;  // threshold of 2^53 above 11 bits of alias
};

// Which of 2^16 slots have an independent event of probability p: rare events are found by the gaps
// between them, frequent ones by a threshold per slot; which of both depends on p alone.
// Probabilities are exact to 2^-60.
class SlotSampler {
 public:
  explicit SlotSampler(double event_probability);  // clamped to 0..1

  // True below 1 %.
  bool is_rare() const { return gaps_.has_value(); }
  // For rare events, as GapSampler::draw_places.
  std::size_t draw_places(const SlotDraw& draw, std::span<std::uint16_t> places) const;
  // For frequent ones; returns how many.
  std::size_t draw_mask(const SlotDraw& draw, SlotMask& mask) const;

 private:
  std::uint64_t threshold_;  // of 2^64
  std::optional<GapSampler> gaps_;
};

// p as a fraction of 2^64, rounded down; p <= 0 gives 0, p >= 1 the largest.
std::uint64_t binary_fraction(double p);

// Draws from at most 128 outcomes, many at once.
class CodeTable {
 public:
  static constexpr std::size_t size = 128;
  static constexpr std::size_t codes_at_once = 64;

  // As alias_columns. Probabilities are exact to 2^-60.
  explicit CodeTable(std::span<const double> weights);
  // The first out.size() draws of the unit draw.index. `out` has room for a multiple of
  // codes_at_once beyond its end.
  void draw(const SlotDraw& draw, std::span<std::uint8_t> out) const;
  // Probability of an outcome as the integers give it, for tests.
  double probability(std::size_t outcome) const;

 private:
  std::vector<AliasColumn> columns_;
  alignas(64) std::array<std::uint8_t, size> high_;  // the threshold's first 8 of 53 bits
  alignas(64) std::array<std::uint8_t, size> low_;   // the next 8
  alignas(64) std::array<std::uint8_t, size> alias_;
};

// Binomial(n, p) for any n up to 2^20 in about log2(n) table look-ups: a sum of independent
// Binomial(2^k, p) over the bits of n. Each table leaves out what is less likely than 2^-60 of its
// mode.
class BinomialSampler {
 public:
  explicit BinomialSampler(double p);  // 0 <= p <= 1
  std::uint64_t draw(CounterRng& rng, std::uint64_t n) const;

 private:
  struct Table {
    std::uint32_t least = 0;             // the outcome of column 0
    std::vector<std::uint64_t> columns;  // threshold of 2^48 above 16 bits of alias; a power of two
  };
  static Table make_table(double p, unsigned log2_n);
  static constexpr unsigned tables = 16;

  std::array<Table, tables> tables_;
};

// Multinomial(n; weights), by binomials in the order of `weights` (at least one positive).
class MultinomialSampler {
 public:
  explicit MultinomialSampler(std::span<const double> weights);
  // counts.size() is the number of weights; n as for BinomialSampler.
  void draw(CounterRng& rng, std::uint64_t n, std::span<std::uint64_t> counts) const;

 private:
  std::size_t last_ = 0;  // of positive weight
  std::vector<BinomialSampler> parts_;
};

// A byte per slot of a mask.
using SlotCodes = std::array<std::uint8_t, SlotMask::slot_count>;

// Spreads codes over slots: the k-th one of `mask` gets codes[k], every other slot gets 0. `codes`
// can be read 64 bytes beyond its end.
void spread_codes(const SlotMask& mask, const std::uint8_t* codes, SlotCodes& slots);

// The inverse: for the ones of `mask`, in order, first_offset (modulo 2^32) plus the place, and the
// code in `slots`. Both outputs have room for 64 entries more than there are ones; returns those.
std::size_t gather_events(const SlotMask& mask, const SlotCodes& slots, std::uint32_t first_offset,
                          std::uint32_t* offsets, std::uint8_t* codes);

// A keyed permutation of 0..n-1, n <= 2^16: rounds of odd multiplication, addition and xor-shift,
// walked until the value is below n. Random access into a random order; statistical quality only.
class PlacePermutation {
 public:
  PlacePermutation(const CounterStream& stream, std::size_t n);
  std::size_t operator()(std::size_t place) const;
  // out[i] <- (*this)(i) for all i; out has 2^16 entries, of which the first n are set.
  void apply_to_all(std::span<std::uint16_t> out) const;

 private:
  static constexpr std::size_t rounds = 6;
  struct Round {
    std::uint16_t factor;
    std::uint16_t addend;
  };
  static std::uint16_t mix_once(std::uint16_t x, const Round& round) {
    const auto turned = static_cast<std::uint16_t>(unsigned{x} * round.factor + round.addend);
    return static_cast<std::uint16_t>(turned ^ turned >> 7);
  }
  std::uint16_t mix(std::uint16_t x) const;

  std::array<Round, rounds> rounds_;
  std::size_t n_;
};

// Adds to counts[c] how many of `codes` have c = code & 15. counts has 16 entries.
void count_low_nibbles(std::span<const std::uint8_t> codes, std::span<std::uint64_t, 16> counts);

// Bodies of the above, scalar and by vectors (Highway), for sampling.cpp and the tests that compare
// both.
namespace sampling_bodies {

struct CodeColumns {
  const std::uint8_t* high;  // each of 128 bytes
  const std::uint8_t* low;
  const std::uint8_t* alias;
};
// Per 64 codes: 64 columns, 64 high bytes, 64 low bytes of `random`. Bit i of undecided[g]: the 16
// bits of code 64 g + i equal the threshold's.
void draw_codes_scalar(const CodeColumns& columns, std::span<const std::uint64_t> random,
                       std::uint8_t* codes, std::uint64_t* undecided);
void draw_codes_simd(const CodeColumns& columns, std::span<const std::uint64_t> random,
                     std::uint8_t* codes, std::uint64_t* undecided);
// Per 64 slots: bit i of below[g] and equal[g] compare the i-th 16 bits with `threshold`.
void mark_below_scalar(std::span<const std::uint64_t> random, std::uint16_t threshold,
                       std::uint64_t* below, std::uint64_t* equal);
void mark_below_simd(std::span<const std::uint64_t> random, std::uint16_t threshold,
                     std::uint64_t* below, std::uint64_t* equal);
void spread_codes_scalar(std::span<const std::uint64_t> mask, const std::uint8_t* codes,
                         std::uint8_t* slots);
void spread_codes_simd(std::span<const std::uint64_t> mask, const std::uint8_t* codes,
                       std::uint8_t* slots);
std::size_t gather_events_scalar(std::span<const std::uint64_t> mask, const std::uint8_t* slots,
                                 std::uint32_t first_offset, std::uint32_t* offsets,
                                 std::uint8_t* codes);
std::size_t gather_events_simd(std::span<const std::uint64_t> mask, const std::uint8_t* slots,
                               std::uint32_t first_offset, std::uint32_t* offsets,
                               std::uint8_t* codes);
std::size_t count_ones_simd(std::span<const std::uint64_t> words);
void count_before_simd(std::span<const std::uint64_t> words, std::uint16_t* out);
void count_low_nibbles_simd(std::span<const std::uint8_t> codes,
                            std::span<std::uint64_t, 16> counts);

}  // namespace sampling_bodies

}  // namespace quoin
