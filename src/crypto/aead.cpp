#include "crypto/aead.hpp"

#include <openssl/evp.h>

#include "crypto/openssl_errors.hpp"

namespace quoin {

namespace crypto_internal {

namespace {
EVP_CIPHER_CTX* as_openssl(AeadContext* context) {
  return reinterpret_cast<EVP_CIPHER_CTX*>(context);
}
}  // namespace

void AeadContextDeleter::operator()(AeadContext* context) const {
  EVP_CIPHER_CTX_free(as_openssl(context));
}

}  // namespace crypto_internal

using crypto_internal::as_openssl;

namespace {

const unsigned char* raw(ByteSpan bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw(MutableByteSpan bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }

// Nonce, associated bytes and text through the cipher, in the direction asked for; all but the tag.
// A null pointer means "no text yet" to OpenSSL, so nothing empty is passed on.
bool run(EVP_CIPHER_CTX* context, bool is_sealing, const AeadNonce& nonce, ByteSpan associated,
         ByteSpan in, unsigned char* out) {
  int written = 0;
  if (EVP_CipherInit_ex2(context, nullptr, nullptr, raw(nonce), is_sealing ? 1 : 0, nullptr) != 1)
    return false;
  if (!associated.empty() && EVP_CipherUpdate(context, nullptr, &written, raw(associated),
                                              static_cast<int>(associated.size())) != 1)
    return false;
  return in.empty() ||
         EVP_CipherUpdate(context, out, &written, raw(in), static_cast<int>(in.size())) == 1;
}

}  // namespace

AesGcm::AesGcm(const SecretBytes& key)
    : context_(reinterpret_cast<crypto_internal::AeadContext*>(EVP_CIPHER_CTX_new())) {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  QUOIN_INVARIANT(key.size_bytes() == aead_key_bytes, "AES-256 takes a key of 32 bytes");
  QUOIN_INVARIANT(
      context_ != nullptr && EVP_CipherInit_ex2(as_openssl(context_.get()), cipher,
                                                raw(key.expose_secret()), nullptr, 1, nullptr) == 1,
      "OpenSSL cannot start AES-256-GCM");
}

void AesGcm::seal_into(const AeadNonce& nonce, ByteSpan plaintext, ByteSpan associated,
                       MutableByteSpan out) const {
  QUOIN_INVARIANT(plaintext.size() <= aead_plaintext_max && associated.size() <= aead_plaintext_max,
                  "AES-GCM text above its bound");
  QUOIN_INVARIANT(out.size() == plaintext.size() + aead_tag_bytes, "room for text and tag");
  EVP_CIPHER_CTX* context = as_openssl(context_.get());
  int written = 0;
  unsigned char* tag = raw(out.last(aead_tag_bytes));
  QUOIN_INVARIANT(run(context, true, nonce, associated, plaintext, raw(out)) &&
                      EVP_CipherFinal_ex(context, tag, &written) == 1 && written == 0 &&
                      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG,
                                          static_cast<int>(aead_tag_bytes), tag) == 1,
                  "OpenSSL cannot seal");
}

Bytes AesGcm::seal(const AeadNonce& nonce, ByteSpan plaintext, ByteSpan associated) const {
  Bytes out(plaintext.size() + aead_tag_bytes);
  seal_into(nonce, plaintext, associated, out);
  return out;
}

Status AesGcm::open_into(const AeadNonce& nonce, ByteSpan sealed, ByteSpan associated,
                         MutableByteSpan out) const {
  if (sealed.size() < aead_tag_bytes)
    return fail(ErrorCode::malformed, "a sealed text is shorter than its tag");
  if (sealed.size() - aead_tag_bytes > aead_plaintext_max || associated.size() > aead_plaintext_max)
    return fail(ErrorCode::too_large, "a sealed text exceeds 1 GiB");
  const ByteSpan text = sealed.first(sealed.size() - aead_tag_bytes);
  QUOIN_INVARIANT(out.size() == text.size(), "room for the text");
  EVP_CIPHER_CTX* context = as_openssl(context_.get());
  std::array<unsigned char, aead_tag_bytes> tag;
  std::memcpy(tag.data(), sealed.last(aead_tag_bytes).data(), tag.size());
  std::array<unsigned char, aead_tag_bytes> no_more{};
  int written = 0;
  const bool is_genuine = run(context, false, nonce, associated, text, raw(out)) &&
                          EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG,
                                              static_cast<int>(tag.size()), tag.data()) == 1 &&
                          EVP_CipherFinal_ex(context, no_more.data(), &written) == 1;
  if (is_genuine) return success();
  secure_wipe(out);
  (void)take_openssl_error();
  return fail(ErrorCode::unauthenticated, "a sealed text does not verify under its key");
}

Result<SecretBytes> AesGcm::open(const AeadNonce& nonce, ByteSpan sealed,
                                 ByteSpan associated) const {
  if (sealed.size() < aead_tag_bytes)
    return fail(ErrorCode::malformed, "a sealed text is shorter than its tag");
  if (sealed.size() - aead_tag_bytes > aead_plaintext_max)
    return fail(ErrorCode::too_large, "a sealed text exceeds 1 GiB");
  SecretBytes out = SecretBytes::zeroed(sealed.size() - aead_tag_bytes);
  QUOIN_TRY(open_into(nonce, sealed, associated, out.expose_secret_mutable()));
  return out;
}

}  // namespace quoin
