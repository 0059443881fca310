// Reading certificates and keys.
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "crypto/certificates.hpp"
#include "crypto/openssl_errors.hpp"
#include "crypto/openssl_handles.hpp"

namespace quoin {

namespace {

constexpr int names_max = 64;
constexpr std::size_t name_bytes_max = 256;
constexpr std::string_view site_prefix = "quoin:site:";
constexpr std::string_view own_prefix = "quoin:";
constexpr std::string_view sae_prefix = "quoin:sae:";

int refuse_passphrase(char*, int, int, void*) { return -1; }

Failure unreadable(std::string what, std::string cure) {
  return fail(ErrorCode::malformed, std::move(what) + " (" + take_openssl_error() + ")",
              std::move(cure));
}

// A zero byte or control character in a name is how one name is passed off as another.
Result<std::string> clean_text(const unsigned char* bytes, int size) {
  if (bytes == nullptr || size < 0 || static_cast<std::size_t>(size) > name_bytes_max)
    return fail(ErrorCode::malformed, "a name in the certificate is longer than 256 bytes");
  std::string text(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  if (std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return fail(ErrorCode::malformed, "a name in the certificate has control characters");
  return text;
}

Result<std::string> common_name_of(const X509_NAME* name) {
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return std::string();
  unsigned char* utf8 = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
  Result<std::string> text = clean_text(utf8, size);
  OPENSSL_free(utf8);
  return text;
}

Status add_name(const GENERAL_NAME& name, CertificateFacts& facts) {
  if (name.type != GEN_URI && name.type != GEN_DNS) return success();
  const ASN1_STRING* value = name.d.ia5;
  QUOIN_TAKE(text, clean_text(ASN1_STRING_get0_data(value), ASN1_STRING_length(value)));
  (name.type == GEN_URI ? facts.uris : facts.dns_names).push_back(std::move(text));
  return success();
}

Status read_alternative_names(const X509* certificate, CertificateFacts& facts) {
  using Names = std::unique_ptr<GENERAL_NAMES, OpenSslDeleter<GENERAL_NAMES_free>>;
  int found = 0;
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, &found, nullptr)));
  if (names == nullptr) {
    if (found == -1) return success();  // no such extension
    return unreadable("the alternative names of the certificate do not decode", "");
  }
  const int count = sk_GENERAL_NAME_num(names.get());
  if (count > names_max)
    return fail(ErrorCode::too_large, "the certificate has more than 64 alternative names");
  for (int i = 0; i < count; ++i)
    QUOIN_TRY(add_name(*sk_GENERAL_NAME_value(names.get(), i), facts));
  return success();
}

Result<std::int64_t> unix_seconds(const ASN1_TIME* time) {
  std::tm broken_down{};
  if (ASN1_TIME_to_tm(time, &broken_down) != 1)
    return unreadable("a date in the certificate does not decode", "");
  return static_cast<std::int64_t>(timegm(&broken_down));
}

std::string serial_text(const X509* certificate) {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
  const unsigned char* bytes = ASN1_STRING_get0_data(serial);
  return to_hex(
      std::as_bytes(std::span(bytes, static_cast<std::size_t>(ASN1_STRING_length(serial)))));
}

Result<Sha256Value> key_fingerprint(const X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return unreadable("the public key of the certificate does not encode", "");
  const Sha256Value value = sha256(std::as_bytes(std::span(der, static_cast<std::size_t>(size))));
  OPENSSL_free(der);
  return value;
}

Result<CertificateFacts> read_facts(X509* certificate) {
  CertificateFacts facts;
  QUOIN_TAKE(common_name, common_name_of(X509_get_subject_name(certificate)));
  QUOIN_TAKE(issuer_name, common_name_of(X509_get_issuer_name(certificate)));
  QUOIN_TAKE(not_before, unix_seconds(X509_get0_notBefore(certificate)));
  QUOIN_TAKE(not_after, unix_seconds(X509_get0_notAfter(certificate)));
  QUOIN_TAKE(fingerprint, key_fingerprint(certificate));
  QUOIN_TRY(read_alternative_names(certificate, facts));
  facts.common_name = std::move(common_name);
  facts.issuer_name = std::move(issuer_name);
  facts.not_before_unix_s = not_before;
  facts.not_after_unix_s = not_after;
  facts.spki_sha256 = fingerprint;
  facts.serial_hex = serial_text(certificate);
  facts.is_authority = X509_check_ca(certificate) == 1;
  return facts;
}

std::optional<std::string> first_with_prefix(const std::vector<std::string>& uris,
                                             std::string_view prefix) {
  for (const std::string& uri : uris) {
    if (!uri.starts_with(prefix)) continue;
    std::string name = uri.substr(prefix.size());
    if (is_certificate_name(name)) return name;
  }
  return std::nullopt;
}

}  // namespace

bool is_certificate_name(std::string_view name) {
  constexpr std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= certificate_name_max &&
         name.find_first_not_of(allowed) == std::string_view::npos;
}

BioHandle view_bio(ByteSpan bytes) {
  QUOIN_INVARIANT(bytes.size() <= pem_bytes_max, "PEM text above its bound");
  BioHandle bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
  QUOIN_INVARIANT(bio != nullptr, "OpenSSL has no memory");
  return bio;
}

Result<CertificateHandle> read_certificate_pem(std::string_view pem) {
  if (pem.size() > pem_bytes_max)
    return fail(ErrorCode::too_large, "a certificate file exceeds 64 KiB");
  const BioHandle bio = view_bio(as_bytes(pem));
  CertificateHandle certificate(PEM_read_bio_X509(bio.get(), nullptr, refuse_passphrase, nullptr));
  if (certificate == nullptr)
    return unreadable("this is not a certificate in PEM form",
                      "it has to hold -----BEGIN CERTIFICATE-----");
  return certificate;
}

Result<KeyHandle> read_private_key_pem(const SecretBytes& pem) {
  if (pem.size_bytes() > pem_bytes_max)
    return fail(ErrorCode::too_large, "a private key file exceeds 64 KiB");
  const BioHandle bio = view_bio(pem.expose_secret());
  KeyHandle key(PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_passphrase, nullptr));
  if (key == nullptr)
    return unreadable("this is not an unencrypted private key in PEM form",
                      "it has to hold -----BEGIN PRIVATE KEY-----");
  return key;
}

Result<CertificateFacts> parse_certificate_pem(std::string_view pem) {
  QUOIN_TAKE(certificate, read_certificate_pem(pem));
  return read_facts(certificate.get());
}

Result<CertificateFacts> parse_certificate_der(ByteSpan der) {
  if (der.size() > pem_bytes_max) return fail(ErrorCode::too_large, "a certificate exceeds 64 KiB");
  const unsigned char* at = reinterpret_cast<const unsigned char*>(der.data());
  const CertificateHandle certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (certificate == nullptr) return unreadable("this is not a certificate in DER form", "");
  return read_facts(certificate.get());
}

std::optional<std::string> site_name_of(const CertificateFacts& facts) {
  return first_with_prefix(facts.uris, site_prefix);
}

std::optional<std::string> sae_name_of(const CertificateFacts& facts) {
  // A certificate that speaks Quoin's own language is taken at its word, or not at all: one
  // quoin:sae name makes an application; a site's certificate, or two names, makes none.
  std::size_t own_uris = 0;
  for (const std::string& uri : facts.uris) own_uris += uri.starts_with(own_prefix) ? 1U : 0U;
  if (own_uris > 0) return own_uris == 1 ? first_with_prefix(facts.uris, sae_prefix) : std::nullopt;
  if (!facts.dns_names.empty()) return facts.dns_names.front();
  if (!facts.common_name.empty()) return facts.common_name;
  return std::nullopt;
}

std::string fingerprint_text(const Sha256Value& fingerprint) {
  std::string text;
  for (const std::byte byte : fingerprint) {
    if (!text.empty()) text.push_back(':');
    text += to_hex(ByteSpan(&byte, 1));
  }
  return text;
}

Status check_key_matches(std::string_view certificate_pem, const SecretBytes& private_key_pem) {
  QUOIN_TAKE(certificate, read_certificate_pem(certificate_pem));
  QUOIN_TAKE(key, read_private_key_pem(private_key_pem));
  if (X509_check_private_key(certificate.get(), key.get()) == 1) return success();
  (void)take_openssl_error();
  return fail(ErrorCode::conflict, "the private key does not belong to the certificate",
              "name the key file that was made together with this certificate");
}

}  // namespace quoin
