#include <algorithm>
#include <array>
#include <bit>

#include "core/check.hpp"
#include "kernels/gf2_fft.hpp"
#include "kernels/gf2_fft_basis.hpp"
#include "kernels/gf2_fft_field.hpp"
#include "kernels/gf2_product.hpp"

namespace quoin {

namespace {

using gf2_fft_field::Multiplication;

// The product of an 8x8 bit matrix with each byte of x. A bit of every byte, times a column, stays
// within its byte.
std::uint64_t apply(std::uint64_t matrix, std::uint64_t x) {
  std::uint64_t sum = 0;
  for (unsigned i = 0; i < 8; ++i)
    sum ^= (x >> i & 0x0101010101010101ULL) * (matrix >> (8 * i) & 0xFF);
  return sum;
}

void add_multiple(const Gf2FftPlanes& planes, std::size_t to, std::size_t from,
                  const Multiplication& m) {
  const std::uint64_t low = planes.low[from];
  const std::uint64_t high = planes.high[from];
  planes.low[to] ^= apply(m.low_from_low, low) ^ apply(m.low_from_high, high);
  planes.high[to] ^= apply(m.high_from_low, low) ^ apply(m.high_from_high, high);
}

void add_value(const Gf2FftPlanes& planes, std::size_t to, std::size_t from) {
  planes.low[to] ^= planes.low[from];
  planes.high[to] ^= planes.high[from];
}

// Blocks of 2^(layer + 1) values: (a, b) -> (a + t b, a + t b + b), or back, with t = w_(start /
// 2^layer).
template <class Butterfly>
void for_layer(std::size_t points, unsigned layer, Butterfly butterfly) {
  const std::size_t half = std::size_t{1} << layer;
  for (std::size_t start = 0; start < points; start += 2 * half) {
    const Multiplication m = gf2_fft_field::multiplication_by(gf2_fft_field::point(start >> layer));
    for (std::size_t i = start; i < start + half; ++i) butterfly(m, i, i + half);
  }
}

void transpose_plane(MutableWordSpan plane) {
  for (std::uint64_t& word : plane) word = gf2_fft_field::transpose_8x8(word);
}

// Words 0..3 of a 256-bit product, modulo X^128 + X^40 + X^24 + X^8 + 1.
void reduce(std::array<std::uint64_t, 4>& w) {
  for (std::size_t i = 3; i >= 2; --i) {
    const std::uint64_t top = w[i];
    w[i - 2] ^= top ^ top << 8 ^ top << 24 ^ top << 40;
    w[i - 1] ^= top >> 56 ^ top >> 40 ^ top >> 24;
  }
}

}  // namespace

void gf2_fft_forward_scalar(const Gf2FftPlanes& out, WordSpan words) {
  const std::size_t points = out.low.size();
  const auto log2_points = static_cast<unsigned>(std::countr_zero(points));
  std::ranges::copy(words, out.low.begin());
  std::ranges::fill(out.low.subspan(words.size()), 0);
  std::ranges::fill(out.high, 0);
  gf2_fft_to_novel_basis(out.low);
  transpose_plane(out.low);
  for (unsigned layer = log2_points; layer-- > 0;) {
    for_layer(points, layer, [&](const Multiplication& m, std::size_t a, std::size_t b) {
      add_multiple(out, a, b, m);
      add_value(out, b, a);
    });
  }
  transpose_plane(out.low);
  transpose_plane(out.high);
}

void gf2_fft_inverse_add_scalar(MutableWordSpan out, std::size_t skip, const Gf2FftPlanes& values) {
  const std::size_t points = values.low.size();
  const auto log2_points = static_cast<unsigned>(std::countr_zero(points));
  transpose_plane(values.low);
  transpose_plane(values.high);
  for (unsigned layer = 0; layer < log2_points; ++layer) {
    for_layer(points, layer, [&](const Multiplication& m, std::size_t a, std::size_t b) {
      add_value(values, b, a);
      add_multiple(values, a, b, m);
    });
  }
  transpose_plane(values.low);
  transpose_plane(values.high);
  gf2_fft_from_novel_basis(values.low);
  gf2_fft_from_novel_basis(values.high);
  for (std::size_t i = 0; i < out.size() && skip + i <= points; ++i) {
    if (skip + i < points) out[i] ^= values.low[skip + i];
    if (skip + i > 0) out[i] ^= values.high[skip + i - 1];
  }
}

void gf2_fft_sum_products_scalar(const Gf2FftPlanes& out, std::span<const Gf2FftView> a,
                                 std::span<const Gf2FftView> b) {
  for (std::size_t e = 0; e < out.low.size(); ++e) {
    std::array<std::uint64_t, 4> sum{};
    for (std::size_t i = 0; i < a.size(); ++i) {
      const std::uint64_t al = a[i].low[e];
      const std::uint64_t ah = a[i].high[e];
      const std::uint64_t bl = b[i].low[e];
      const std::uint64_t bh = b[i].high[e];
      const CarrylessProduct low = carryless_product(al, bl);
      const CarrylessProduct high = carryless_product(ah, bh);
      const CarrylessProduct both = carryless_product(al ^ ah, bl ^ bh);
      sum[0] ^= low.low;
      sum[1] ^= low.high ^ both.low ^ low.low ^ high.low;
      sum[2] ^= high.low ^ both.high ^ low.high ^ high.high;
      sum[3] ^= high.high;
    }
    reduce(sum);
    out.low[e] = sum[0];
    out.high[e] = sum[1];
  }
}

}  // namespace quoin
