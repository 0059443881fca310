// Turning a row of small codes into bit planes: plane k holds bit k of every code.
#pragma once

#include <cstdint>
#include <span>

namespace quoin {

// Bit `plane` (0..7) of codes[i] becomes bit i of `words` (bit i mod 64 of word i/64). `words` has
// words_for_bits(codes.size()) words; bits past the end are zero.
void pack_bit_plane(std::span<const std::uint8_t> codes, unsigned plane,
                    std::span<std::uint64_t> words);

// Its vector body: only the words that are full (Highway; see sampling_simd.cpp).
void pack_full_words(std::span<const std::uint8_t> codes, unsigned plane, std::uint64_t* words);

}  // namespace quoin
