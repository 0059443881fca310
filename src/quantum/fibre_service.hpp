// The server side of the fibre protocol, sans I/O: bytes in, bytes out, an instant for pacing. The
// fibre process keeps one FibreStation and one FibreService per connection; a connection's service
// is used by one thread, different services by different threads.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

#include "core/ports.hpp"
#include "quantum/fibre_pacer.hpp"
#include "quantum/fibre_protocol.hpp"
#include "quantum/simulator.hpp"

namespace quoin {

// What the connections of one fibre share. Outlives its services; `link` outlives the station.
class FibreStation {
 public:
  FibreStation(SimulatedLink& link, Pace pace) : link_(link), pace_(pace) {}

  SimulatedLink& link() { return link_; }
  // One connection per role at a time; conflict when the role is taken.
  Status claim(FibreRole role);
  void release(FibreRole role);
  // None at pace max. In real time the light goes on with the first call, which is Bob's first
  // request for a block.
  std::optional<FibrePacer> pacer(Instant now);

 private:
  SimulatedLink& link_;
  Pace pace_;
  std::mutex mutex_;
  std::array<bool, 3> is_claimed_{};
  std::optional<FibrePacer> pacer_;
};

class FibreService {
 public:
  explicit FibreService(FibreStation& station) : station_(station) {}
  ~FibreService();  // gives the role back
  FibreService(const FibreService&) = delete;
  FibreService& operator=(const FibreService&) = delete;

  // Bytes as they arrived, in pieces of any size. A failure means: send what take_output() holds
  // (it names the reason), then close.
  Status receive(ByteSpan bytes, Instant now);
  // Answers a deferred request whose slots have been emitted by `now`. Call it at wake_at().
  Status poll(Instant now);
  // When a deferred answer becomes due; none when nothing is deferred.
  std::optional<Instant> wake_at() const { return wake_at_; }
  // Bytes to send, and clears them. They may hold Alice's secret bits: wipe after sending.
  Bytes take_output() { return std::exchange(output_, {}); }

 private:
  Status serve_buffered(Instant now);
  Status serve(const FibreRequest& request, Instant now);
  Status greet(const FibreHello& hello);
  Result<FibreAnswer> answer(const FibreRequest& request);
  Result<FibreAnswer> change_eve(const SetEveRequest& request);
  Status send(const Result<FibreAnswer>& answer);
  Status refuse(Error error);

  FibreStation& station_;
  Bytes input_;
  std::size_t input_used_ = 0;  // bytes of input_ already served
  Bytes output_;
  std::optional<FibreRole> role_;
  std::optional<NextBlockRequest> deferred_;
  std::optional<Instant> wake_at_;
  bool is_closed_ = false;
};

}  // namespace quoin
