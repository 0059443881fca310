// Bit strings. Bit i of a string is bit (i mod 64) of word i/64; bits past the end are zero,
// always.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "core/secret.hpp"

namespace quoin {

using WordSpan = std::span<const std::uint64_t>;
using MutableWordSpan = std::span<std::uint64_t>;

constexpr std::size_t words_for_bits(std::size_t bits) { return (bits + 63) / 64; }
constexpr std::size_t bytes_for_bits(std::size_t bits) { return (bits + 7) / 8; }
// All ones below bit `bits` of the last word of a string of that many bits.
constexpr std::uint64_t last_word_mask(std::size_t bits) {
  return bits % 64 == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << (bits % 64)) - 1;
}

inline bool bit_at(WordSpan words, std::size_t i) { return (words[i / 64] >> (i % 64) & 1) != 0; }
inline void assign_bit(MutableWordSpan words, std::size_t i, bool value) {
  const std::uint64_t mask = std::uint64_t{1} << (i % 64);
  words[i / 64] = value ? words[i / 64] | mask : words[i / 64] & ~mask;
}
inline std::size_t popcount(WordSpan words) {
  std::size_t total = 0;
  for (const std::uint64_t word : words) total += static_cast<std::size_t>(std::popcount(word));
  return total;
}

// Public bits: bases, masks, seeds after they were sent.
class BitString {
 public:
  BitString() = default;
  explicit BitString(std::size_t size_bits)
      : words_(words_for_bits(size_bits)), size_bits_(size_bits) {}

  std::size_t size_bits() const { return size_bits_; }
  bool empty() const { return size_bits_ == 0; }
  bool operator[](std::size_t i) const { return bit_at(words_, i); }
  void set(std::size_t i, bool value) { assign_bit(words_, i, value); }
  void push_back(bool value) {
    if (size_bits_ % 64 == 0) words_.push_back(0);
    ++size_bits_;
    if (value) set(size_bits_ - 1, true);
  }
  void reserve(std::size_t size_bits) { words_.reserve(words_for_bits(size_bits)); }
  std::size_t count_ones() const { return popcount(words_); }
  // Clears what lies past the end, after whole words were written through words().
  void trim() {
    if (!words_.empty()) words_.back() &= last_word_mask(size_bits_);
  }
  WordSpan words() const { return words_; }
  MutableWordSpan words() { return words_; }
  bool operator==(const BitString&) const = default;

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_bits_ = 0;
};

// Secret bits in memory that is wiped and not dumped. See SecretBytes for the rules.
class SecretBits {
 public:
  SecretBits() = default;
  static SecretBits zeroed(std::size_t size_bits) {
    SecretBits bits;
    bits.bytes_ = SecretBytes::zeroed(words_for_bits(size_bits) * 8, SecretMemory::block);
    bits.size_bits_ = size_bits;
    return bits;
  }
  std::size_t size_bits() const { return size_bits_; }
  bool empty() const { return size_bits_ == 0; }
  SecretBits clone_secret() const {
    SecretBits copy;
    copy.bytes_ = bytes_.clone_secret();
    copy.size_bits_ = size_bits_;
    return copy;
  }
  WordSpan expose_secret() const {
    return {reinterpret_cast<const std::uint64_t*>(bytes_.expose_secret().data()),
            words_for_bits(size_bits_)};
  }
  MutableWordSpan expose_secret_mutable() {
    return {reinterpret_cast<std::uint64_t*>(bytes_.expose_secret_mutable().data()),
            words_for_bits(size_bits_)};
  }
  // The words as bytes, for hashing and for cutting keys. Little-endian words: bit i is bit (i mod
  // 8) of byte i/8.
  ByteSpan expose_secret_bytes() const {
    return bytes_.expose_secret().first(bytes_for_bits(size_bits_));
  }
  void trim() {
    if (size_bits_ > 0) expose_secret_mutable().back() &= last_word_mask(size_bits_);
  }
  void wipe() {
    bytes_.wipe();
    size_bits_ = 0;
  }

 private:
  SecretBytes bytes_;
  std::size_t size_bits_ = 0;
};

}  // namespace quoin
