// X.509 certificates (RFC 5280): the small certificate authority behind `quoin pki`, and reading
// the names in a certificate. For src/adapters (TLS identities) and src/apps.
//
// Names live in the subject alternative name: URI quoin:site:NAME for a site, quoin:sae:NAME for an
// application (SAE). NAME is 1 to 64 characters of A-Z a-z 0-9 . _ -
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports.hpp"
#include "crypto/digest.hpp"

namespace quoin {

// Longest PEM text that is looked at; a P-384 certificate has about 1 KiB, ML-DSA-87 about 10.
constexpr std::size_t pem_bytes_max = 64 * 1024;
constexpr std::size_t certificate_name_max = 64;

bool is_certificate_name(std::string_view name);

enum class SignatureAlgorithm : std::uint8_t { ecdsa_p384 = 1, ed25519 = 2, ml_dsa_65 = 3 };

struct Validity {
  std::int64_t not_before_unix_s = 0;
  std::int64_t not_after_unix_s = 0;
};
// From five minutes before `now_unix_ms` (clocks differ) for `days` days.
Validity valid_for_days(std::int64_t now_unix_ms, std::uint32_t days);

struct IssuedCertificate {
  std::string certificate_pem;
  SecretBytes private_key_pem;  // PKCS #8, not encrypted: write it with mode 0600
};

// Where a server is reached; goes into its certificate beside its name.
struct ServerHosts {
  std::vector<std::string> dns_names = {"localhost"};
  std::vector<std::string> ip_addresses = {"127.0.0.1"};
};

// A self-signed authority that may sign leaves only (path length 0). invalid_argument: bad name or
// validity.
Result<IssuedCertificate> make_certificate_authority(
    std::string_view name, const Validity& validity, PublicRandom& serials,
    SignatureAlgorithm algorithm = SignatureAlgorithm::ecdsa_p384);

// The signing side of an authority, read from its PEM files.
struct AuthorityFiles {
  std::string_view certificate_pem;
  const SecretBytes& private_key_pem;
};

// A site's certificate: client and server, URI quoin:site:NAME.
Result<IssuedCertificate> issue_site_certificate(
    const AuthorityFiles& authority, std::string_view site_name, const ServerHosts& hosts,
    const Validity& validity, PublicRandom& serials,
    SignatureAlgorithm algorithm = SignatureAlgorithm::ecdsa_p384);
// An application's certificate: client only, URI quoin:sae:NAME.
Result<IssuedCertificate> issue_sae_certificate(
    const AuthorityFiles& authority, std::string_view sae_name, const Validity& validity,
    PublicRandom& serials, SignatureAlgorithm algorithm = SignatureAlgorithm::ecdsa_p384);

// What a certificate says. Reading is no judgement: trust comes from verifying the chain.
struct CertificateFacts {
  std::string common_name;  // first CN of the subject; empty if none
  std::string issuer_name;  // first CN of the issuer
  std::vector<std::string> uris;
  std::vector<std::string> dns_names;
  std::string serial_hex;
  std::int64_t not_before_unix_s = 0;
  std::int64_t not_after_unix_s = 0;
  bool is_authority = false;
  Sha256Value spki_sha256{};  // of the DER-encoded SubjectPublicKeyInfo
};
// malformed: no certificate in it, or names with control characters; too_large.
Result<CertificateFacts> parse_certificate_pem(std::string_view pem);
Result<CertificateFacts> parse_certificate_der(ByteSpan der);

// NAME of the first URI quoin:site:NAME.
std::optional<std::string> site_name_of(const CertificateFacts& facts);
// SAE identity: URI quoin:sae:NAME, else the first DNS name, else the common name.
std::optional<std::string> sae_name_of(const CertificateFacts& facts);
// "3f:a2:..." for people to compare.
std::string fingerprint_text(const Sha256Value& fingerprint);
// conflict when the private key belongs to another certificate; malformed when either is
// unreadable.
Status check_key_matches(std::string_view certificate_pem, const SecretBytes& private_key_pem);

}  // namespace quoin
