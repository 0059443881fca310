// Multiplication of long polynomials over GF(2) by an additive FFT, exact, for privacy
// amplification (src/distill). Time depends on sizes only, never on the bits.
//
// A polynomial in X over GF(2) is cut into words: f = sum_j f_j(X) Y^j with Y = X^64. Its
// coefficients are taken in the ring A = GF(2)[X] / (X^128 + X^40 + X^24 + X^8 + 1), where a
// product of two words, of degree 126 at most, is still exact. With z = X^8 the modulus is z^16 +
// z^5 + z^3 + z + 1, which is irreducible: A holds the field K = GF(2)[z] of 2^16 elements and is
// the K-algebra K[X] / (X^8 - z), so f can be evaluated at the points of K by the FFT of Lin, Chung
// and Han (FOCS 2014, 316) over a Cantor basis (Gao, Mateer, IEEE Trans. IT 56 (2010) 6265). An
// element of A is eight coordinates over K; seen so, an element's coordinates are an 8x8 bit
// transpose of its polynomial form, and a multiplication by a constant of K is a 16x16 bit matrix
// that serves all eight.
//
// A transform of N points is two planes of N words: bits 0..63 and 64..127 of each value.
#pragma once

#include <span>

#include "core/bits.hpp"

namespace quoin {

constexpr unsigned gf2_fft_log2_points_min = 6;
constexpr unsigned gf2_fft_log2_points_max = 16;

// Values at the N points of a transform, or at a run of them.
struct Gf2FftView {
  WordSpan low;
  WordSpan high;
};
struct Gf2FftPlanes {
  MutableWordSpan low;
  MutableWordSpan high;
};

// The transform of the polynomial with coefficient words `words` (at most N), on the best
// instruction set of this machine. N = out.low.size() is a power of two within the limits above.
void gf2_fft_forward(const Gf2FftPlanes& out, WordSpan words);

// Adds to `out` the polynomial with these values: word j of the sum of f_j X^(64 j), whose
// coefficients f_j have two words each, so N + 1 words; what lies past out.size() is left out, and
// so are the first `skip` words: out[i] is word skip + i. `values` are used up.
void gf2_fft_inverse_add(MutableWordSpan out, std::size_t skip, const Gf2FftPlanes& values);

// out = sum_i a[i] * b[i], value by value; all of one length, a multiple of 8, with a.size() ==
// b.size(). `out` is not one of the factors.
void gf2_fft_sum_products(const Gf2FftPlanes& out, std::span<const Gf2FftView> a,
                          std::span<const Gf2FftView> b);

// The same in plain C++: the twins to test against, and what runs where there are no vectors.
void gf2_fft_forward_scalar(const Gf2FftPlanes& out, WordSpan words);
void gf2_fft_inverse_add_scalar(MutableWordSpan out, std::size_t skip, const Gf2FftPlanes& values);
void gf2_fft_sum_products_scalar(const Gf2FftPlanes& out, std::span<const Gf2FftView> a,
                                 std::span<const Gf2FftView> b);

}  // namespace quoin
