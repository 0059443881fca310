// OpenSSL's objects with an owner, and reading them from PEM. For src/crypto and src/adapters only.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string_view>

#include "core/secret.hpp"

namespace quoin {

template <auto free_function>
struct OpenSslDeleter {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using BioHandle = std::unique_ptr<BIO, OpenSslDeleter<BIO_free_all>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, OpenSslDeleter<EVP_PKEY_free>>;
using CertificateHandle = std::unique_ptr<X509, OpenSslDeleter<X509_free>>;

// A read-only view as a BIO. `bytes` outlives it and has at most pem_bytes_max.
BioHandle view_bio(ByteSpan bytes);
// malformed: not the PEM it should be; a key that asks for a passphrase is refused, never asked
// for.
Result<CertificateHandle> read_certificate_pem(std::string_view pem);
Result<KeyHandle> read_private_key_pem(const SecretBytes& pem);

}  // namespace quoin
