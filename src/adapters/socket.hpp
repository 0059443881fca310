// Blocking TCP with time limits, for the threads that may wait: the delivery client and the fibre.
// interrupt() may come from any thread, all else from one.
#pragma once

#include <cstdint>
#include <string>

#include "core/bytes.hpp"

namespace quoin {

class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  // unavailable: no such host, refused, no answer in time.
  static Result<Socket> connect(const std::string& host, std::uint16_t port,
                                std::int64_t timeout_ms);

  // At least one byte, or 0 at the end of the stream. unavailable on time-out and broken
  // connection.
  Result<std::size_t> read_some(MutableByteSpan out, std::int64_t timeout_ms);
  // Exactly out.size() bytes; the limit is for each piece of progress.
  Status read_exactly(MutableByteSpan out, std::int64_t timeout_ms);
  Status write_all(ByteSpan bytes, std::int64_t timeout_ms);
  // Bytes are waiting, or the stream has ended.
  bool is_readable_within(std::int64_t timeout_ms);

  // Makes a call that waits return. The socket is of no more use.
  void interrupt();
  bool is_open() const { return fd_ >= 0; }
  void close();

 private:
  friend class SocketListener;
  int fd_ = -1;
};

class SocketListener {
 public:
  // Port 0 takes a free one. configuration: port in use, address not of this machine.
  static Result<SocketListener> open(const std::string& host, std::uint16_t port);
  // An unconnected Socket on time-out or interrupt().
  Result<Socket> accept(std::int64_t timeout_ms);
  void interrupt() { socket_.interrupt(); }
  std::uint16_t port() const { return port_; }

 private:
  Socket socket_;
  std::uint16_t port_ = 0;
};

}  // namespace quoin
