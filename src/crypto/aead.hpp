// AES-256-GCM (NIST SP 800-38D) with a nonce given by the caller, who must never give one twice
// under a key: use a counter, or at most 2^32 random nonces. For every layer above core.
#pragma once

#include <array>
#include <memory>

#include "core/bytes.hpp"

namespace quoin {

constexpr std::size_t aead_key_bytes = 32;
constexpr std::size_t aead_nonce_bytes = 12;
constexpr std::size_t aead_tag_bytes = 16;
// Longest plaintext of one call; far below GCM's own 2^36 - 32 bytes.
constexpr std::size_t aead_plaintext_max = std::size_t{1} << 30;
using AeadNonce = std::array<std::byte, aead_nonce_bytes>;

namespace crypto_internal {
struct AeadContext;
struct AeadContextDeleter {
  void operator()(AeadContext* context) const;
};
}  // namespace crypto_internal

// One key, expanded once. Not thread-safe: one object per thread.
class AesGcm {
 public:
  // The key has aead_key_bytes; anything else is a broken invariant.
  explicit AesGcm(const SecretBytes& key);

  // Ciphertext followed by the tag. Associated bytes are authenticated, not kept.
  Bytes seal(const AeadNonce& nonce, ByteSpan plaintext, ByteSpan associated) const;
  // The same into memory of the caller: `out` has exactly plaintext.size() + aead_tag_bytes.
  void seal_into(const AeadNonce& nonce, ByteSpan plaintext, ByteSpan associated,
                 MutableByteSpan out) const;
  // unauthenticated when key, nonce, associated bytes or a single bit of `sealed` differ;
  // malformed when it is shorter than a tag; too_large past aead_plaintext_max.
  Result<SecretBytes> open(const AeadNonce& nonce, ByteSpan sealed, ByteSpan associated) const;
  // The same into memory of the caller: `out` has exactly sealed.size() - aead_tag_bytes and is
  // wiped on failure.
  Status open_into(const AeadNonce& nonce, ByteSpan sealed, ByteSpan associated,
                   MutableByteSpan out) const;

 private:
  std::unique_ptr<crypto_internal::AeadContext, crypto_internal::AeadContextDeleter> context_;
};

}  // namespace quoin
