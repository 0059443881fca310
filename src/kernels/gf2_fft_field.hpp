// The field K of the additive FFT (gf2_fft.hpp) and its multiplications as bit matrices. For the
// FFT alone, and its tests. Public constants, no secrets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace quoin::gf2_fft_field {

// z^16 + z^5 + z^3 + z + 1 without its leading term; bit i of an element stands for z^i.
constexpr std::uint16_t modulus_tail = 0x002B;

constexpr std::uint16_t multiply(std::uint16_t a, std::uint16_t b) {
  std::uint16_t product = 0;
  for (unsigned i = 0; i < 16; ++i) {
    if ((b >> i & 1) != 0) product ^= a;
    const bool carries = a >> 15 != 0;
    a = static_cast<std::uint16_t>(a << 1);
    if (carries) a ^= modulus_tail;
  }
  return product;
}

// The Cantor basis: v_0 = 1, v_(i+1)^2 + v_(i+1) = v_i, of the two roots the smaller.
constexpr std::array<std::uint16_t, 16> cantor_basis = {
    0x0001, 0x0732, 0x88AC, 0xA0B6, 0x3872, 0x9EA0, 0x50F2, 0x7874,
    0x1298, 0x0468, 0x0028, 0x0624, 0x88BE, 0xA0B0, 0x3870, 0xEC18};

// w_j: the sum of v_i over the bits i of j. The FFT's point number j.
constexpr std::uint16_t point(std::size_t j) {
  std::uint16_t sum = 0;
  for (unsigned i = 0; i < 16; ++i)
    if ((j >> i & 1) != 0) sum ^= cantor_basis[i];
  return sum;
}

// Multiplication by a constant as four 8x8 bit matrices: low byte of the result = low_from_low *
// (low byte) + low_from_high * (high byte), and so on. Byte i of a matrix is its column i: what bit
// i of the input byte adds to the output byte.
struct Multiplication {
  std::uint64_t low_from_low = 0;
  std::uint64_t low_from_high = 0;
  std::uint64_t high_from_low = 0;
  std::uint64_t high_from_high = 0;
};

constexpr Multiplication multiplication_by(std::uint16_t constant) {
  Multiplication out;
  for (unsigned i = 0; i < 8; ++i) {
    const std::uint64_t from_low = multiply(constant, static_cast<std::uint16_t>(1U << i));
    const std::uint64_t from_high = multiply(constant, static_cast<std::uint16_t>(256U << i));
    out.low_from_low |= (from_low & 0xFF) << (8 * i);
    out.high_from_low |= (from_low >> 8) << (8 * i);
    out.low_from_high |= (from_high & 0xFF) << (8 * i);
    out.high_from_high |= (from_high >> 8) << (8 * i);
  }
  return out;
}

// Transposes an 8x8 bit matrix: bit j of byte i becomes bit i of byte j (Hacker's Delight, 7-3).
constexpr std::uint64_t transpose_8x8(std::uint64_t x) {
  std::uint64_t swapped = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAULL;
  x ^= swapped ^ (swapped << 7);
  swapped = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCULL;
  x ^= swapped ^ (swapped << 14);
  swapped = (x ^ (x >> 28)) & 0x00000000F0F0F0F0ULL;
  return x ^ swapped ^ (swapped << 28);
}

}  // namespace quoin::gf2_fft_field
