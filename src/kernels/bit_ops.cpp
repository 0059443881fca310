#include "kernels/bit_ops.hpp"

#include <algorithm>

namespace quoin {

namespace {

constexpr std::uint64_t low_mask(std::size_t bits) {
  return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

// By folding: a count of ones may be a table lookup, whose timing tells the bits.
bool parity_of(std::uint64_t word) { return __builtin_parityll(word) != 0; }

// Calls visit(word index, mask of the range within it) for the words that [begin, end) touches.
template <class Visit>
void for_words_in_range(std::size_t begin, std::size_t end, Visit visit) {
  if (begin >= end) return;
  const std::size_t first = begin / 64;
  const std::size_t last = (end - 1) / 64;
  const std::uint64_t head = ~low_mask(begin % 64);
  const std::uint64_t tail = last_word_mask(end);
  if (first == last) {
    visit(first, head & tail);
    return;
  }
  visit(first, head);
  for (std::size_t w = first + 1; w < last; ++w) visit(w, ~std::uint64_t{0});
  visit(last, tail);
}

}  // namespace

std::uint64_t word_at_bit(WordSpan source, std::int64_t offset) {
  // Floor division: the word that holds bit `offset`, possibly before the start.
  const std::int64_t word = offset >> 6;
  const auto shift = static_cast<unsigned>(offset & 63);
  const auto size = static_cast<std::int64_t>(source.size());
  const auto at = [&](std::int64_t w) {
    return w >= 0 && w < size ? source[static_cast<std::size_t>(w)] : std::uint64_t{0};
  };
  if (shift == 0) return at(word);
  return at(word) >> shift | at(word + 1) << (64 - shift);
}

void copy_bits(WordSpan source, std::int64_t offset, MutableWordSpan out) {
  const std::int64_t first = offset >> 6;
  const auto shift = static_cast<unsigned>(offset & 63);
  const auto words = static_cast<std::int64_t>(out.size());
  const auto size = static_cast<std::int64_t>(source.size());
  // Words [begin, end) of the output lie inside the source with the word behind them.
  const std::int64_t begin = std::clamp<std::int64_t>(-first, 0, words);
  const std::int64_t end = std::clamp<std::int64_t>(size - 1 - first, begin, words);
  const auto edge = [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t w = from; w < to; ++w)
      out[static_cast<std::size_t>(w)] = word_at_bit(source, offset + w * 64);
  };
  edge(0, begin);
  const std::uint64_t* const in = source.data() + (first + begin);
  std::uint64_t* const to = out.data() + begin;
  const auto count = static_cast<std::size_t>(end - begin);
  if (shift == 0) {
    std::copy_n(in, count, to);
  } else {
    for (std::size_t w = 0; w < count; ++w) to[w] = in[w] >> shift | in[w + 1] << (64 - shift);
  }
  edge(end, words);
}

bool range_parity(WordSpan bits, std::size_t begin, std::size_t end) {
  std::uint64_t sum = 0;
  for_words_in_range(begin, end,
                     [&](std::size_t w, std::uint64_t range) { sum ^= bits[w] & range; });
  return parity_of(sum);
}

bool masked_range_parity(WordSpan bits, WordSpan mask, std::size_t begin, std::size_t end) {
  std::uint64_t sum = 0;
  for_words_in_range(begin, end,
                     [&](std::size_t w, std::uint64_t range) { sum ^= bits[w] & mask[w] & range; });
  return parity_of(sum);
}

void transpose_64x64(std::array<std::uint64_t, 64>& rows) {
  // Swaps the off-diagonal quarters, then those of the quarters, and so on.
  std::uint64_t mask = 0x00000000FFFFFFFFULL;
  for (std::size_t half = 32; half != 0; half >>= 1, mask ^= mask << half) {
    for (std::size_t i = 0; i < 64; i += 2 * half) {
      for (std::size_t k = i; k < i + half; ++k) {
        const std::uint64_t swapped = ((rows[k] >> half) ^ rows[k + half]) & mask;
        rows[k] ^= swapped << half;
        rows[k + half] ^= swapped;
      }
    }
  }
}

void gather_bits(WordSpan source, std::span<const std::uint16_t> source_index,
                 MutableWordSpan out) {
  for (std::size_t w = 0; w < words_for_bits(source_index.size()); ++w) {
    const std::size_t end = std::min<std::size_t>(64, source_index.size() - w * 64);
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < end; ++i) {
      const std::size_t from = source_index[w * 64 + i];
      word |= (source[from / 64] >> (from % 64) & 1) << i;
    }
    out[w] = word;
  }
}

}  // namespace quoin
