#include "distill/amplify.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/bit_ops.hpp"
#include "kernels/gf2_product.hpp"

namespace quoin {

namespace {

// The Toeplitz part has m rows and c columns; it is cut into squares, for which the product is
// fast. One side may not divide by the other: the cheapest square by the cost of the recursion,
// three products of half the size, wins.
std::size_t choose_square_words(std::size_t row_words, std::size_t column_words) {
  const double exponent = std::log2(3.0);
  std::size_t best = 0;
  double best_cost = std::numeric_limits<double>::infinity();
  for (std::size_t parts = 1; parts <= 16; ++parts) {
    for (const std::size_t side : {row_words, column_words}) {
      const std::size_t square = gf2_toeplitz_padded_words((side + parts - 1) / parts);
      const std::size_t tiles =
          ((row_words + square - 1) / square) * ((column_words + square - 1) / square);
      const double cost =
          static_cast<double>(tiles) * std::pow(static_cast<double>(square), exponent);
      if (cost < best_cost) {
        best_cost = cost;
        best = square;
      }
    }
  }
  return best;
}

// Adds T x2 to `out`, whose m bits are whole words but for the last.
void add_toeplitz_part(MutableWordSpan out, WordSpan key, const BitString& seed, std::size_t m,
                       std::size_t c) {
  const std::size_t square = choose_square_words(words_for_bits(m), words_for_bits(c));
  const std::size_t square_bits = square * 64;
  std::vector<std::uint64_t> diagonals(2 * square);
  SecretBits column = SecretBits::zeroed(square_bits);
  SecretBits rows = SecretBits::zeroed(square_bits);
  SecretBits scratch = SecretBits::zeroed(gf2_toeplitz_scratch_words(square) * 64);
  const MutableWordSpan row_words = rows.expose_secret_mutable();
  for (std::size_t row = 0; row < m; row += square_bits) {
    std::ranges::fill(row_words, 0);
    for (std::size_t at = 0; at < c; at += square_bits) {
      // Row i and column j of this square meet at seed bit (row + i) - (at + j) + c - 1.
      const auto first = static_cast<std::int64_t>(row + c) - static_cast<std::int64_t>(at + 1) -
                         static_cast<std::int64_t>(square_bits);
      copy_bits(seed.words(), first, diagonals);
      copy_bits(key, static_cast<std::int64_t>(m + at), column.expose_secret_mutable());
      gf2_toeplitz_add(row_words, diagonals, column.expose_secret(),
                       scratch.expose_secret_mutable());
    }
    const MutableWordSpan target = out.subspan(row / 64);
    for (std::size_t w = 0; w < std::min(square, target.size()); ++w) target[w] ^= row_words[w];
  }
}

}  // namespace

std::size_t amplification_seed_bits(std::size_t key_bits, std::size_t secret_bits) {
  static_cast<void>(secret_bits);
  return key_bits == 0 ? 0 : key_bits - 1;
}

Result<SecretKey> amplify(VerifiedKey&& key, const BitString& seed, std::uint64_t secret_bits) {
  const SecretBits own = std::move(key).release();
  const std::size_t n = own.size_bits();
  if (secret_bits > n)
    return fail(ErrorCode::invalid_argument, "more secret bits asked for than the key has");
  const auto m = static_cast<std::size_t>(secret_bits);
  if (seed.size_bits() != amplification_seed_bits(n, m))
    return fail(ErrorCode::invalid_argument, "the seed of amplification has a wrong length");
  SecretBits out = SecretBits::zeroed(m);
  if (m > 0) {
    copy_bits(own.expose_secret(), 0, out.expose_secret_mutable());
    if (m < n) add_toeplitz_part(out.expose_secret_mutable(), own.expose_secret(), seed, m, n - m);
    out.trim();
  }
  return SecretKey::claim_stage(std::move(out));
}

}  // namespace quoin
