// Base64 (RFC 4648, section 4, with padding) of secrets: no table look-ups that depend on them. For
// src/delivery.
#pragma once

#include "core/bytes.hpp"

namespace quoin {

constexpr std::size_t base64_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }
// `out` has exactly base64_size(bytes.size()) bytes.
void write_base64(ByteSpan bytes, MutableByteSpan out);
// Malformed unless the text is canonical: whole groups, padding, zero bits in it.
Result<SecretBytes> read_base64(std::string_view text);

}  // namespace quoin
