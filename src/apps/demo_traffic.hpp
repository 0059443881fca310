// The user's file on its way through the gateway: one end sends it to the entry, the other receives
// it from the exit.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/result.hpp"

namespace quoin {

struct TrafficPlan {
  std::string input;    // empty: eight megabytes are made
  std::string scratch;  // what arrives is kept here
  std::uint16_t entry_port = 0;
  std::function<bool()> is_stopped;  // asked several times a second, from two threads
};

struct TrafficResult {
  std::uint64_t bytes = 0;
  std::string sha256_sent;
  std::string sha256_received;
};

// Listens where the exit delivers to, for one connection.
class TrafficSink {
 public:
  static Result<std::unique_ptr<TrafficSink>> open(const std::string& output);
  ~TrafficSink();
  std::uint16_t port() const;
  // Blocks until the sender ended: the SHA-256 and the number of what came.
  Result<TrafficResult> receive(std::int64_t timeout_ms, const std::function<bool()>& is_stopped);

 private:
  TrafficSink() = default;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::string output_;
};

Result<TrafficResult> carry_traffic(const TrafficPlan& plan, TrafficSink& sink);

}  // namespace quoin
