#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "adapters/tls.hpp"
#include "crypto/certificates.hpp"

namespace quoin {

namespace {

constexpr std::string_view exporter_label = "EXPORTER-quoin-link";
constexpr std::size_t exporter_bytes = 64;
constexpr std::size_t bio_piece_max = std::size_t{1} << 30;

struct Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};

Failure refused(std::string message, std::string cure) {
  return fail(ErrorCode::unauthenticated, std::move(message), std::move(cure));
}

// Why we refuse the peer's certificate.
Failure explain_verification(long result) {
  switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return refused("the peer's certificate, or its authority's, has expired",
                     "renew it there: quoin pki issue");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return refused("the peer's certificate is not valid yet", "compare the clocks of both sides");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return refused("the peer's certificate comes from an authority that is not trusted here",
                     "both sides need the same CA file, or each the other's");
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return refused("the server's certificate is for another host name",
                     "connect by a name in its certificate, or issue it for this one");
    default:
      return refused(std::string("the peer's certificate does not verify: ") +
                         X509_verify_cert_error_string(result),
                     "issue it again: quoin pki issue");
  }
}

// What the peer's alert says about us.
Failure explain_alert(int reason) {
  switch (reason) {
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return refused("the other side says that our certificate has expired",
                     "renew it: quoin pki issue, or compare the clocks");
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return refused("the other side does not trust the authority of our certificate",
                     "both sides need the same CA file, or each the other's");
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return refused("the other side wants a certificate and we sent none",
                     "configure certificate and key");
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
      return refused("the other side refuses our certificate",
                     "it may expect another name; compare the names configured on both sides");
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
      return refused("the other side shares no TLS parameters with us",
                     "both need TLS 1.3 with X25519MLKEM768 (OpenSSL 3.5)");
    default: return refused("", "");
  }
}

// Failures of the TLS machinery itself, and alerts of the peer.
Failure explain_reason(unsigned long code) {
  const int reason = ERR_GET_REASON(code);
  if (Failure alert = explain_alert(reason); !alert.error.message.empty()) return alert;
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return refused("the other side sent no certificate", "configure certificate and key there");
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_SHARED_CIPHER:
      return refused("the other side offers no TLS parameters that we accept",
                     "both need TLS 1.3 with X25519MLKEM768 (OpenSSL 3.5)");
    case SSL_R_HTTP_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LAYER_FAILURE:
      return refused("the other side does not speak TLS", "check the port");
    default: break;
  }
  const char* text = ERR_reason_error_string(code);
  return refused(std::string("TLS failed: ") + (text == nullptr ? "unknown reason" : text), {});
}

Status set_expected_host(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1) return success();
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size()) != 1 ||
      SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
               const_cast<char*>(host.c_str())) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::invalid_argument, "\"" + host + "\" is no host name");
  }
  return success();
}

Result<CertificateFacts> facts_of(X509* certificate) {
  if (certificate == nullptr)
    return refused("the other side sent no certificate", "configure certificate and key there");
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  if (size <= 0) return refused("the peer's certificate cannot be read", {});
  const Bytes bytes(reinterpret_cast<std::byte*>(der), reinterpret_cast<std::byte*>(der) + size);
  OPENSSL_free(der);
  return parse_certificate_der(bytes);
}

}  // namespace

struct TlsSession::NameCheck {
  TlsExpectation expected;
  std::string found_site;

  Failure mismatch() const {
    const std::string who = found_site.empty() ? "no site" : "site " + found_site;
    return refused("the peer is " + who + ", but site " + expected.site + " is expected",
                   "compare the peer's name in the configuration with its certificate "
                   "(URI quoin:site:NAME)");
  }
};

// Part of verification, so that a peer of another name gets an alert instead of silence.
int TlsSession::verify_name(int chain_is_good, x509_store_ctx_st* verification) {
  if (chain_is_good != 1 || X509_STORE_CTX_get_error_depth(verification) != 0) return chain_is_good;
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* check = static_cast<NameCheck*>(SSL_get_ex_data(ssl, 0));
  if (check->expected.site.empty()) return 1;
  const auto facts = facts_of(X509_STORE_CTX_get_current_cert(verification));
  if (facts) check->found_site = site_name_of(*facts).value_or("");
  if (check->found_site == check->expected.site) return 1;
  X509_STORE_CTX_set_error(verification, X509_V_ERR_CERT_REJECTED);
  return 0;
}

// Takes the first error of OpenSSL's queue and empties it.
Status TlsSession::explain_failure() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (ERR_GET_REASON(code) != SSL_R_CERTIFICATE_VERIFY_FAILED) return explain_reason(code);
  const long result = SSL_get_verify_result(ssl_.get());
  if (result == X509_V_ERR_CERT_REJECTED) return name_check_->mismatch();
  return explain_verification(result);
}

void TlsSession::Deleter::operator()(ssl_st* ssl) const { SSL_free(ssl); }

TlsSession::TlsSession() = default;
TlsSession::TlsSession(TlsSession&&) noexcept = default;
TlsSession& TlsSession::operator=(TlsSession&&) noexcept = default;
TlsSession::~TlsSession() = default;

Result<TlsSession> TlsSession::make(const TlsContext& context, const TlsExpectation& expected) {
  if (context.purpose() == TlsPurpose::link && expected.site.empty())
    return fail(ErrorCode::invalid_argument, "a link needs the name of its peer site",
                "set the peer's name in the configuration");
  TlsSession session;
  session.context_ = context;
  session.name_check_ = std::make_unique<NameCheck>(expected, std::string());
  session.ssl_.reset(SSL_new(context.native()));
  std::unique_ptr<BIO, Free> in(BIO_new(BIO_s_mem()));
  std::unique_ptr<BIO, Free> out(BIO_new(BIO_s_mem()));
  if (!session.ssl_ || !in || !out)
    return fail(ErrorCode::exhausted, "no memory for a TLS session");
  // An empty memory BIO means "come back later", not the end of the stream.
  BIO_set_mem_eof_return(in.get(), -1);
  BIO_set_mem_eof_return(out.get(), -1);
  SSL_set_bio(session.ssl_.get(), in.release(), out.release());
  SSL_set_ex_data(session.ssl_.get(), 0, session.name_check_.get());
  SSL_set_verify(session.ssl_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                 &TlsSession::verify_name);
  if (!expected.host.empty()) QUOIN_TRY(set_expected_host(session.ssl_.get(), expected.host));
  if (context.side() == TlsSide::server) {
    SSL_set_accept_state(session.ssl_.get());
  } else {
    SSL_set_connect_state(session.ssl_.get());
  }
  QUOIN_TRY(session.advance_handshake());
  return session;
}

Status TlsSession::feed(ByteSpan from_network) {
  BIO* in = SSL_get_rbio(ssl_.get());
  while (!from_network.empty()) {
    const int piece = static_cast<int>(std::min(from_network.size(), bio_piece_max));
    const int taken = BIO_write(in, from_network.data(), piece);
    if (taken <= 0) return fail(ErrorCode::exhausted, "no memory for TLS input");
    from_network = from_network.subspan(static_cast<std::size_t>(taken));
  }
  return is_established() ? success() : advance_handshake();
}

Status TlsSession::advance_handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return assert_outcome();
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return success();
  return explain_failure();
}

// The configuration should make other outcomes impossible; a mistake in it must not pass silently.
Status TlsSession::assert_outcome() {
  const SSL* ssl = ssl_.get();
  const char* negotiated = SSL_get0_group_name(ssl_.get());
  const std::string group = negotiated == nullptr ? "" : negotiated;
  const bool is_hybrid = group == "X25519MLKEM768";
  const bool is_group_allowed =
      is_hybrid || (context_.purpose() == TlsPurpose::delivery && group == "x25519");
  if (SSL_version(ssl) != TLS1_3_VERSION || !is_group_allowed ||
      SSL_session_reused(ssl_.get()) != 0 || SSL_get_verify_result(ssl) != X509_V_OK)
    return refused("TLS agreed on parameters that are not configured (" + group + ")",
                   "both sides need TLS 1.3 with X25519MLKEM768");
  const std::unique_ptr<X509, Free> certificate(SSL_get1_peer_certificate(ssl));
  QUOIN_TAKE(facts, facts_of(certificate.get()));
  TlsPeer peer;
  peer.site = site_name_of(facts).value_or("");
  peer.sae = sae_name_of(facts).value_or("");
  peer.key_exchange = is_hybrid ? group : "X25519";
  peer.cipher = SSL_get_cipher_name(ssl);
  peer.spki_sha256 = to_hex(facts.spki_sha256);
  if (!name_check_->expected.site.empty() && peer.site != name_check_->expected.site)
    return name_check_->mismatch();
  peer_ = std::move(peer);
  return success();
}

Bytes TlsSession::take_output() {
  BIO* out = SSL_get_wbio(ssl_.get());
  Bytes bytes(BIO_ctrl_pending(out));
  if (bytes.empty()) return bytes;
  const int taken = BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  bytes.resize(taken > 0 ? static_cast<std::size_t>(taken) : 0);
  return bytes;
}

bool TlsSession::has_output() const { return BIO_ctrl_pending(SSL_get_wbio(ssl_.get())) > 0; }

const TlsPeer& TlsSession::peer() const {
  QUOIN_INVARIANT(peer_.has_value(), "the peer of a TLS session that is not established");
  return *peer_;
}

Result<SecretBytes> TlsSession::exporter(ByteSpan context) const {
  QUOIN_INVARIANT(peer_.has_value(), "the exporter of a TLS session that is not established");
  SecretBytes out = SecretBytes::zeroed(exporter_bytes);
  const int done = SSL_export_keying_material(
      ssl_.get(), reinterpret_cast<unsigned char*>(out.expose_secret_mutable().data()),
      out.size_bytes(), exporter_label.data(), exporter_label.size(),
      reinterpret_cast<const unsigned char*>(context.data()), context.size(), 1);
  if (done == 1) return out;
  ERR_clear_error();
  return fail(ErrorCode::internal, "TLS exports no key material");
}

Result<std::size_t> TlsSession::read(MutableByteSpan out) {
  if (!is_established() || out.empty()) return std::size_t{0};
  ERR_clear_error();
  std::size_t got = 0;
  if (SSL_read_ex(ssl_.get(), out.data(), out.size(), &got) == 1) return got;
  switch (SSL_get_error(ssl_.get(), 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
    case SSL_ERROR_ZERO_RETURN: return std::size_t{0};
    default: return explain_failure().failure();
  }
}

Status TlsSession::write(ByteSpan plaintext) {
  QUOIN_INVARIANT(is_established(), "write() before the TLS session is established");
  if (plaintext.empty()) return success();
  ERR_clear_error();
  std::size_t put = 0;
  // The memory BIO takes everything, so a write is never partial.
  if (SSL_write_ex(ssl_.get(), plaintext.data(), plaintext.size(), &put) == 1 &&
      put == plaintext.size())
    return success();
  return explain_failure();
}

void TlsSession::finish() {
  if (is_established()) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

bool TlsSession::is_finished_by_peer() const {
  return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

}  // namespace quoin
