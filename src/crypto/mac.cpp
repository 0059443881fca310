#include "crypto/mac.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>

namespace quoin {

namespace crypto_internal {

namespace {
EVP_MAC_CTX* as_openssl(MacContext* context) { return reinterpret_cast<EVP_MAC_CTX*>(context); }
}  // namespace

void MacContextDeleter::operator()(MacContext* context) const {
  EVP_MAC_CTX_free(as_openssl(context));
}

}  // namespace crypto_internal

using crypto_internal::as_openssl;

namespace {

EVP_MAC* hmac_algorithm() {
  static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  return hmac;
}

}  // namespace

HmacSha384::HmacSha384(ByteSpan key)
    : context_(reinterpret_cast<crypto_internal::MacContext*>(EVP_MAC_CTX_new(hmac_algorithm()))) {
  QUOIN_INVARIANT(context_ != nullptr, "OpenSSL has no memory for an HMAC");
  char digest[] = "SHA2-384";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  // OpenSSL takes a null key for "the key of before": an empty key needs an address of its own.
  static constexpr unsigned char no_key[1] = {};
  const unsigned char* bytes =
      key.empty() ? no_key : reinterpret_cast<const unsigned char*>(key.data());
  QUOIN_INVARIANT(EVP_MAC_init(as_openssl(context_.get()), bytes, key.size(), parameters) == 1,
                  "OpenSSL cannot start an HMAC");
}

HmacSha384& HmacSha384::update(ByteSpan bytes) {
  QUOIN_INVARIANT(
      EVP_MAC_update(as_openssl(context_.get()),
                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) == 1,
      "OpenSSL cannot go on with an HMAC");
  return *this;
}

Hmac384Value HmacSha384::finish() {
  Hmac384Value value;
  std::size_t size = 0;
  QUOIN_INVARIANT(
      EVP_MAC_final(as_openssl(context_.get()), reinterpret_cast<unsigned char*>(value.data()),
                    &size, value.size()) == 1 &&
          size == value.size(),
      "OpenSSL cannot finish an HMAC");
  QUOIN_INVARIANT(EVP_MAC_init(as_openssl(context_.get()), nullptr, 0, nullptr) == 1,
                  "OpenSSL cannot restart an HMAC");
  return value;
}

Hmac384Value hmac_sha384(ByteSpan key, ByteSpan message) {
  return HmacSha384(key).update(message).finish();
}

}  // namespace quoin
