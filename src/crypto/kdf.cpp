#include "crypto/kdf.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <memory>

namespace quoin {

namespace {

struct KdfContextDeleter {
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

// OpenSSL's parameters are not const, though it only reads them.
OSSL_PARAM octets(const char* name, ByteSpan bytes) {
  static constexpr std::byte nothing{};
  std::byte* start = const_cast<std::byte*>(bytes.empty() ? &nothing : bytes.data());
  return OSSL_PARAM_construct_octet_string(name, start, bytes.size());
}

}  // namespace

SecretBytes hkdf(DigestAlgorithm algorithm, ByteSpan secret, ByteSpan salt, ByteSpan info,
                 std::size_t size) {
  static EVP_KDF* const kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  const std::size_t digest_bytes = algorithm == DigestAlgorithm::sha256 ? 32 : 48;
  QUOIN_INVARIANT(size > 0 && size <= 255 * digest_bytes, "HKDF gives 1 to 255 blocks");
  const std::unique_ptr<EVP_KDF_CTX, KdfContextDeleter> context(EVP_KDF_CTX_new(kdf));
  QUOIN_INVARIANT(context != nullptr, "OpenSSL has no memory for HKDF");
  char sha256[] = "SHA2-256";
  char sha384[] = "SHA2-384";
  char* digest = algorithm == DigestAlgorithm::sha256 ? sha256 : sha384;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      octets(OSSL_KDF_PARAM_KEY, secret), octets(OSSL_KDF_PARAM_SALT, salt),
      octets(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  SecretBytes out = SecretBytes::zeroed(size);
  unsigned char* bytes = reinterpret_cast<unsigned char*>(out.expose_secret_mutable().data());
  QUOIN_INVARIANT(EVP_KDF_derive(context.get(), bytes, size, parameters) == 1,
                  "OpenSSL cannot derive a key");
  return out;
}

SecretBytes hkdf_sha384(ByteSpan secret, ByteSpan salt, std::string_view label,
                        std::initializer_list<ByteSpan> parts, std::size_t size) {
  ByteWriter info;
  info.text("quoin/1").text(label);
  for (const ByteSpan part : parts) info.prefixed(part);
  info.u32(static_cast<std::uint32_t>(parts.size()));
  return hkdf(DigestAlgorithm::sha384, secret, salt, info.bytes(), size);
}

}  // namespace quoin
