// Bounded reading of bytes from outside, and the writing twin. Integers are big-endian on every
// wire and in every store.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/bits.hpp"
#include "core/result.hpp"

namespace quoin {

using Bytes = std::vector<std::byte>;

inline ByteSpan as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline Bytes to_bytes(std::string_view text) {
  const ByteSpan view = as_bytes(text);
  return {view.begin(), view.end()};
}
inline std::string to_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Reads front to back. Past the end every read gives zero and the reader is failed for good: read a
// whole message, then ask finish() once. Variable-length reads name their bound.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : rest_(bytes) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(integer(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  std::uint64_t u64() { return integer(8); }
  // Exactly `size` bytes, viewed in place; an empty view after failure.
  ByteSpan fixed(std::size_t size);
  // A u32 length, at most `size_max`, then the bytes.
  ByteSpan prefixed(std::size_t size_max);
  std::string text(std::size_t size_max) { return to_text(prefixed(size_max)); }
  // A u32 length in bits, at most `bits_max`, then the bytes (bit i is bit i%8 of byte i/8). Set
  // bits past the end fail.
  BitString bits(std::size_t bits_max);
  ByteSpan remaining() const { return rest_; }
  void mark_failed() { failed_ = true; }
  bool failed() const { return failed_; }
  // Success when nothing failed and nothing is left over.
  Status finish(std::string_view what) const;

 private:
  std::uint64_t integer(std::size_t size);

  ByteSpan rest_;
  bool failed_ = false;
};

class ByteWriter {
 public:
  ByteWriter& u8(std::uint8_t value) { return integer(value, 1); }
  ByteWriter& u16(std::uint16_t value) { return integer(value, 2); }
  ByteWriter& u32(std::uint32_t value) { return integer(value, 4); }
  ByteWriter& u64(std::uint64_t value) { return integer(value, 8); }
  ByteWriter& fixed(ByteSpan bytes) {
    out_.insert(out_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  ByteWriter& prefixed(ByteSpan bytes) {
    return u32(static_cast<std::uint32_t>(bytes.size())).fixed(bytes);
  }
  ByteWriter& text(std::string_view text) { return prefixed(as_bytes(text)); }
  ByteWriter& bits(const BitString& bits);
  std::size_t size() const { return out_.size(); }
  const Bytes& bytes() const { return out_; }
  Bytes take() && { return std::move(out_); }

 private:
  ByteWriter& integer(std::uint64_t value, std::size_t size) {
    for (std::size_t i = size; i-- > 0;) out_.push_back(static_cast<std::byte>(value >> (8 * i)));
    return *this;
  }

  Bytes out_;
};

std::string to_hex(ByteSpan bytes);
// Fails as malformed on odd length or a character that is no hex digit.
Result<Bytes> from_hex(std::string_view text);

}  // namespace quoin
