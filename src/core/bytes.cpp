#include "core/bytes.hpp"

namespace quoin {

std::uint64_t ByteReader::integer(std::size_t size) {
  std::uint64_t value = 0;
  for (const std::byte byte : fixed(size))
    value = value << 8 | std::to_integer<std::uint64_t>(byte);
  return value;
}

ByteSpan ByteReader::fixed(std::size_t size) {
  if (failed_ || size > rest_.size()) {
    failed_ = true;
    return {};
  }
  const ByteSpan head = rest_.first(size);
  rest_ = rest_.subspan(size);
  return head;
}

ByteSpan ByteReader::prefixed(std::size_t size_max) {
  const std::uint32_t size = u32();
  if (size > size_max) failed_ = true;
  return fixed(size);
}

BitString ByteReader::bits(std::size_t bits_max) {
  const std::uint32_t size_bits = u32();
  if (size_bits > bits_max) failed_ = true;
  const ByteSpan bytes = fixed(bytes_for_bits(size_bits));
  if (failed_) return {};
  BitString out(size_bits);
  if (!bytes.empty()) std::memcpy(out.words().data(), bytes.data(), bytes.size());
  if (size_bits > 0 && (out.words().back() & ~last_word_mask(size_bits)) != 0) {
    failed_ = true;
    return {};
  }
  return out;
}

Status ByteReader::finish(std::string_view what) const {
  if (failed_)
    return fail(ErrorCode::malformed, std::string(what) + " is truncated or exceeds a bound");
  if (!rest_.empty())
    return fail(ErrorCode::malformed, std::string(what) + " has bytes after its end");
  return success();
}

ByteWriter& ByteWriter::bits(const BitString& bits) {
  static_assert(std::endian::native == std::endian::little,
                "bit planes travel as little-endian words");
  u32(static_cast<std::uint32_t>(bits.size_bits()));
  return fixed(std::as_bytes(bits.words()).first(bytes_for_bits(bits.size_bits())));
}

std::string to_hex(ByteSpan bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    out.push_back(digits[std::to_integer<unsigned>(byte) >> 4]);
    out.push_back(digits[std::to_integer<unsigned>(byte) & 15]);
  }
  return out;
}

Result<Bytes> from_hex(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (text.size() % 2 != 0)
    return fail(ErrorCode::malformed, "hex text has an odd number of digits");
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0)
      return fail(ErrorCode::malformed, "hex text has a character that is no hex digit");
    out.push_back(static_cast<std::byte>(high * 16 + low));
  }
  return out;
}

}  // namespace quoin
