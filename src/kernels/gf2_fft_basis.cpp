#include "kernels/gf2_fft_basis.hpp"

#include <array>
#include <bit>

namespace quoin {

namespace {

// At most 32 divisions for 2^16 coefficients: T(k) = (k - p) + T(p) + T(k - p).
struct Divisions {
  std::array<Gf2FftDivision, 48> all{};
  std::size_t count = 0;
};

Divisions list_divisions(std::size_t size) {
  Divisions out;
  gf2_fft_for_divisions(static_cast<unsigned>(std::countr_zero(size)), 1,
                        [&out](const Gf2FftDivision& d) { out.all[out.count++] = d; });
  return out;
}

void add_run(MutableWordSpan words, std::size_t to, std::size_t from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) words[to + i] ^= words[from + i];
}

// In a block of 2A coefficients, divided by Y^A + Y^B: the top B coefficients fold into the
// quotient's lowest, then the quotient's rest into the remainder. The two sums undo themselves in
// the other order.
void divide(MutableWordSpan words, const Gf2FftDivision& d, bool backwards) {
  const std::size_t a = d.stride << (d.power + d.level);
  const std::size_t b = d.stride << d.level;
  for (std::size_t block = 0; block < words.size(); block += 2 * a) {
    if (backwards) add_run(words, block + b, block + a, a - b);
    add_run(words, block + a, block + 2 * a - b, b);
    if (!backwards) add_run(words, block + b, block + a, a - b);
  }
}

}  // namespace

void gf2_fft_to_novel_basis(MutableWordSpan coefficients) {
  const Divisions divisions = list_divisions(coefficients.size());
  for (std::size_t i = 0; i < divisions.count; ++i) divide(coefficients, divisions.all[i], false);
}

void gf2_fft_from_novel_basis(MutableWordSpan coefficients) {
  const Divisions divisions = list_divisions(coefficients.size());
  for (std::size_t i = divisions.count; i-- > 0;) divide(coefficients, divisions.all[i], true);
}

}  // namespace quoin
