// Protection of secrets before they reach the Store: AES-256-GCM under a key-encryption key (KEK)
// that is derived from a 32-byte file key. For src/auth and src/keystore; loading the file is the
// application's business.
//
// Sealed form: version 1 byte | key id 8 bytes | nonce 12 bytes | ciphertext | tag 16 bytes.
// Version and key id are authenticated together with the associated bytes. Nonces are random: one
// file key is good for 2^32 seals (NIST SP 800-38D, 8.3), some four years at 32 a second.
#pragma once

#include <array>

#include "core/ports.hpp"
#include "crypto/aead.hpp"

namespace quoin {

constexpr std::size_t file_key_bytes = 32;
constexpr std::size_t at_rest_overhead_bytes = 1 + 8 + aead_nonce_bytes + aead_tag_bytes;

// A new file key.
SecretBytes make_file_key(SecretRandom& random);

class AtRestCipher {
 public:
  using KeyId = std::array<std::byte, 8>;

  // `file_key` has file_key_bytes (else invalid_argument, with the cure); `nonces` outlives the
  // cipher.
  static Result<AtRestCipher> from_file_key(const SecretBytes& file_key, PublicRandom& nonces);

  // `associated` names the place (table, row) of the secret, so that rows cannot be swapped.
  Bytes seal(ByteSpan secret, ByteSpan associated) const;
  // malformed: not of this form; configuration: sealed under another file key (the message names
  // both ids); unauthenticated: altered, or moved from another place.
  Result<SecretBytes> open(ByteSpan sealed, ByteSpan associated) const;
  // Public name of the file key; says nothing about it.
  const KeyId& key_id() const { return key_id_; }

 private:
  AtRestCipher(AesGcm cipher, const KeyId& key_id, PublicRandom& nonces)
      : cipher_(std::move(cipher)), key_id_(key_id), nonces_(&nonces) {}

  AesGcm cipher_;
  KeyId key_id_{};
  PublicRandom* nonces_;
};

}  // namespace quoin
