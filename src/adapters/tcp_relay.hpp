// Forwards TCP connections with a fixed delay in each direction: the distance between two sites,
// for tests where the system cannot emulate it. Loop thread only.
#pragma once

#include <memory>

#include "adapters/event_loop.hpp"

namespace quoin {

struct TcpRelayConfig {
  std::string listen_host = "127.0.0.1";
  std::uint16_t listen_port = 0;
  std::string target_host;
  std::uint16_t target_port = 0;
  std::int64_t delay_ms = 5;  // one way
  std::size_t queue_bytes_max = std::size_t{16} << 20;
};

class TcpRelay {
 public:
  static Result<std::unique_ptr<TcpRelay>> start(EventLoop& loop, TcpRelayConfig config);
  ~TcpRelay();
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;
  std::uint16_t port() const;
  // Cuts the connections that exist; new ones are accepted.
  void cut();

 private:
  struct Impl;
  explicit TcpRelay(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace quoin
