// The fibre process's listener: one thread per connection, few connections (Alice, Bob, control).
// The protocol itself is quantum/fibre_service.hpp; this only moves its bytes and waits.
//
//   FibreStation station(link, pace);
//   FibreServer::start("127.0.0.1", 0, serve_with<FibreService>(station));
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/ports.hpp"

namespace quoin {

// What a connection's service does; see FibreService for the meaning of each.
class DeviceConversation {
 public:
  virtual ~DeviceConversation() = default;
  virtual Status receive(ByteSpan bytes, Instant now) = 0;
  virtual Status poll(Instant now) = 0;
  virtual std::optional<Instant> wake_at() const = 0;
  virtual Bytes take_output() = 0;
};
// Called on the connection's thread.
using DeviceConversationFactory = std::function<std::unique_ptr<DeviceConversation>()>;

template <class Service, class Station>
DeviceConversationFactory serve_with(Station& station) {
  class Bound final : public DeviceConversation {
   public:
    explicit Bound(Station& at) : service_(at) {}
    Status receive(ByteSpan bytes, Instant now) override { return service_.receive(bytes, now); }
    Status poll(Instant now) override { return service_.poll(now); }
    std::optional<Instant> wake_at() const override { return service_.wake_at(); }
    Bytes take_output() override { return service_.take_output(); }

   private:
    Service service_;
  };
  return [&station] { return std::make_unique<Bound>(station); };
}

class FibreServer {
 public:
  // Serves until destroyed. configuration: port in use or address not of this machine.
  static Result<std::unique_ptr<FibreServer>> start(const std::string& host, std::uint16_t port,
                                                    DeviceConversationFactory factory);
  // Cuts the connections and waits for their threads.
  ~FibreServer();
  FibreServer(const FibreServer&) = delete;
  FibreServer& operator=(const FibreServer&) = delete;

  std::uint16_t port() const;

 private:
  struct Impl;
  explicit FibreServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quoin
