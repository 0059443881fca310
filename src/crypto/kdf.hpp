// Key derivation: HKDF (RFC 5869) with SHA-384. Callers above this folder use hkdf_sha384() with a
// label of their own; two labels or two lists of parts never give the same info string.
#pragma once

#include <initializer_list>
#include <string_view>

#include "core/bytes.hpp"
#include "crypto/digest.hpp"

namespace quoin {

// `size` bytes (1 to 12240) from `secret`, bound to the label and the parts. The info string is
// "quoin/1", label and parts, each with its length in 4 bytes in front, and the number of parts.
// The salt may be empty (RFC 5869: as many zeros as the hash is long).
SecretBytes hkdf_sha384(ByteSpan secret, ByteSpan salt, std::string_view label,
                        std::initializer_list<ByteSpan> parts, std::size_t size);

// The plain function of RFC 5869, for known answers and for formats of others.
SecretBytes hkdf(DigestAlgorithm algorithm, ByteSpan secret, ByteSpan salt, ByteSpan info,
                 std::size_t size);

}  // namespace quoin
