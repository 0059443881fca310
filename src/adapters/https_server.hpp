// Mutual-TLS server for byte conversations (the 014 delivery interface). Speaks no HTTP itself:
// each connection feeds a sans-I/O conversation made by the factory for the authenticated client.
// Loop thread only.
#pragma once

#include <functional>
#include <memory>

#include "adapters/event_loop.hpp"
#include "adapters/tls.hpp"

namespace quoin {

struct ConversationOutput {
  SecretBytes bytes;      // to send; wiped after it is encrypted
  bool keep_open = true;  // false: close once sent
};

// One connection, above TLS.
class ByteConversation {
 public:
  virtual ~ByteConversation() = default;
  virtual ConversationOutput feed(ByteSpan bytes, Instant now) = 0;
  // Something changed (wake callback, HttpsServer::wake_all, or deadline() passed).
  virtual ConversationOutput wake(Instant now) = 0;
  // When wake() is needed at the latest: a deferred answer's time limit.
  virtual std::optional<Instant> deadline() const { return std::nullopt; }
  // A request has been received whole and its answer is pending: the client is not to blame for the
  // silence, and no time-out applies but deadline().
  virtual bool is_answering() const { return false; }
};

// `wake` may be called on the loop thread at any time, also after the connection is gone.
using ConversationFactory = std::move_only_function<std::unique_ptr<ByteConversation>(
    const TlsPeer& client, std::function<void()> wake)>;

struct HttpsServerConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t connections_max = 256;
  std::size_t queue_bytes_max = std::size_t{4} << 20;  // unsent output per connection
  std::int64_t handshake_timeout_ms = 10'000;
  // A connection that has not sent a whole request this long after the last answer is closed: idle
  // and slow-loris alike.
  std::int64_t request_timeout_ms = 30'000;
};

class HttpsServer {
 public:
  // configuration: port in use or address not of this machine; context of another purpose.
  static Result<std::unique_ptr<HttpsServer>> start(EventLoop& loop, TlsContext context,
                                                    HttpsServerConfig config,
                                                    ConversationFactory factory);
  ~HttpsServer();
  HttpsServer(const HttpsServer&) = delete;
  HttpsServer& operator=(const HttpsServer&) = delete;

  std::uint16_t port() const;
  std::size_t connections() const;
  // wake() on every conversation: the key store changed.
  void wake_all();
  // For the operator's log: handshake failures and time-outs, at most as text.
  void on_refused(std::move_only_function<void(const Error&, const std::string& address)> fn);

 private:
  struct Impl;
  explicit HttpsServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace quoin
