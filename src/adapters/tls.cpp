#include "adapters/tls.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <ctime>

#include "adapters/files.hpp"
#include "crypto/certificates.hpp"

namespace quoin {

namespace {

constexpr int chain_depth_max = 4;
constexpr std::int64_t ms_per_s = 1000;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::string day_text(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &utc);
  return text.data();
}

Failure unusable(const std::string& what, const std::string& cure) {
  ERR_clear_error();
  return fail(ErrorCode::configuration, what, cure);
}

Result<std::string> read_pem(const std::string& path) {
  QUOIN_TAKE(bytes, read_file(path, pem_bytes_max));
  return to_text(bytes);
}

Result<CertificateFacts> check_own_certificate(const std::string& pem, const std::string& path,
                                               std::int64_t wall_unix_ms) {
  auto facts = parse_certificate_pem(pem);
  if (!facts)
    return fail(ErrorCode::malformed, path + " holds no readable certificate",
                "give a PEM file that starts with the certificate, or make one: quoin pki issue");
  const std::int64_t now_s = wall_unix_ms / ms_per_s;
  if (now_s > facts->not_after_unix_s)
    return fail(ErrorCode::configuration,
                "the certificate in " + path + " expired on " + day_text(facts->not_after_unix_s),
                "renew it: quoin pki issue");
  if (now_s < facts->not_before_unix_s)
    return fail(
        ErrorCode::configuration,
        "the certificate in " + path + " is valid only from " + day_text(facts->not_before_unix_s),
        "check this machine's clock, or issue it again: quoin pki issue");
  return facts;
}

Status use_certificate(SSL_CTX* context, const std::string& pem, const std::string& path) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Owned<X509> leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1)
    return unusable("OpenSSL refuses the certificate in " + path,
                    "issue it again: quoin pki issue");
  while (true) {
    Owned<X509> intermediate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!intermediate) break;
    if (SSL_CTX_add0_chain_cert(context, intermediate.get()) != 1)
      return unusable("OpenSSL refuses the chain in " + path, "issue it again: quoin pki issue");
    intermediate.release();  // owned by the context now
  }
  ERR_clear_error();
  return success();
}

// An encrypted key is refused: a prompt would stop a server that nobody watches.
int no_passphrase(char*, int, int, void*) { return -1; }

Status use_key(SSL_CTX* context, const TlsFiles& files) {
  QUOIN_TAKE(pem, read_secret_file(files.key_file, pem_bytes_max));
  const ByteSpan text = pem.expose_secret();
  const Owned<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key)
    return unusable(files.key_file + " holds no readable private key",
                    "give the key's PEM file, without passphrase");
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1)
    return unusable("the key in " + files.key_file + " does not belong to the certificate in " +
                        files.certificate_file,
                    "name the files that were issued together");
  return success();
}

// Only the given authorities; the system's are not consulted.
Status use_authorities(SSL_CTX* context, const std::string& path) {
  QUOIN_TAKE(pem, read_pem(path));
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  std::size_t count = 0;
  while (true) {
    const Owned<X509> authority(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!authority) break;
    if (X509_STORE_add_cert(store, authority.get()) == 1 &&
        SSL_CTX_add_client_CA(context, authority.get()) == 1)
      ++count;
  }
  ERR_clear_error();
  if (count == 0)
    return fail(ErrorCode::configuration, path + " holds no certificate authority",
                "give the authority's PEM file (quoin pki init makes one)");
  return success();
}

// Security rules B6 and architecture section 5: 1.3 only, no tickets, no resumption, no 0-RTT.
bool harden(SSL_CTX* context, TlsPurpose purpose) {
  const char* groups = purpose == TlsPurpose::link ? "X25519MLKEM768" : "X25519MLKEM768:X25519";
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(context, chain_depth_max);
  SSL_CTX_set_max_early_data(context, 0);
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set1_groups_list(context, groups) == 1 &&
         SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") ==
             1 &&
         SSL_CTX_set_num_tickets(context, 0) == 1;
}

}  // namespace

Result<TlsContext> TlsContext::make(TlsPurpose purpose, TlsSide side, const TlsFiles& files,
                                    std::int64_t wall_unix_ms) {
  QUOIN_TAKE(pem, read_pem(files.certificate_file));
  QUOIN_TAKE(facts, check_own_certificate(pem, files.certificate_file, wall_unix_ms));
  const SSL_METHOD* method = side == TlsSide::server ? TLS_server_method() : TLS_client_method();
  TlsContext made;
  made.context_ = std::shared_ptr<SSL_CTX>(SSL_CTX_new(method), SSL_CTX_free);
  if (!made.context_ || !harden(made.context_.get(), purpose)) {
    ERR_clear_error();
    return fail(ErrorCode::configuration, "this OpenSSL lacks TLS 1.3 with X25519MLKEM768",
                "use OpenSSL 3.5 or newer");
  }
  QUOIN_TRY(use_certificate(made.context_.get(), pem, files.certificate_file));
  QUOIN_TRY(use_key(made.context_.get(), files));
  QUOIN_TRY(use_authorities(made.context_.get(), files.ca_file));
  made.purpose_ = purpose;
  made.side_ = side;
  made.own_name_ = site_name_of(facts).value_or(sae_name_of(facts).value_or(""));
  made.own_not_after_unix_ms_ = facts.not_after_unix_s * ms_per_s;
  if (purpose == TlsPurpose::link && !site_name_of(facts))
    return fail(ErrorCode::configuration,
                "the certificate in " + files.certificate_file +
                    " names no site (subject alternative name URI quoin:site:NAME)",
                "issue a site certificate: quoin pki issue");
  return made;
}

}  // namespace quoin
