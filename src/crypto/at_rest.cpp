#include "crypto/at_rest.hpp"

#include "crypto/kdf.hpp"

namespace quoin {

namespace {

constexpr std::uint8_t at_rest_version = 1;

// Version, key id and the caller's bytes; the first two have a fixed length.
Bytes bind(ByteSpan key_id, ByteSpan associated) {
  ByteWriter out;
  out.u8(at_rest_version).fixed(key_id).fixed(associated);
  return std::move(out).take();
}

}  // namespace

SecretBytes make_file_key(SecretRandom& random) { return random.draw(file_key_bytes); }

Result<AtRestCipher> AtRestCipher::from_file_key(const SecretBytes& file_key,
                                                 PublicRandom& nonces) {
  if (file_key.size_bytes() != file_key_bytes)
    return fail(ErrorCode::invalid_argument,
                "the file key has " + std::to_string(file_key.size_bytes()) + " bytes instead of " +
                    std::to_string(file_key_bytes),
                "restore the key file from its backup; a new one cannot read this store");
  const ByteSpan root = file_key.expose_secret();
  const SecretBytes id = hkdf_sha384(root, {}, "at rest: key id", {}, KeyId{}.size());
  KeyId key_id{};
  std::memcpy(key_id.data(), id.expose_secret().data(), key_id.size());
  const SecretBytes kek = hkdf_sha384(root, {}, "at rest: key encryption", {}, aead_key_bytes);
  return AtRestCipher(AesGcm(kek), key_id, nonces);
}

Bytes AtRestCipher::seal(ByteSpan secret, ByteSpan associated) const {
  AeadNonce nonce;
  nonces_->fill(nonce);
  ByteWriter out;
  out.u8(at_rest_version).fixed(key_id_).fixed(nonce);
  Bytes sealed = std::move(out).take();
  const std::size_t head = sealed.size();
  sealed.resize(head + secret.size() + aead_tag_bytes);
  cipher_.seal_into(nonce, secret, bind(key_id_, associated),
                    MutableByteSpan(sealed).subspan(head));
  return sealed;
}

Result<SecretBytes> AtRestCipher::open(ByteSpan sealed, ByteSpan associated) const {
  ByteReader in(sealed);
  const std::uint8_t version = in.u8();
  const ByteSpan id = in.fixed(key_id_.size());
  const ByteSpan nonce_bytes = in.fixed(aead_nonce_bytes);
  if (in.failed() || version != at_rest_version || in.remaining().size() < aead_tag_bytes)
    return fail(ErrorCode::malformed, "a sealed secret in the store is not of a known form");
  if (!std::equal(id.begin(), id.end(), key_id_.begin(), key_id_.end()))
    return fail(
        ErrorCode::configuration,
        "the store was sealed under file key " + to_hex(id) + ", not under " + to_hex(key_id_),
        "start with the key file that belongs to this store");
  AeadNonce nonce;
  std::copy(nonce_bytes.begin(), nonce_bytes.end(), nonce.begin());
  return cipher_.open(nonce, in.remaining(), bind(key_id_, associated));
}

}  // namespace quoin
