#include "delivery/base64.hpp"

namespace quoin {

namespace {

// All ones when a < b, for small non-negative numbers.
constexpr int if_less(int a, int b) { return (a - b) >> 8; }
constexpr int if_in(int value, int low, int high) {
  return ~if_less(value, low) & ~if_less(high, value);
}

// The alphabet is A-Z, a-z, 0-9, +, /: each range is an offset from the value.
constexpr char letter_of(int value) {
  const int offset = (if_in(value, 0, 25) & 'A') | (if_in(value, 26, 51) & ('a' - 26)) |
                     (if_in(value, 52, 61) & ('0' - 52)) | (if_in(value, 62, 62) & ('+' - 62)) |
                     (if_in(value, 63, 63) & ('/' - 63));
  return static_cast<char>(value + offset);
}

// The value of a letter, or -1.
constexpr int value_of(int letter) {
  const int value = (if_in(letter, 'A', 'Z') & (letter - 'A' + 1)) |
                    (if_in(letter, 'a', 'z') & (letter - 'a' + 27)) |
                    (if_in(letter, '0', '9') & (letter - '0' + 53)) |
                    (if_in(letter, '+', '+') & 63) | (if_in(letter, '/', '/') & 64);
  return value - 1;
}

constexpr bool every_letter_comes_back() {
  for (int value = 0; value < 64; ++value)
    if (value_of(letter_of(value)) != value) return false;
  return value_of('=') == -1 && value_of('-') == -1 && value_of(0) == -1 && value_of(255) == -1;
}
static_assert(every_letter_comes_back());

}  // namespace

void write_base64(ByteSpan bytes, MutableByteSpan out) {
  QUOIN_INVARIANT(out.size() == base64_size(bytes.size()), "a base64 buffer has a wrong size");
  std::size_t to = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t have = std::min<std::size_t>(bytes.size() - at, 3);
    int group = 0;
    for (std::size_t i = 0; i < 3; ++i)
      group = group << 8 | (i < have ? std::to_integer<int>(bytes[at + i]) : 0);
    for (std::size_t i = 0; i < 4; ++i) {
      const int value = group >> (18 - 6 * static_cast<int>(i)) & 63;
      out[to++] = static_cast<std::byte>(i <= have ? letter_of(value) : '=');
    }
  }
}

Result<SecretBytes> read_base64(std::string_view text) {
  const auto malformed = [] { return fail(ErrorCode::malformed, "a key is not in base64"); };
  if (text.size() % 4 != 0) return malformed();
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  SecretBytes out = SecretBytes::zeroed(text.size() / 4 * 3 - padding);
  const MutableByteSpan bytes = out.expose_secret_mutable();
  int wrong = 0;
  for (std::size_t at = 0; at < text.size(); at += 4) {
    int group = 0;
    const std::size_t letters = at + 4 == text.size() ? 4 - padding : 4;
    for (std::size_t i = 0; i < 4; ++i) {
      const int value = i < letters ? value_of(static_cast<unsigned char>(text[at + i])) : 0;
      wrong |= value;
      group = group << 6 | (value & 63);
    }
    for (std::size_t i = 0; i < 3; ++i) {
      const int byte = group >> (16 - 8 * static_cast<int>(i)) & 255;
      const std::size_t to = at / 4 * 3 + i;
      if (to < bytes.size()) {
        bytes[to] = static_cast<std::byte>(byte);
      } else {
        wrong |= -byte;  // bits under the padding
      }
    }
  }
  if (wrong < 0) return malformed();
  return out;
}

}  // namespace quoin
