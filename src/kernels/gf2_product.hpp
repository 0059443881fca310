// Exact Toeplitz products over GF(2), for privacy amplification: carry-less multiplication under a
// Karatsuba recursion that computes only the rows asked for. Compiled once per instruction set and
// chosen when first called (Highway). Time depends on sizes only. For src/distill.
#pragma once

#include "core/bits.hpp"

namespace quoin {

// Matrices of up to so many words a side are multiplied without recursion (tuned with AVX-512).
constexpr std::size_t gf2_toeplitz_base_words_max = 40;

// Sizes at which the recursion halves evenly down to its base: the smallest N >= words to use.
std::size_t gf2_toeplitz_padded_words(std::size_t words);
// Words of scratch for size N; the caller wipes it, for it holds what the vector holds.
std::size_t gf2_toeplitz_scratch_words(std::size_t size);

// Adds a square Toeplitz matrix times a vector to `out`. With N = out.size() words, a padded size:
// `diagonals` has 2N words, `vector` N; bit i of the result is sum_j diagonals[64N + i - j]
// vector[j], that is words [N, 2N) of the product of the two as polynomials. Bit 0 of `diagonals`
// is not used.
void gf2_toeplitz_add(MutableWordSpan out, WordSpan diagonals, WordSpan vector,
                      MutableWordSpan scratch);

// The same without recursion and without vector instructions, for any N: the twin to test against.
void gf2_toeplitz_add_scalar(MutableWordSpan out, WordSpan diagonals, WordSpan vector);

// The 128-bit carry-less product of two words, without tables or branches.
struct CarrylessProduct {
  std::uint64_t low;
  std::uint64_t high;
};
CarrylessProduct carryless_product(std::uint64_t a, std::uint64_t b);

}  // namespace quoin
