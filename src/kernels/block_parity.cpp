#include "kernels/block_parity.hpp"

#include <hwy/base.h>

#include <algorithm>

#include "kernels/bit_ops.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/block_parity.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quoin::block_parity {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// At most eight words a vector: a mask of lanes is a byte or less.
using Wide = hn::CappedTag<std::uint64_t, 8>;

// The parity of every word, in its lowest bit; the other bits are undefined.
template <class V>
HWY_INLINE V parity_in_lowest_bit(V v) {
#if HWY_TARGET <= HWY_AVX3_DL
  return hn::PopulationCount(v);
#else
  v = hn::Xor(v, hn::ShiftRight<32>(v));
  v = hn::Xor(v, hn::ShiftRight<16>(v));
  v = hn::Xor(v, hn::ShiftRight<8>(v));
  v = hn::Xor(v, hn::ShiftRight<4>(v));
  v = hn::Xor(v, hn::ShiftRight<2>(v));
  return hn::Xor(v, hn::ShiftRight<1>(v));
#endif
}

// The lowest bit of every word, side by side.
template <class V>
HWY_INLINE std::uint64_t lowest_bits(Wide d, V v) {
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, hn::TestBit(v, hn::Set(d, 1)), bytes);
  return bytes[0];
}

// Folds every block of 2^log2_block bits onto its lowest bit, then moves these side by side.
template <class V>
HWY_INLINE V packed_block_parities(Wide d, V v, unsigned log2_block) {
  for (unsigned log2_half = log2_block; log2_half-- > 0;) {
    const unsigned half = 1U << log2_half;
    v = hn::Xor(v, hn::ShiftRightSame(v, static_cast<int>(half)));
  }
  const std::uint64_t kept = ~std::uint64_t{0} / last_word_mask(std::size_t{1} << log2_block);
  v = hn::And(v, hn::Set(d, kept));
  // Groups of `bits` results lie 2^log2_gap apart; each step joins two of them.
  unsigned bits = 1;
  for (unsigned log2_gap = log2_block; log2_gap < 6; ++log2_gap, bits *= 2) {
    const unsigned gap = 1U << log2_gap;
    v = hn::Or(v, hn::ShiftRightSame(v, static_cast<int>(gap - bits)));
    const std::uint64_t low = last_word_mask(std::size_t{2} * bits);
    const std::uint64_t mask =
        log2_gap == 5 ? low : low * (~std::uint64_t{0} / ((std::uint64_t{1} << (2 * gap)) - 1));
    v = hn::And(v, hn::Set(d, mask));
  }
  return v;
}

void block_parities(WordSpan words, unsigned log2_block, MutableWordSpan out) {
  const Wide d;
  const std::size_t lanes = hn::Lanes(d);
  std::fill(out.begin(), out.end(), 0);
  const unsigned bits = 64U >> log2_block;
  alignas(64) std::uint64_t packed[hn::MaxLanes(Wide())];
  std::size_t at = 0;
  for (std::size_t w = 0; w < words.size(); w += lanes) {
    const std::size_t used = std::min(lanes, words.size() - w);
    const auto v = hn::LoadN(d, words.data() + w, used);
    if (log2_block == 6) {
      const std::uint64_t low = lowest_bits(d, parity_in_lowest_bit(v));
      out[at / 64] |= low << (at % 64);
      at += used;
      continue;
    }
    hn::Store(packed_block_parities(d, v, log2_block), d, packed);
    for (std::size_t i = 0; i < used; ++i, at += bits) out[at / 64] |= packed[i] << (at % 64);
  }
}

void left_parities(WordSpan values, unsigned half, MutableWordSpan out) {
  const Wide d;
  const std::size_t lanes = hn::Lanes(d);
  const auto low = hn::Set(d, (std::uint64_t{1} << half) - 1);
  std::fill(out.begin(), out.end(), 0);
  for (std::size_t i = 0; i < values.size(); i += lanes) {
    const auto v = hn::LoadN(d, values.data() + i, std::min(lanes, values.size() - i));
    out[i / 64] |= lowest_bits(d, parity_in_lowest_bit(hn::And(v, low))) << (i % 64);
  }
}

void keep_halves(MutableWordSpan values, unsigned half, WordSpan left_differs) {
  const Wide d;
  const std::size_t lanes = hn::Lanes(d);
  for (std::size_t i = 0; i < values.size(); i += lanes) {
    const std::size_t used = std::min(lanes, values.size() - i);
    const auto v = hn::LoadN(d, values.data() + i, used);
    const std::uint64_t bits = left_differs[i / 64] >> (i % 64);
    std::uint8_t bytes[8] = {static_cast<std::uint8_t>(bits)};
    const auto is_left = hn::LoadMaskBits(d, bytes);
    const auto kept = hn::IfThenElse(is_left, v, hn::ShiftRightSame(v, static_cast<int>(half)));
    hn::StoreN(kept, d, values.data() + i, used);
  }
}

// One step of the transpose within vectors: every row meets the row `half` away from it, whose
// index differs in one bit.
template <unsigned half, class V>
HWY_INLINE V step_within(Wide d, V v, V partner, std::uint64_t mask) {
  const auto lane = hn::Iota(d, 0);
  const auto is_upper = hn::TestBit(lane, hn::Set(d, half));
  const auto moved =
      hn::IfThenElse(is_upper, hn::ShiftRight<half>(partner), hn::ShiftLeft<half>(partner));
  const auto taken = hn::IfThenElse(is_upper, hn::Set(d, mask), hn::Set(d, mask << half));
  return hn::BitwiseIfThenElse(taken, moved, v);
}

HWY_INLINE void step_across(Wide d, std::uint64_t* rows, unsigned half, std::uint64_t mask) {
  const auto kept = hn::Set(d, mask);
  const int shift = static_cast<int>(half);
  for (std::size_t i = 0; i < 64; i += 2 * half) {
    for (std::size_t k = i; k < i + half; k += hn::Lanes(d)) {
      const auto upper = hn::LoadU(d, rows + k);
      const auto lower = hn::LoadU(d, rows + k + half);
      const auto swapped = hn::And(hn::Xor(hn::ShiftRightSame(upper, shift), lower), kept);
      hn::StoreU(hn::Xor(upper, hn::ShiftLeftSame(swapped, shift)), d, rows + k);
      hn::StoreU(hn::Xor(lower, swapped), d, rows + k + half);
    }
  }
}

void transpose(std::uint64_t* rows) {
#if HWY_TARGET == HWY_SCALAR
  std::array<std::uint64_t, 64> copy;
  std::copy(rows, rows + 64, copy.begin());
  transpose_64x64(copy);
  std::copy(copy.begin(), copy.end(), rows);
#else
  const Wide d;
  const std::size_t lanes = hn::Lanes(d);
  step_across(d, rows, 32, 0x00000000FFFFFFFFULL);
  step_across(d, rows, 16, 0x0000FFFF0000FFFFULL);
  step_across(d, rows, 8, 0x00FF00FF00FF00FFULL);
  if (lanes < 8) step_across(d, rows, 4, 0x0F0F0F0F0F0F0F0FULL);
  if (lanes < 4) step_across(d, rows, 2, 0x3333333333333333ULL);
  for (std::size_t i = 0; i < 64; i += lanes) {
    auto v = hn::LoadU(d, rows + i);
    if constexpr (hn::MaxLanes(Wide()) >= 8)
      v = step_within<4>(d, v, hn::Reverse4(d, hn::Reverse8(d, v)), 0x0F0F0F0F0F0F0F0FULL);
    if constexpr (hn::MaxLanes(Wide()) >= 4)
      v = step_within<2>(d, v, hn::Reverse2(d, hn::Reverse4(d, v)), 0x3333333333333333ULL);
    v = step_within<1>(d, v, hn::Reverse2(d, v), 0x5555555555555555ULL);
    hn::StoreU(v, d, rows + i);
  }
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace quoin::block_parity
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quoin {
namespace block_parity {

HWY_EXPORT(block_parities);
HWY_EXPORT(left_parities);
HWY_EXPORT(keep_halves);
HWY_EXPORT(transpose);

}  // namespace block_parity

namespace {

// By folding: a count of ones may be a table lookup, whose timing tells the bits.
std::uint64_t parity_of(std::uint64_t word) {
  return static_cast<std::uint64_t>(__builtin_parityll(word));
}

void check_blocks(WordSpan words, unsigned log2_block, MutableWordSpan out) {
  QUOIN_INVARIANT(log2_block <= 6 && out.size() == words_for_bits(words.size() * 64 >> log2_block),
                  "block parities: a bit per block of at most 64 bits");
}

void check_halves(std::size_t values, unsigned half, std::size_t bit_words) {
  QUOIN_INVARIANT(half > 0 && half < 64 && bit_words == words_for_bits(values),
                  "halves of words: a bit per value");
}

}  // namespace

void block_parities(WordSpan words, unsigned log2_block, MutableWordSpan out) {
  using namespace block_parity;
  check_blocks(words, log2_block, out);
  HWY_DYNAMIC_DISPATCH(block_parities)(words, log2_block, out);
}

void block_parities_scalar(WordSpan words, unsigned log2_block, MutableWordSpan out) {
  check_blocks(words, log2_block, out);
  const std::size_t k = std::size_t{1} << log2_block;
  const std::uint64_t low = k == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << k) - 1;
  std::fill(out.begin(), out.end(), 0);
  for (std::size_t b = 0; b < words.size() * 64 / k; ++b)
    out[b / 64] |= parity_of(words[b * k / 64] >> (b * k % 64) & low) << (b % 64);
}

void left_parities(WordSpan values, unsigned half, MutableWordSpan out) {
  using namespace block_parity;
  check_halves(values.size(), half, out.size());
  HWY_DYNAMIC_DISPATCH(left_parities)(values, half, out);
}

void left_parities_scalar(WordSpan values, unsigned half, MutableWordSpan out) {
  check_halves(values.size(), half, out.size());
  std::fill(out.begin(), out.end(), 0);
  for (std::size_t i = 0; i < values.size(); ++i)
    out[i / 64] |= parity_of(values[i] << (64 - half)) << (i % 64);
}

void keep_halves(MutableWordSpan values, unsigned half, WordSpan left_differs) {
  using namespace block_parity;
  check_halves(values.size(), half, left_differs.size());
  HWY_DYNAMIC_DISPATCH(keep_halves)(values, half, left_differs);
}

void keep_halves_scalar(MutableWordSpan values, unsigned half, WordSpan left_differs) {
  check_halves(values.size(), half, left_differs.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] >>= bit_at(left_differs, i) ? 0 : half;
}

void transpose_64x64_simd(std::array<std::uint64_t, 64>& rows) {
  using namespace block_parity;
  HWY_DYNAMIC_DISPATCH(transpose)(rows.data());
}

}  // namespace quoin
#endif
