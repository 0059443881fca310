// The connection between the two sites: mutual TLS, length-prefixed frames, reconnecting. The
// responder listens, the initiator connects and keeps trying. Loop thread only.
//
// Both sides first send one frame that names the version of this framing; on_up comes after the
// peer's arrived, so it means that both sides accepted each other.
#pragma once

#include <memory>

#include "adapters/event_loop.hpp"
#include "adapters/tls.hpp"

namespace quoin {

constexpr std::size_t link_frame_bytes_max = std::size_t{16} << 20;

struct StreamLinkConfig {
  ConnectionRole role = ConnectionRole::initiator;
  std::string host;        // where to listen, or where to connect
  std::uint16_t port = 0;  // 0 lets a responder take a free port
  std::string peer_site;   // name that the peer's certificate must carry
  Bytes exporter_context;  // equal at both sides: roles, identities, hash of parameters
  std::string software_version;
  std::size_t queue_bytes_max = std::size_t{64} << 20;
  std::int64_t retry_ms_first = 100;
  std::int64_t retry_ms_max = 5000;
  std::int64_t timeout_ms = 10'000;  // connect, and handshake with version frame
};

struct StreamLinkCallbacks {
  std::move_only_function<void(TransportFacts)> on_up;
  std::move_only_function<void(ByteSpan frame)> on_frame;
  // The connection that was up is gone. Reconnecting goes on by itself.
  std::move_only_function<void(const Error&)> on_down;
  // An attempt failed before it was up: for the operator. May repeat.
  std::move_only_function<void(const Error&)> on_attempt_failed;
};

class StreamLink {
 public:
  // configuration: port in use or address not of this machine; context of another purpose.
  static Result<std::unique_ptr<StreamLink>> start(EventLoop& loop, TlsContext context,
                                                   StreamLinkConfig config,
                                                   StreamLinkCallbacks callbacks);
  // Closes cleanly; no callback afterwards.
  ~StreamLink();
  StreamLink(const StreamLink&) = delete;
  StreamLink& operator=(const StreamLink&) = delete;

  // too_large: frame over link_frame_bytes_max. unavailable: not up. exhausted: the queue is full
  // (the peer does not read): drop() then.
  Status send(ByteSpan frame);
  bool is_up() const;
  std::size_t queued_bytes() const;
  // Ends the present connection (on_down comes with `reason`, later, not inside this call) and
  // reconnects after back-off.
  void drop(const Error& reason);
  // Of the peer, when up.
  const std::string& peer_software_version() const;
  // The port listened on (responder).
  std::uint16_t port() const;

 private:
  struct Impl;
  explicit StreamLink(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace quoin
