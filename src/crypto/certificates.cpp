// The certificate authority behind `quoin pki`.
#include "crypto/certificates.hpp"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/openssl_errors.hpp"
#include "crypto/openssl_handles.hpp"

namespace quoin {

namespace {

constexpr std::int64_t clock_tolerance_s = 300;
constexpr std::size_t serial_bytes = 16;

Failure refused(std::string what) {
  return fail(ErrorCode::internal, std::move(what) + " (" + take_openssl_error() + ")");
}

Result<KeyHandle> make_key(SignatureAlgorithm algorithm) {
  EVP_PKEY* key = nullptr;
  switch (algorithm) {
    case SignatureAlgorithm::ecdsa_p384: key = EVP_EC_gen("P-384"); break;
    case SignatureAlgorithm::ed25519: key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"); break;
    case SignatureAlgorithm::ml_dsa_65:
      key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ML-DSA-65");
      break;
  }
  if (key == nullptr) return refused("OpenSSL could not make a key pair");
  return KeyHandle(key);
}

// Ed25519 and ML-DSA hash by themselves.
const EVP_MD* signing_digest(const EVP_PKEY* key) {
  return EVP_PKEY_is_a(key, "EC") == 1 ? EVP_sha384() : nullptr;
}

Status set_serial(X509* certificate, PublicRandom& serials) {
  std::array<std::byte, serial_bytes> bytes;
  serials.fill(bytes);
  bytes[0] = (bytes[0] & std::byte{0x3f}) | std::byte{0x40};  // positive, and always 16 bytes
  using Number = std::unique_ptr<BIGNUM, OpenSslDeleter<BN_free>>;
  const Number number(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                                static_cast<int>(bytes.size()), nullptr));
  if (number == nullptr ||
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr)
    return refused("OpenSSL could not set a serial number");
  return success();
}

Status set_subject(X509* certificate, std::string_view common_name) {
  const unsigned char* text = reinterpret_cast<const unsigned char*>(common_name.data());
  if (X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate), NID_commonName, MBSTRING_UTF8,
                                 text, static_cast<int>(common_name.size()), -1, 0) != 1)
    return refused("OpenSSL could not set the subject");
  return success();
}

Status set_validity(X509* certificate, const Validity& validity) {
  if (validity.not_after_unix_s <= validity.not_before_unix_s || validity.not_before_unix_s < 0)
    return fail(ErrorCode::invalid_argument, "a certificate has to end after it begins",
                "give a number of days of 1 or more");
  if (ASN1_TIME_set(X509_getm_notBefore(certificate), validity.not_before_unix_s) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(certificate), validity.not_after_unix_s) == nullptr)
    return fail(ErrorCode::invalid_argument, "the validity exceeds what a certificate can say",
                "give fewer days");
  return success();
}

// Version, serial, subject, validity and key: what authority and leaf have in common.
Result<CertificateHandle> start_certificate(std::string_view common_name, const Validity& validity,
                                            PublicRandom& serials, EVP_PKEY* key) {
  if (!is_certificate_name(common_name))
    return fail(ErrorCode::invalid_argument, "this cannot be the name in a certificate",
                "use 1 to 64 characters of A-Z a-z 0-9 . _ -");
  CertificateHandle certificate(X509_new());
  if (certificate == nullptr || X509_set_version(certificate.get(), X509_VERSION_3) != 1 ||
      X509_set_pubkey(certificate.get(), key) != 1)
    return refused("OpenSSL could not start a certificate");
  QUOIN_TRY(set_serial(certificate.get(), serials));
  QUOIN_TRY(set_subject(certificate.get(), common_name));
  QUOIN_TRY(set_validity(certificate.get(), validity));
  return certificate;
}

struct Extension {
  int nid;
  std::string value;
};

Status add_extensions(X509* certificate, X509* issuer, const std::vector<Extension>& extensions) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  using Handle = std::unique_ptr<X509_EXTENSION, OpenSslDeleter<X509_EXTENSION_free>>;
  for (const Extension& extension : extensions) {
    const Handle made(
        X509V3_EXT_conf_nid(nullptr, &context, extension.nid, extension.value.c_str()));
    if (made == nullptr || X509_add_ext(certificate, made.get(), -1) != 1)
      return refused("OpenSSL could not add an extension");
  }
  return success();
}

std::string take_pem(BIO* bio) {
  char* start = nullptr;
  const long size = BIO_get_mem_data(bio, &start);
  return {start, static_cast<std::size_t>(size)};
}

Result<IssuedCertificate> sign_and_write(X509* certificate, EVP_PKEY* own_key,
                                         EVP_PKEY* issuer_key) {
  if (X509_sign(certificate, issuer_key, signing_digest(issuer_key)) <= 0)
    return refused("OpenSSL could not sign the certificate");
  const BioHandle certificate_bio(BIO_new(BIO_s_mem()));
  // OpenSSL wipes the memory of its BIOs when it frees them.
  const BioHandle key_bio(BIO_new(BIO_s_secmem()));
  if (certificate_bio == nullptr || key_bio == nullptr ||
      PEM_write_bio_X509(certificate_bio.get(), certificate) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_bio.get(), own_key, nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1)
    return refused("OpenSSL could not write the certificate");
  IssuedCertificate issued;
  issued.certificate_pem = take_pem(certificate_bio.get());
  char* start = nullptr;
  const long size = BIO_get_mem_data(key_bio.get(), &start);
  issued.private_key_pem = SecretBytes::take_and_wipe(
      std::as_writable_bytes(std::span(start, static_cast<std::size_t>(size))));
  return issued;
}

// Names go into OpenSSL's extension text, in which a comma would begin another entry.
Status check_hosts(const ServerHosts& hosts) {
  constexpr std::string_view dns_characters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-*";
  for (const std::string& name : hosts.dns_names)
    if (name.empty() || name.size() > 253 ||
        name.find_first_not_of(dns_characters) != std::string::npos)
      return fail(ErrorCode::invalid_argument, "\"" + name + "\" is no host name",
                  "use letters, digits, dots and hyphens");
  for (const std::string& address : hosts.ip_addresses)
    if (address.empty() || address.size() > 45 ||
        address.find_first_not_of("0123456789abcdefABCDEF.:") != std::string::npos)
      return fail(ErrorCode::invalid_argument, "\"" + address + "\" is no IP address",
                  "write it like 192.0.2.7 or 2001:db8::7");
  return success();
}

std::string alternative_names(const std::string& uri, const ServerHosts& hosts) {
  std::string text = "URI:" + uri;
  for (const std::string& name : hosts.dns_names) text += ",DNS:" + name;
  for (const std::string& address : hosts.ip_addresses) text += ",IP:" + address;
  return text;
}

struct LeafPlan {
  std::string_view name;
  std::string uri;
  std::string extended_key_usage;
  ServerHosts hosts;
};

Result<IssuedCertificate> issue_leaf(const AuthorityFiles& authority, const LeafPlan& plan,
                                     const Validity& validity, PublicRandom& serials,
                                     SignatureAlgorithm algorithm) {
  QUOIN_TRY(check_key_matches(authority.certificate_pem, authority.private_key_pem));
  QUOIN_TAKE(issuer, read_certificate_pem(authority.certificate_pem));
  QUOIN_TAKE(issuer_key, read_private_key_pem(authority.private_key_pem));
  if (X509_check_ca(issuer.get()) != 1)
    return fail(ErrorCode::invalid_argument, "the issuing certificate is no authority",
                "name the files that `quoin pki init` wrote");
  QUOIN_TRY(check_hosts(plan.hosts));
  QUOIN_TAKE(key, make_key(algorithm));
  QUOIN_TAKE(leaf, start_certificate(plan.name, validity, serials, key.get()));
  if (X509_set_issuer_name(leaf.get(), X509_get_subject_name(issuer.get())) != 1)
    return refused("OpenSSL could not set the issuer");
  QUOIN_TRY(add_extensions(leaf.get(), issuer.get(),
                           {{NID_basic_constraints, "critical,CA:FALSE"},
                            {NID_key_usage, "critical,digitalSignature"},
                            {NID_ext_key_usage, plan.extended_key_usage},
                            {NID_subject_key_identifier, "hash"},
                            {NID_authority_key_identifier, "keyid:always"},
                            {NID_subject_alt_name, alternative_names(plan.uri, plan.hosts)}}));
  return sign_and_write(leaf.get(), key.get(), issuer_key.get());
}

}  // namespace

Validity valid_for_days(std::int64_t now_unix_ms, std::uint32_t days) {
  const std::int64_t now_s = now_unix_ms / 1000;
  return {now_s - clock_tolerance_s, now_s + std::int64_t{days} * 86'400};
}

Result<IssuedCertificate> make_certificate_authority(std::string_view name,
                                                     const Validity& validity,
                                                     PublicRandom& serials,
                                                     SignatureAlgorithm algorithm) {
  QUOIN_TAKE(key, make_key(algorithm));
  QUOIN_TAKE(certificate, start_certificate(name, validity, serials, key.get()));
  if (X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get())) != 1)
    return refused("OpenSSL could not set the issuer");
  QUOIN_TRY(add_extensions(certificate.get(), certificate.get(),
                           {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                            {NID_key_usage, "critical,keyCertSign,cRLSign"},
                            {NID_subject_key_identifier, "hash"}}));
  return sign_and_write(certificate.get(), key.get(), key.get());
}

Result<IssuedCertificate> issue_site_certificate(const AuthorityFiles& authority,
                                                 std::string_view site_name,
                                                 const ServerHosts& hosts, const Validity& validity,
                                                 PublicRandom& serials,
                                                 SignatureAlgorithm algorithm) {
  const LeafPlan plan{site_name, "quoin:site:" + std::string(site_name), "serverAuth,clientAuth",
                      hosts};
  return issue_leaf(authority, plan, validity, serials, algorithm);
}

Result<IssuedCertificate> issue_sae_certificate(const AuthorityFiles& authority,
                                                std::string_view sae_name, const Validity& validity,
                                                PublicRandom& serials,
                                                SignatureAlgorithm algorithm) {
  const LeafPlan plan{sae_name, "quoin:sae:" + std::string(sae_name), "clientAuth", {{}, {}}};
  return issue_leaf(authority, plan, validity, serials, algorithm);
}

}  // namespace quoin
