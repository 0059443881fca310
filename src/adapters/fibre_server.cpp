#include "adapters/fibre_server.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <list>
#include <thread>

#include "adapters/socket.hpp"
#include "adapters/system_clock.hpp"

namespace quoin {

namespace {

constexpr std::size_t connections_max = 8;
constexpr std::int64_t look_around_ms = 200;
constexpr std::int64_t write_timeout_ms = 30'000;
constexpr std::size_t piece_bytes = std::size_t{256} << 10;

Status send_output(DeviceConversation& conversation, Socket& socket) {
  Bytes output = conversation.take_output();
  if (output.empty()) return success();
  const Status sent = socket.write_all(output, write_timeout_ms);
  secure_wipe(output);  // may hold Alice's bits
  return sent;
}

std::int64_t ms_until(std::optional<Instant> when, Instant now) {
  if (!when) return look_around_ms;
  const std::int64_t left = (when->ns - now.ns + ns_per_ms - 1) / ns_per_ms;
  return std::clamp<std::int64_t>(left, 0, look_around_ms);
}

// Until the peer leaves, the service ends the connection, or the server stops.
void converse(DeviceConversation& conversation, Socket& socket, const std::atomic<bool>& stops) {
  const SystemClock clock;
  Bytes piece(piece_bytes);
  while (!stops) {
    Status status = success();
    if (socket.is_readable_within(ms_until(conversation.wake_at(), clock.now()))) {
      const auto got = socket.read_some(piece, look_around_ms);
      if (!got || *got == 0) return;
      status = conversation.receive(ByteSpan(piece).first(*got), clock.now());
    }
    if (status && conversation.wake_at()) status = conversation.poll(clock.now());
    const Status sent = send_output(conversation, socket);
    if (!status || !sent) return;
  }
}

}  // namespace

struct FibreServer::Impl {
  struct Connection {
    Socket socket;
    std::atomic<bool> is_over = false;
    std::thread thread;
  };

  explicit Impl(SocketListener opened, DeviceConversationFactory make)
      : listener(std::move(opened)), factory(std::move(make)) {}

  SocketListener listener;
  DeviceConversationFactory factory;
  std::atomic<bool> stops = false;
  std::list<Connection> connections;  // of the accepting thread until it has ended
  std::thread accepting;

  void accept_all() {
    while (!stops) {
      auto accepted = listener.accept(look_around_ms);
      reap();
      if (!accepted) {
        std::this_thread::sleep_for(std::chrono::milliseconds(look_around_ms));
        continue;
      }
      if (!accepted->is_open() || connections.size() >= connections_max) continue;
      Connection& connection = connections.emplace_back();
      connection.socket = std::move(accepted).value();
      connection.thread = std::thread([this, &connection] {
        {
          const auto conversation = factory();
          converse(*conversation, connection.socket, stops);
        }
        connection.socket
            .interrupt();  // the peer learns at once; the descriptor lives until reaped
        connection.is_over = true;
      });
    }
  }

  void reap() {
    for (auto at = connections.begin(); at != connections.end();) {
      if (at->is_over) {
        at->thread.join();
        at = connections.erase(at);
      } else {
        ++at;
      }
    }
  }

  void stop() {
    stops = true;
    if (accepting.joinable()) accepting.join();
    for (Connection& connection : connections) {
      connection.socket.interrupt();
      connection.thread.join();
    }
  }
};

FibreServer::FibreServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FibreServer::~FibreServer() { impl_->stop(); }

Result<std::unique_ptr<FibreServer>> FibreServer::start(const std::string& host, std::uint16_t port,
                                                        DeviceConversationFactory factory) {
  QUOIN_TAKE(listener, SocketListener::open(host, port));
  auto impl = std::make_unique<Impl>(std::move(listener), std::move(factory));
  impl->accepting = std::thread([raw = impl.get()] { raw->accept_all(); });
  return std::unique_ptr<FibreServer>(new FibreServer(std::move(impl)));
}

std::uint16_t FibreServer::port() const { return impl_->listener.port(); }

}  // namespace quoin
