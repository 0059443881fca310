// TCP on the event loop: connections, listeners, connecting. Bytes only; what they mean is decided
// above. Loop thread only. Callbacks never run inside the call that caused them, except on_bytes'
// own stream calls, and none runs after close() or destruction.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "adapters/event_loop.hpp"
#include "core/bytes.hpp"

namespace quoin {

class ByteStream {
 public:
  struct Callbacks {
    std::move_only_function<void(ByteSpan)> on_bytes;
    // The peer sent its end of stream; sending is still possible.
    std::move_only_function<void()> on_finished_by_peer;
    // The send queue has become empty.
    std::move_only_function<void()> on_drained;
    // The connection broke. The last callback.
    std::move_only_function<void(const Error&)> on_broken;
  };

  ByteStream();
  ByteStream(ByteStream&&) noexcept;
  ByteStream& operator=(ByteStream&&) noexcept;
  ~ByteStream();

  // Begins reading.
  void start(Callbacks callbacks);
  // Queues; the caller bounds the queue by queued_bytes().
  void send(Bytes bytes);
  std::size_t queued_bytes() const;
  // Stops and continues reading: back-pressure.
  void pause();
  void resume();
  // Ends our direction after what is queued.
  void finish();
  // Closes now; what is queued and not yet taken by the system is dropped.
  void close();
  // Closes once the queue is empty, or after `limit_ms`. The handle may be destroyed meanwhile.
  void close_after_sending(std::int64_t limit_ms);
  bool is_open() const;
  const std::string& peer_address() const;

  struct Impl;
  explicit ByteStream(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

class ByteListener {
 public:
  using OnAccept = std::move_only_function<void(ByteStream)>;

  ByteListener();
  ByteListener(ByteListener&&) noexcept;
  ByteListener& operator=(ByteListener&&) noexcept;
  ~ByteListener();

  // Port 0 takes a free one. configuration: port in use, address not of this machine.
  static Result<ByteListener> open(EventLoop& loop, const std::string& host, std::uint16_t port,
                                   OnAccept on_accept);
  std::uint16_t port() const;
  void close();

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

// One attempt to connect. Destroying it cancels; the callback runs at most once.
class ByteConnector {
 public:
  using OnDone = std::move_only_function<void(Result<ByteStream>)>;

  ByteConnector();
  ByteConnector(ByteConnector&&) noexcept;
  ByteConnector& operator=(ByteConnector&&) noexcept;
  ~ByteConnector();

  // unavailable: no such host, refused, or no answer within `timeout_ms`.
  static ByteConnector connect(EventLoop& loop, const std::string& host, std::uint16_t port,
                               std::int64_t timeout_ms, OnDone on_done);

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace quoin
