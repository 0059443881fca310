// A TLS session on a TCP connection of the event loop. Loop thread only; the rules of ByteStream
// for callbacks hold.
#pragma once

#include "adapters/byte_stream.hpp"
#include "adapters/tls.hpp"

namespace quoin {

class TlsStream {
 public:
  struct Callbacks {
    std::move_only_function<void(const TlsPeer&)> on_established;
    std::move_only_function<void(ByteSpan)> on_bytes;
    // The peer ended its direction with close_notify.
    std::move_only_function<void()> on_finished_by_peer;
    std::move_only_function<void()> on_drained;
    // Handshake failed or timed out, connection broke, or ended without close_notify. The last one.
    std::move_only_function<void(const Error&)> on_broken;
  };

  TlsStream();
  TlsStream(TlsStream&&) noexcept;
  TlsStream& operator=(TlsStream&&) noexcept;
  ~TlsStream();

  // Begins the handshake at once; it must be done within `handshake_timeout_ms`.
  static Result<TlsStream> start(EventLoop& loop, ByteStream stream, const TlsContext& context,
                                 const TlsExpectation& expected, std::int64_t handshake_timeout_ms,
                                 Callbacks callbacks);
  // Only when established.
  Status send(ByteSpan plaintext);
  std::size_t queued_bytes() const;
  void pause();
  void resume();
  Result<SecretBytes> exporter(ByteSpan context) const;
  const std::string& peer_address() const;
  // close_notify, then closes once all is sent or after `limit_ms`. No callback afterwards.
  void close(std::int64_t limit_ms = 2000);
  bool is_open() const;

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace quoin
