// Parities of many small blocks at once, the work of Cascade's first pass, and the transpose that
// turns frames into rows of one word per position. For the cascade files. Each is compiled for
// every instruction set and chosen when first called; the scalar twins are for tests and for
// hardware without vectors. No function branches on or indexes by the bits it is given.
#pragma once

#include <array>
#include <cstdint>

#include "core/bits.hpp"

namespace quoin {

// out bit i <- parity of bits [i * k, (i + 1) * k) of `words`, k = 2^log2_block <= 64. `out` has a
// bit for every block of `words`; bits past them are zero.
void block_parities(WordSpan words, unsigned log2_block, MutableWordSpan out);
void block_parities_scalar(WordSpan words, unsigned log2_block, MutableWordSpan out);

// out bit i <- parity of the low `half` bits of values[i], 0 < half < 64. `out` has
// words_for_bits(values.size()) words; bits past them are zero.
void left_parities(WordSpan values, unsigned half, MutableWordSpan out);
void left_parities_scalar(WordSpan values, unsigned half, MutableWordSpan out);

// Keeps of every value the half that differs: the low `half` bits where bit i of `left_differs` is
// set (what lies above stays and means nothing), else what lies above them.
void keep_halves(MutableWordSpan values, unsigned half, WordSpan left_differs);
void keep_halves_scalar(MutableWordSpan values, unsigned half, WordSpan left_differs);

// As transpose_64x64 of bit_ops.hpp.
void transpose_64x64_simd(std::array<std::uint64_t, 64>& rows);

}  // namespace quoin
