// Between the powers of Y and the basis of the additive FFT: products of the s_i, where bit i of a
// coefficient's number says whether s_i is among them and s_i vanishes on the first 2^i points.
// XORs of whole words. For gf2_fft alone. The plain versions; gf2_fft.cpp has them in vectors.
#pragma once

#include "core/bits.hpp"

namespace quoin {

// In place; size a power of two, at most 2^16.
void gf2_fft_to_novel_basis(MutableWordSpan coefficients);
void gf2_fft_from_novel_basis(MutableWordSpan coefficients);

// One step of the way: pairs of ranges to add, for vectors as for words. Blocks of 2^(power + level
// + 1) coefficients (each a run of `stride` words) are divided by s_power^(2^level) = Y^(2^(power +
// level)) + Y^(2^level) (power is a power of two, so s_power has two terms).
struct Gf2FftDivision {
  unsigned power;
  unsigned level;
  std::size_t stride;  // words from one coefficient to the next
};

// Calls visit(Gf2FftDivision) in the order of the conversion to the new basis, for 2^log2_size
// coefficients of `stride` words. Gao, Mateer, IV: a polynomial is expanded in powers of s_power,
// then its coefficients, and the powers themselves, as polynomials in s_power, are converted.
template <class Visit>
void gf2_fft_for_divisions(unsigned log2_size, std::size_t stride, Visit&& visit) {
  if (log2_size < 2) return;
  unsigned power = 1;
  while (2 * power < log2_size) power *= 2;
  for (unsigned level = log2_size - power; level-- > 0;)
    visit(Gf2FftDivision{power, level, stride});
  gf2_fft_for_divisions(power, stride, visit);
  gf2_fft_for_divisions(log2_size - power, stride << power, visit);
}

}  // namespace quoin
