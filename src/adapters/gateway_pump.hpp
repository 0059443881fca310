// TCP around consumers/gateway_session.hpp. Side A (entry) accepts the user's connections and
// carries each in its own tunnel to side B (exit), which connects to the target. Loop thread only.
#pragma once

#include <memory>

#include "adapters/event_loop.hpp"
#include "consumers/gateway_session.hpp"

namespace quoin {

// Obtains keys. new_key as master (key_id empty) or the key of that id as slave. `done` must be
// called exactly once, on the loop thread, possibly later; it may be called after the pump is gone.
using GatewayKeyDone = std::move_only_function<void(Result<TunnelKey>)>;
using GatewayKeySource =
    std::move_only_function<void(const std::string& key_id, GatewayKeyDone done)>;

enum class GatewaySide : std::uint8_t {
  entry,  // master SAE: listens for users, connects to the exit
  exit,   // slave SAE: listens for tunnels, connects to the target
};

struct GatewayPumpConfig {
  GatewaySide side = GatewaySide::entry;
  std::string listen_host = "127.0.0.1";
  std::uint16_t listen_port = 0;
  std::string forward_host;  // entry: the exit's address; exit: the target's
  std::uint16_t forward_port = 0;
  GatewayTerms terms;
  std::size_t connections_max = 64;
  std::size_t buffer_bytes_max = std::size_t{1} << 20;  // unsent bytes per direction
  std::int64_t connect_timeout_ms = 10'000;
};

struct GatewayCounters {
  std::uint64_t connections = 0;
  std::uint64_t bytes_from_users = 0;  // sealed towards the other side
  std::uint64_t bytes_to_users = 0;
  std::uint64_t keys_used = 0;
};

class GatewayPump {
 public:
  static Result<std::unique_ptr<GatewayPump>> start(EventLoop& loop, GatewayPumpConfig config,
                                                    PublicRandom& random,
                                                    GatewayKeySource key_source);
  ~GatewayPump();
  GatewayPump(const GatewayPump&) = delete;
  GatewayPump& operator=(const GatewayPump&) = delete;

  std::uint16_t port() const;
  const GatewayCounters& counters() const;
  std::size_t open_connections() const;
  // A tunnel ended other than by both users closing.
  void on_failed(std::move_only_function<void(const Error&)> fn);

 private:
  struct Impl;
  explicit GatewayPump(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace quoin
