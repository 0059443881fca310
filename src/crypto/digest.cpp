#include "crypto/digest.hpp"

#include <openssl/evp.h>

namespace quoin {

namespace crypto_internal {

namespace {

EVP_MD_CTX* as_openssl(DigestContext* context) { return reinterpret_cast<EVP_MD_CTX*>(context); }

// Fetched once: an implicit fetch on every start costs more than hashing a short message.
const EVP_MD* digest_of(DigestAlgorithm algorithm) {
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
  static const EVP_MD* const sha384 = EVP_MD_fetch(nullptr, "SHA2-384", nullptr);
  return algorithm == DigestAlgorithm::sha256 ? sha256 : sha384;
}

}  // namespace

void DigestContextDeleter::operator()(DigestContext* context) const {
  EVP_MD_CTX_free(as_openssl(context));
}

RunningDigest::RunningDigest(DigestAlgorithm algorithm)
    : algorithm_(algorithm), context_(reinterpret_cast<DigestContext*>(EVP_MD_CTX_new())) {
  QUOIN_INVARIANT(context_ != nullptr, "OpenSSL has no memory for a digest");
  start();
}

void RunningDigest::start() {
  QUOIN_INVARIANT(
      EVP_DigestInit_ex2(as_openssl(context_.get()), digest_of(algorithm_), nullptr) == 1,
      "OpenSSL cannot start a digest");
}

void RunningDigest::update(ByteSpan bytes) {
  QUOIN_INVARIANT(EVP_DigestUpdate(as_openssl(context_.get()), bytes.data(), bytes.size()) == 1,
                  "OpenSSL cannot go on with a digest");
}

void RunningDigest::finish(MutableByteSpan out) {
  unsigned size = 0;
  QUOIN_INVARIANT(std::cmp_equal(out.size(), EVP_MD_get_size(digest_of(algorithm_))),
                  "a digest of another size");
  QUOIN_INVARIANT(EVP_DigestFinal_ex(as_openssl(context_.get()),
                                     reinterpret_cast<unsigned char*>(out.data()), &size) == 1,
                  "OpenSSL cannot finish a digest");
  start();
}

}  // namespace crypto_internal

Sha256Value sha256(ByteSpan bytes) { return Sha256().update(bytes).finish(); }
Sha384Value sha384(ByteSpan bytes) { return Sha384().update(bytes).finish(); }

}  // namespace quoin
