#include "kernels/toeplitz_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/bit_ops.hpp"
#include "kernels/gf2_fft.hpp"
#include "kernels/gf2_product.hpp"

namespace quoin {

namespace {

constexpr std::size_t size_limit = std::size_t{1} << 28;

// Costs in nanoseconds as measured on one core with AVX-512, for comparing plans only.
constexpr double karatsuba_word_cost = 0.35;  // per word of side ^ log2(3)
constexpr double forward_point_cost = 0.25;   // per point and layer
constexpr double inverse_point_cost = 0.4;
constexpr double product_point_cost = 0.55;

std::size_t divide_up(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// The matrix is cut into squares, for which Karatsuba's recursion, three products of half the size,
// is fast. One side may not divide by the other: the cheapest square wins.
double choose_square(std::size_t row_words, std::size_t column_words, ToeplitzPlan& plan) {
  const double exponent = std::log2(3.0);
  double best_cost = std::numeric_limits<double>::infinity();
  for (std::size_t parts = 1; parts <= 16; ++parts) {
    for (const std::size_t side : {row_words, column_words}) {
      const std::size_t square = gf2_toeplitz_padded_words(divide_up(side, parts));
      const std::size_t tiles = divide_up(row_words, square) * divide_up(column_words, square);
      const double cost = karatsuba_word_cost * static_cast<double>(tiles) *
                          std::pow(static_cast<double>(square), exponent);
      if (cost < best_cost) {
        best_cost = cost;
        plan.square_words = square;
      }
    }
  }
  return best_cost;
}

double choose_points(std::size_t row_words, std::size_t column_words, ToeplitzPlan& plan) {
  double best_cost = std::numeric_limits<double>::infinity();
  for (unsigned k = gf2_fft_log2_points_min; k <= gf2_fft_log2_points_max; ++k) {
    const double points = std::exp2(k);
    const std::size_t words = std::size_t{1} << (k - 1);
    const auto rows = static_cast<double>(divide_up(row_words, words));
    const auto columns = static_cast<double>(divide_up(column_words, words));
    const double cost =
        points * (forward_point_cost * k * (rows + 2 * columns) +
                  inverse_point_cost * k * (rows + 1) + product_point_cost * columns * (rows + 1));
    if (cost < best_cost) {
      best_cost = cost;
      plan.log2_points = k;
    }
  }
  return best_cost;
}

// The vector is bits [first, first + size) of `bits`; its part from `at` on, zero past its end.
void copy_vector(WordSpan bits, std::size_t first, std::size_t size, std::size_t at,
                 MutableWordSpan out) {
  copy_bits(bits, static_cast<std::int64_t>(first + at), out);
  const std::size_t left = size - at;
  const std::size_t words = words_for_bits(left);
  if (words > out.size()) return;
  out[words - 1] &= last_word_mask(left);
  std::ranges::fill(out.subspan(words), 0);
}

// Points that are multiplied at a time: what all blocks hold of them stays in the cache.
constexpr std::size_t slice_points = 64;

}  // namespace

ToeplitzPlan plan_toeplitz(std::size_t rows, std::size_t columns) {
  ToeplitzPlan plan;
  const double karatsuba = choose_square(words_for_bits(rows), words_for_bits(columns), plan);
  const double fft = choose_points(words_for_bits(rows), words_for_bits(columns), plan);
  plan.method = karatsuba <= fft ? ToeplitzMethod::karatsuba : ToeplitzMethod::additive_fft;
  return plan;
}

ToeplitzMatrix::ToeplitzMatrix(WordSpan diagonals, std::size_t rows, std::size_t columns)
    : ToeplitzMatrix(diagonals, rows, columns, plan_toeplitz(rows, columns)) {}

ToeplitzMatrix::ToeplitzMatrix(WordSpan diagonals, std::size_t rows, std::size_t columns,
                               const ToeplitzPlan& plan)
    : plan_(plan), rows_(rows), columns_(columns) {
  QUOIN_INVARIANT(rows > 0 && columns > 0 && rows <= size_limit && columns <= size_limit - rows,
                  "a Toeplitz matrix of an unsupported size");
  QUOIN_INVARIANT(diagonals.size() == words_for_bits(rows + columns - 1),
                  "a Toeplitz matrix and its diagonals differ in size");
  if (plan_.method == ToeplitzMethod::additive_fft) {
    transform_diagonals(diagonals);
    return;
  }
  diagonals_ = SecretBits::zeroed(diagonals.size() * 64);
  std::ranges::copy(diagonals, diagonals_.expose_secret_mutable().begin());
}

void ToeplitzMatrix::multiply_add(MutableWordSpan out, WordSpan bits, std::size_t first) const {
  QUOIN_INVARIANT(out.size() == words_for_bits(rows_), "a product of a wrong length");
  if (plan_.method == ToeplitzMethod::karatsuba) {
    add_by_squares(out, bits, first);
  } else {
    add_by_fft(out, bits, first);
  }
}

void ToeplitzMatrix::add_by_squares(MutableWordSpan out, WordSpan bits, std::size_t first) const {
  const std::size_t square = plan_.square_words;
  const std::size_t square_bits = square * 64;
  std::vector<std::uint64_t> diagonals(2 * square);
  SecretBits column = SecretBits::zeroed(square_bits);
  SecretBits rows = SecretBits::zeroed(square_bits);
  SecretBits scratch = SecretBits::zeroed(gf2_toeplitz_scratch_words(square) * 64);
  const MutableWordSpan row_words = rows.expose_secret_mutable();
  for (std::size_t row = 0; row < rows_; row += square_bits) {
    std::ranges::fill(row_words, 0);
    for (std::size_t at = 0; at < columns_; at += square_bits) {
      // Row i and column j of this square meet at bit (row + i) - (at + j) + columns - 1.
      const auto lowest = static_cast<std::int64_t>(row + columns_) -
                          static_cast<std::int64_t>(at + 1) -
                          static_cast<std::int64_t>(square_bits);
      copy_bits(diagonals_.expose_secret(), lowest, diagonals);
      copy_vector(bits, first, columns_, at, column.expose_secret_mutable());
      gf2_toeplitz_add(row_words, diagonals, column.expose_secret(),
                       scratch.expose_secret_mutable());
    }
    const MutableWordSpan target = out.subspan(row / 64);
    for (std::size_t w = 0; w < std::min(square, target.size()); ++w) target[w] ^= row_words[w];
  }
}

// The columns of the matrix are the coefficients of the vector taken as a polynomial, the diagonals
// are another, and row i is coefficient i + columns - 1 of their product. The diagonals are moved
// up so that row 0 starts a block, block `columns` of the product. In blocks D_i and X_j, block r
// of the rows is the low half of sum_(i+j = columns+r) D_i X_j and the high half of the sum before
// it.
ToeplitzMatrix::Blocks ToeplitzMatrix::blocks() const {
  Blocks b{};
  b.points = std::size_t{1} << plan_.log2_points;
  b.words = b.points / 2;
  b.rows = divide_up(words_for_bits(rows_), b.words);
  b.columns = divide_up(words_for_bits(columns_), b.words);
  // Planes a power of two apart would all meet in the same few lines of the cache.
  b.stride = b.points + 72;
  return b;
}

void ToeplitzMatrix::transform_diagonals(WordSpan diagonals) {
  const Blocks b = blocks();
  const auto moved_up =
      static_cast<std::int64_t>(b.columns * b.words * 64) - static_cast<std::int64_t>(columns_ - 1);
  diagonals_ = SecretBits::zeroed((b.rows + b.columns) * 2 * b.stride * 64);
  const MutableWordSpan planes = diagonals_.expose_secret_mutable();
  std::vector<std::uint64_t> block(b.words);
  for (std::size_t i = 0; i < b.rows + b.columns; ++i) {
    copy_bits(diagonals, static_cast<std::int64_t>(i * b.words * 64) - moved_up, block);
    gf2_fft_forward({planes.subspan(2 * i * b.stride, b.points),
                     planes.subspan((2 * i + 1) * b.stride, b.points)},
                    block);
  }
}

// Turns the planes of the vector's blocks into those of the sums, a slice of points at a time:
// every value is read from memory once. Sum r is that of the block before row block r.
void ToeplitzMatrix::multiply_slices(const Blocks& b, MutableWordSpan planes) const {
  const std::size_t sums = b.rows + 1;
  SecretBits results = SecretBits::zeroed(sums * 2 * slice_points * 64);
  const MutableWordSpan sums_words = results.expose_secret_mutable();
  std::vector<Gf2FftView> vector(b.columns);
  std::vector<Gf2FftView> matrix(b.columns);
  for (std::size_t at = 0; at < b.points; at += slice_points) {
    const auto slice = [&](WordSpan all, std::size_t i) {
      return Gf2FftView{all.subspan(2 * i * b.stride + at, slice_points),
                        all.subspan((2 * i + 1) * b.stride + at, slice_points)};
    };
    for (std::size_t j = 0; j < b.columns; ++j) vector[j] = slice(planes, j);
    for (std::size_t r = 0; r < sums; ++r) {
      for (std::size_t j = 0; j < b.columns; ++j)
        matrix[j] = slice(diagonals_.expose_secret(), b.columns - 1 + r - j);
      gf2_fft_sum_products({sums_words.subspan(2 * r * slice_points, slice_points),
                            sums_words.subspan((2 * r + 1) * slice_points, slice_points)},
                           matrix, vector);
    }
    for (std::size_t r = 0; r < 2 * sums; ++r)
      std::ranges::copy(sums_words.subspan(r * slice_points, slice_points),
                        planes.subspan(r * b.stride + at).begin());
  }
}

void ToeplitzMatrix::add_by_fft(MutableWordSpan out, WordSpan bits, std::size_t first) const {
  const Blocks b = blocks();
  SecretBits storage = SecretBits::zeroed(std::max(b.columns, b.rows + 1) * 2 * b.stride * 64);
  SecretBits block = SecretBits::zeroed(b.words * 64);
  const MutableWordSpan planes = storage.expose_secret_mutable();
  const auto planes_of = [&](std::size_t i) {
    return Gf2FftPlanes{planes.subspan(2 * i * b.stride, b.points),
                        planes.subspan((2 * i + 1) * b.stride, b.points)};
  };
  for (std::size_t j = 0; j < b.columns; ++j) {
    copy_vector(bits, first, columns_, j * b.words * 64, block.expose_secret_mutable());
    gf2_fft_forward(planes_of(j), block.expose_secret());
  }
  multiply_slices(b, planes);
  for (std::size_t r = 0; r <= b.rows; ++r) {
    // Sum r covers row blocks r - 1, its high half, and r, its low half.
    const std::size_t start = r == 0 ? 0 : (r - 1) * b.words;
    const std::size_t covered = std::min(out.size() - start, r == 0 ? b.words : b.points);
    gf2_fft_inverse_add(out.subspan(start, covered), r == 0 ? b.words : 0, planes_of(r));
  }
}

}  // namespace quoin
