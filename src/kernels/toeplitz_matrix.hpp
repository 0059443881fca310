// A Toeplitz matrix over GF(2) that multiplies bit vectors, exact, for privacy amplification
// (src/distill). Made once, used for as many vectors as may share it. Small matrices are multiplied
// by Karatsuba's recursion (gf2_product.hpp), large ones block by block through an additive FFT
// (gf2_fft.hpp), of which the matrix's half is done when it is made. Time depends on sizes only.
#pragma once

#include "core/bits.hpp"

namespace quoin {

enum class ToeplitzMethod : std::uint8_t { karatsuba, additive_fft };

// How a product of this size is cut: for the matrix itself, for tests and for measurements.
struct ToeplitzPlan {
  ToeplitzMethod method = ToeplitzMethod::karatsuba;
  std::size_t square_words = 0;  // Karatsuba: side of the squares
  unsigned log2_points = 0;      // FFT: points of a transform; blocks are of half as many words
};
ToeplitzPlan plan_toeplitz(std::size_t rows, std::size_t columns);

class ToeplitzMatrix {
 public:
  // Entry (i, j) is bit i - j + columns - 1 of `diagonals`, which has rows + columns - 1 bits and
  // zeros after them. rows and columns are positive; their sum is at most 2^28.
  ToeplitzMatrix(WordSpan diagonals, std::size_t rows, std::size_t columns);
  ToeplitzMatrix(WordSpan diagonals, std::size_t rows, std::size_t columns,
                 const ToeplitzPlan& plan);

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }

  // out += T x, where x is bits [first, first + columns) of `bits` (zero past its end) and `out`
  // has words_for_bits(rows) words; what lies past bit `rows` of its last word is undefined.
  // Working memory is wiped: about half a byte per row and column.
  void multiply_add(MutableWordSpan out, WordSpan bits, std::size_t first) const;

 private:
  struct Blocks {
    std::size_t points;   // of one transform
    std::size_t words;    // of one block, half as many
    std::size_t rows;     // blocks of the result
    std::size_t columns;  // blocks of the vector
    std::size_t stride;   // words from one plane to the next
  };
  Blocks blocks() const;
  void transform_diagonals(WordSpan diagonals);
  void add_by_squares(MutableWordSpan out, WordSpan bits, std::size_t first) const;
  void add_by_fft(MutableWordSpan out, WordSpan bits, std::size_t first) const;
  void multiply_slices(const Blocks& b, MutableWordSpan planes) const;

  ToeplitzPlan plan_;
  std::size_t rows_;
  std::size_t columns_;
  // Karatsuba: the diagonals themselves. FFT: the planes of their blocks' transforms. Not secret,
  // but at home where blocks are: in large pages.
  SecretBits diagonals_;
};

}  // namespace quoin
