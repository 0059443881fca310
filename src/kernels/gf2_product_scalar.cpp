#include "kernels/gf2_product.hpp"

#include <array>

namespace quoin {

namespace {

constexpr std::size_t base_words_max = gf2_toeplitz_base_words_max;
// The base case keeps a padded copy of the diagonals and its result, in whole vectors.
constexpr std::size_t vector_words_max = 8;

// The low half of the carry-less product, by integer products of numbers with three zero bits
// between their digits: the carries stay in the gaps (T. Pornin, BearSSL, ghash_ctmul64).
std::uint64_t low_product(std::uint64_t x, std::uint64_t y) {
  constexpr std::uint64_t every_fourth = 0x1111111111111111ULL;
  std::array<std::uint64_t, 4> a{};
  std::array<std::uint64_t, 4> b{};
  for (std::size_t i = 0; i < 4; ++i) {
    a[i] = x & (every_fourth << i);
    b[i] = y & (every_fourth << i);
  }
  std::uint64_t out = 0;
  for (std::size_t digit = 0; digit < 4; ++digit) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < 4; ++i) sum ^= a[i] * b[(digit + 4 - i) % 4];
    out |= sum & (every_fourth << digit);
  }
  return out;
}

std::uint64_t reversed(std::uint64_t x) {
  const auto swap = [&x](unsigned step, std::uint64_t mask) {
    x = (x & mask) << step | (x >> step & mask);
  };
  swap(1, 0x5555555555555555ULL);
  swap(2, 0x3333333333333333ULL);
  swap(4, 0x0F0F0F0F0F0F0F0FULL);
  swap(8, 0x00FF00FF00FF00FFULL);
  swap(16, 0x0000FFFF0000FFFFULL);
  return x << 32 | x >> 32;
}

}  // namespace

CarrylessProduct carryless_product(std::uint64_t a, std::uint64_t b) {
  // The high half is the low half of the mirrored product, which has 127 digits.
  return {low_product(a, b), reversed(low_product(reversed(a), reversed(b))) >> 1};
}

std::size_t gf2_toeplitz_padded_words(std::size_t words) {
  unsigned halvings = 0;
  while ((words + (std::size_t{1} << halvings) - 1) >> halvings > base_words_max) ++halvings;
  const std::size_t base = (words + (std::size_t{1} << halvings) - 1) >> halvings;
  return base << halvings;
}

std::size_t gf2_toeplitz_scratch_words(std::size_t size) {
  std::size_t total = 0;
  for (; size > base_words_max && size % 2 == 0; size /= 2) total += size / 2 * 5;
  return total + 3 * size + 3 * vector_words_max;
}

void gf2_toeplitz_add_scalar(MutableWordSpan out, WordSpan diagonals, WordSpan vector) {
  const std::size_t size = out.size();
  for (std::size_t j = 0; j < size; ++j) {
    for (std::size_t k = 0; k <= size; ++k) {
      // diagonals[size - 1 + k - j] * vector[j] touches rows k - 1 (low half) and k (high half).
      const CarrylessProduct product = carryless_product(diagonals[size - 1 + k - j], vector[j]);
      if (k > 0) out[k - 1] ^= product.low;
      if (k < size) out[k] ^= product.high;
    }
  }
}

}  // namespace quoin
