// TLS 1.3 over OpenSSL 3.5, without sockets: contexts (who we are, whom we trust) and sessions
// (bytes in, bytes out). After a handshake a session asserts what was configured: version,
// key-exchange group, the peer's certificate and name. No tickets, no resumption, no 0-RTT
// anywhere. Contexts may be shared by threads, a session belongs to one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/ports.hpp"

struct ssl_ctx_st;
struct ssl_st;
struct x509_store_ctx_st;

namespace quoin {

// Two kinds of connection, each with its own listener (security rule B6).
enum class TlsPurpose : std::uint8_t {
  link,      // site to site: X25519MLKEM768 only
  delivery,  // KME to application: X25519MLKEM768, then X25519
};
enum class TlsSide : std::uint8_t { client, server };

// PEM files. The certificate file holds the leaf first, then any intermediates.
struct TlsFiles {
  std::string certificate_file;
  std::string key_file;  // must not be readable by others
  std::string ca_file;   // the only authorities that are trusted
};

class TlsContext {
 public:
  // Errors (all configuration, not_found or malformed, naming the file and the cure): missing file,
  // key file readable by others, key of another certificate, certificate expired or not yet valid
  // at `wall_unix_ms`, empty CA file.
  static Result<TlsContext> make(TlsPurpose purpose, TlsSide side, const TlsFiles& files,
                                 std::int64_t wall_unix_ms);

  TlsPurpose purpose() const { return purpose_; }
  TlsSide side() const { return side_; }
  // Name of our own certificate by the rule of peer_identity below.
  const std::string& own_name() const { return own_name_; }
  std::int64_t own_not_after_unix_ms() const { return own_not_after_unix_ms_; }
  ssl_ctx_st* native() const { return context_.get(); }

 private:
  std::shared_ptr<ssl_ctx_st> context_;
  TlsPurpose purpose_ = TlsPurpose::link;
  TlsSide side_ = TlsSide::client;
  std::string own_name_;
  std::int64_t own_not_after_unix_ms_ = 0;
};

// What an established session proved about the peer.
struct TlsPeer {
  std::string site;          // SAN URI quoin:site:NAME, else empty
  std::string sae;           // SAN URI quoin:sae:NAME, else first SAN DNS, else CN; else empty
  std::string key_exchange;  // "X25519MLKEM768"
  std::string cipher;        // "TLS_AES_256_GCM_SHA384"
  std::string spki_sha256;   // hex, of the peer's public key
};

// What the peer must be called. All that are given must hold.
struct TlsExpectation {
  std::string site;  // SAN URI quoin:site:NAME must be there; mandatory for TlsPurpose::link
  std::string host;  // DNS name or IP address of the server, checked against its SAN
};

class TlsSession {
 public:
  static Result<TlsSession> make(const TlsContext& context, const TlsExpectation& expected);
  TlsSession(TlsSession&&) noexcept;
  TlsSession& operator=(TlsSession&&) noexcept;
  ~TlsSession();

  // Bytes from the network; drives the handshake. A failure ends the session: send take_output()
  // (the alert), then close. The text names what is wrong on whose side and the cure.
  Status feed(ByteSpan from_network);
  // Bytes for the network: take them after make(), feed(), write() and finish().
  Bytes take_output();
  bool has_output() const;

  bool is_established() const { return peer_.has_value(); }
  // Only when established.
  const TlsPeer& peer() const;
  // 64 bytes, RFC 8446 section 7.5, label "EXPORTER-quoin-link". Only when established.
  Result<SecretBytes> exporter(ByteSpan context) const;

  // Received plaintext, up to out.size() bytes; 0 when there is none now.
  Result<std::size_t> read(MutableByteSpan out);
  // Only when established.
  Status write(ByteSpan plaintext);
  // Sends close_notify.
  void finish();
  // The peer sent close_notify: an end of the network stream without it is a truncation.
  bool is_finished_by_peer() const;

 private:
  struct NameCheck;
  TlsSession();
  static int verify_name(int chain_is_good, x509_store_ctx_st* verification);
  Status explain_failure();
  Status advance_handshake();
  Status assert_outcome();

  struct Deleter {
    void operator()(ssl_st* ssl) const;
  };
  std::unique_ptr<ssl_st, Deleter> ssl_;
  TlsContext context_;
  std::unique_ptr<NameCheck> name_check_;  // OpenSSL's callback points to it
  std::optional<TlsPeer> peer_;
};

}  // namespace quoin
