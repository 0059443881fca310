// Word-wise work on bit strings: select by mask, copy at any offset, parities, transposes. For
// every layer above. No function here branches on or indexes by the bits it is given, except by
// masks and offsets, which are public. Bits past the end of an output's last word are zero.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/bits.hpp"

namespace quoin {

// Appends to `out` the bits of `source` where `mask` is set, in order; returns their number.
// `source` has as many words as `mask`; `out` has room for popcount(mask) bits and starts zeroed.
std::size_t compress_bits(WordSpan source, WordSpan mask, MutableWordSpan out);
// The same without special instructions: the twin to test against.
std::size_t compress_bits_scalar(WordSpan source, WordSpan mask, MutableWordSpan out);

// Whether every number is greater than the one before.
bool is_strictly_increasing(std::span<const std::uint32_t> numbers);

// Bits of `source` at positions [offset, offset + 64), where bits outside the source are zero.
// Offsets may be negative.
std::uint64_t word_at_bit(WordSpan source, std::int64_t offset);

// out words <- bits of `source` from `offset` on; zero where the source has none.
void copy_bits(WordSpan source, std::int64_t offset, MutableWordSpan out);

// Parity of bits [begin, end) of `bits`.
bool range_parity(WordSpan bits, std::size_t begin, std::size_t end);
// Parity of the bits in [begin, end) where `mask` is set.
bool masked_range_parity(WordSpan bits, WordSpan mask, std::size_t begin, std::size_t end);

// Number of bits set in both, or in the first and not in the second; of one length. Counting may
// use a table where the machine has no instruction for it: for public bits.
std::size_t count_and(WordSpan a, WordSpan b);
std::size_t count_and_not(WordSpan a, WordSpan b);

// Transposes the 64x64 bit matrix whose row i is rows[i]: bit j of row i becomes bit i of row j.
void transpose_64x64(std::array<std::uint64_t, 64>& rows);

// out bit i <- bit source_index[i] of `source`: the slow, simple way.
void gather_bits(WordSpan source, std::span<const std::uint16_t> source_index, MutableWordSpan out);

}  // namespace quoin
