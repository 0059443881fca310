#include "kernels/bit_ops.hpp"

namespace quoin {

namespace {

constexpr std::uint64_t low_mask(std::size_t bits) {
  return bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
}

// By folding: a count of ones may be a table lookup, whose timing tells the bits.
bool parity_of(std::uint64_t word) { return __builtin_parityll(word) != 0; }

// Moves the bits of `value` under `mask` to the low end, in order: Hacker's Delight (Warren, 2nd
// ed.), 7-4, in six steps, each moving by a power of two.
std::uint64_t compress_word(std::uint64_t value, std::uint64_t mask) {
  value &= mask;
  std::uint64_t zeros_below = ~mask << 1;
  for (unsigned step = 0; step < 6; ++step) {
    std::uint64_t prefix = zeros_below ^ (zeros_below << 1);
    prefix ^= prefix << 2;
    prefix ^= prefix << 4;
    prefix ^= prefix << 8;
    prefix ^= prefix << 16;
    prefix ^= prefix << 32;
    const std::uint64_t moving = prefix & mask;
    mask = (mask ^ moving) | (moving >> (1U << step));
    const std::uint64_t bits = value & moving;
    value = (value ^ bits) | (bits >> (1U << step));
    zeros_below &= ~prefix;
  }
  return value;
}

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

std::size_t compress_bits(WordSpan source, WordSpan mask, MutableWordSpan out) {
  QUOIN_INVARIANT(source.size() >= mask.size(), "compress_bits: source shorter than mask");
  std::size_t at = 0;
  for (std::size_t w = 0; w < mask.size(); ++w) {
    const auto count = static_cast<std::size_t>(std::popcount(mask[w]));
    if (count == 0) continue;
    const std::uint64_t bits = compress_word(source[w], mask[w]);
    const std::size_t shift = at % 64;
    out[at / 64] |= bits << shift;
    if (shift > 0 && shift + count > 64) out[at / 64 + 1] |= bits >> (64 - shift);
    at += count;
  }
  return at;
}

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
  for (std::size_t w = 0; w < out.size(); ++w)
    out[w] = word_at_bit(source, offset + static_cast<std::int64_t>(w * 64));
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

std::size_t count_and(WordSpan a, WordSpan b) {
  std::size_t total = 0;
  for (std::size_t w = 0; w < a.size(); ++w)
    total += static_cast<std::size_t>(std::popcount(a[w] & b[w]));
  return total;
}

std::size_t count_and_not(WordSpan a, WordSpan b) {
  std::size_t total = 0;
  for (std::size_t w = 0; w < a.size(); ++w)
    total += static_cast<std::size_t>(std::popcount(a[w] & ~b[w]));
  return total;
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
