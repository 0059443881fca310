// Strings of bits as rounds of Cascade write and read them: one by one, or up to a word at a time.
// Only for the cascade files.
#pragma once

#include <algorithm>
#include <vector>

#include "core/bits.hpp"
#include "core/check.hpp"

namespace quoin {

// Reads bits front to back; the caller has checked that there are enough.
class BitCursor {
 public:
  explicit BitCursor(WordSpan words) : words_(words) {}

  bool next() {
    const bool bit = (words_.data()[at_ / 64] >> (at_ % 64) & 1) != 0;
    ++at_;
    return bit;
  }
  // The next `count` bits, 1 to 64 of them, from the lowest on.
  std::uint64_t next_bits(std::size_t count) {
    const std::size_t w = at_ / 64;
    const std::size_t shift = at_ % 64;
    std::uint64_t bits = words_.data()[w] >> shift;
    if (shift + count > 64) bits |= words_.data()[w + 1] << (64 - shift);
    at_ += count;
    return bits & last_word_mask(count);
  }

 private:
  WordSpan words_;
  std::size_t at_ = 0;
};

class BitAppender {
 public:
  std::size_t size_bits() const { return words_.size() * 64 + filled_; }

  void append(bool bit) {
    filling_ |= std::uint64_t{bit} << filled_;
    if (++filled_ == 64) flush();
  }
  // The lowest `count` bits, 1 to 64 of them; those above are zero.
  void append_bits(std::uint64_t bits, std::size_t count) {
    filling_ |= bits << filled_;
    if (filled_ + count < 64) {
      filled_ += count;
      return;
    }
    const std::size_t left = filled_ + count - 64;
    flush();
    if (left > 0) filling_ = bits >> (count - left);
    filled_ = left;
  }
  // The first `size_bits` bits of `words`, whatever follows them there.
  void append_words(WordSpan words, std::size_t size_bits) {
    for (std::size_t at = 0; at + 64 <= size_bits; at += 64) append_bits(words[at / 64], 64);
    if (size_bits % 64 != 0)
      append_bits(words[size_bits / 64] & last_word_mask(size_bits), size_bits % 64);
  }
  // Forgets all bits from `size_bits` on.
  void truncate(std::size_t size_bits) {
    QUOIN_INVARIANT(size_bits <= this->size_bits(), "bits truncated to more than there are");
    if (size_bits / 64 < words_.size()) {
      filling_ = words_[size_bits / 64];
      words_.resize(size_bits / 64);
    }
    filled_ = size_bits % 64;
    filling_ &= filled_ == 0 ? 0 : last_word_mask(filled_);
  }
  BitString copy() const {
    BitString out(size_bits());
    std::copy(words_.begin(), words_.end(), out.words().begin());
    if (filled_ > 0) out.words().back() = filling_;
    return out;
  }

 private:
  void flush() {
    words_.push_back(filling_);
    filling_ = 0;
    filled_ = 0;
  }

  std::vector<std::uint64_t> words_;
  std::uint64_t filling_ = 0;
  std::size_t filled_ = 0;
};

}  // namespace quoin
