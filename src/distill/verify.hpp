// Verification: both sides compare a 128-bit polynomial hash of the reconciled key under a fresh
// seed (security-rules C5, C6). For the session. A pair of different keys passes with probability
// at most (key_bits / 128 + 3) / 2^128.
#pragma once

#include <array>

#include "core/key_stages.hpp"
#include "core/result.hpp"

namespace quoin {

using VerificationSeed = std::array<std::byte, 16>;  // public, drawn after the commitment
using VerificationTag = std::array<std::byte, 16>;
constexpr std::uint64_t verification_tag_bits = 128;

// Hash over GF(2^128) (GHASH bit order) of the length in bits and the key.
VerificationTag verification_tag(const ReconciledKey& key, const VerificationSeed& seed);

// Fails as conflict when the tags differ, as malformed when one has not 16 bytes; the key is wiped.
Result<VerifiedKey> accept_verified(ReconciledKey&& key, ByteSpan own_tag, ByteSpan peer_tag);

}  // namespace quoin
