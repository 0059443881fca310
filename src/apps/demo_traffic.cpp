#include "apps/demo_traffic.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>

#include "adapters/files.hpp"
#include "crypto/digest.hpp"
#include "crypto/random.hpp"

namespace quoin {

namespace {

constexpr std::size_t piece_bytes = 65536;
constexpr std::size_t made_bytes = std::size_t{8} << 20;
constexpr std::int64_t idle_ms_max = 30'000;
constexpr std::int64_t look_ms = 200;  // between two looks at whether to stop
using IsStopped = std::function<bool()>;

Failure system_error(const char* what) {
  return fail(ErrorCode::io, std::string(what) + ": " + std::strerror(errno));
}

// Owns a descriptor.
struct Socket {
  int fd = -1;
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool wait_for(int fd, short events, std::int64_t timeout_ms, const IsStopped& is_stopped) {
  for (; timeout_ms > 0 && !is_stopped(); timeout_ms -= look_ms) {
    pollfd wanted{fd, events, 0};
    if (::poll(&wanted, 1, static_cast<int>(std::min(timeout_ms, look_ms))) > 0) return true;
  }
  return false;
}

Status send_all(int fd, ByteSpan bytes, const IsStopped& is_stopped) {
  while (!bytes.empty()) {
    if (!wait_for(fd, POLLOUT, idle_ms_max, is_stopped))
      return fail(ErrorCode::unavailable, "the gateway takes no more bytes");
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return system_error("sending to the gateway");
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return success();
}

// Sends the whole file, or eight random megabytes; gives its digest.
Result<TrafficResult> send_input(const TrafficPlan& plan) {
  Socket socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const sockaddr_in address = loopback(plan.entry_port);
  if (::connect(socket.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return system_error("connecting to the gateway");
  Sha256 digest;
  TrafficResult result;
  Bytes piece(piece_bytes);
  if (plan.input.empty()) {
    OpenSslPublicRandom random;
    for (std::size_t done = 0; done < made_bytes; done += piece.size()) {
      random.fill(piece);
      digest.update(piece);
      result.bytes += piece.size();
      QUOIN_TRY(send_all(socket.fd, piece, plan.is_stopped));
    }
  } else {
    QUOIN_TAKE(reader, FileReader::open(plan.input));
    while (true) {
      QUOIN_TAKE(size, reader.read(piece));
      if (size == 0) break;
      const ByteSpan got = ByteSpan(piece).first(size);
      digest.update(got);
      result.bytes += size;
      QUOIN_TRY(send_all(socket.fd, got, plan.is_stopped));
    }
  }
  ::shutdown(socket.fd, SHUT_WR);
  // Until the far side has ended as well: closing earlier could cut what is on its way.
  if (wait_for(socket.fd, POLLIN, idle_ms_max, plan.is_stopped))
    (void)::recv(socket.fd, piece.data(), piece.size(), 0);
  result.sha256_sent = to_hex(digest.finish());
  return result;
}

}  // namespace

Result<std::unique_ptr<TrafficSink>> TrafficSink::open(const std::string& output) {
  std::unique_ptr<TrafficSink> sink(new TrafficSink);
  sink->output_ = output;
  sink->listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (sink->listener_ < 0 ||
      ::bind(sink->listener_, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
      ::listen(sink->listener_, 1) != 0 ||
      ::getsockname(sink->listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return system_error("listening for the traffic");
  sink->port_ = ntohs(address.sin_port);
  return sink;
}

TrafficSink::~TrafficSink() {
  if (listener_ >= 0) ::close(listener_);
}

std::uint16_t TrafficSink::port() const { return port_; }

Result<TrafficResult> TrafficSink::receive(std::int64_t timeout_ms, const IsStopped& is_stopped) {
  if (!wait_for(listener_, POLLIN, timeout_ms, is_stopped))
    return fail(ErrorCode::unavailable, "nothing came out of the gateway");
  Socket socket{::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)};
  if (socket.fd < 0) return system_error("accepting the traffic");
  QUOIN_TAKE(file, AtomicFile::create(output_, FileKind::ordinary, Existing::replace));
  Sha256 digest;
  TrafficResult result;
  Bytes piece(piece_bytes);
  while (true) {
    if (!wait_for(socket.fd, POLLIN, idle_ms_max, is_stopped))
      return fail(ErrorCode::unavailable, "the traffic stopped half way");
    const ssize_t got = ::recv(socket.fd, piece.data(), piece.size(), 0);
    if (got < 0) return system_error("receiving the traffic");
    if (got == 0) break;
    const ByteSpan bytes = ByteSpan(piece).first(static_cast<std::size_t>(got));
    digest.update(bytes);
    result.bytes += bytes.size();
    QUOIN_TRY(file.write(bytes));
  }
  QUOIN_TRY(file.commit());
  result.sha256_received = to_hex(digest.finish());
  return result;
}

Result<TrafficResult> carry_traffic(const TrafficPlan& plan, TrafficSink& sink) {
  auto receiving =
      std::async(std::launch::async, [&] { return sink.receive(60'000, plan.is_stopped); });
  auto sent = send_input(plan);
  auto received = receiving.get();
  if (!sent) return sent.failure();
  if (!received) return received.failure();
  sent->sha256_received = received->sha256_received;
  if (sent->bytes != received->bytes)
    return fail(ErrorCode::io, std::to_string(sent->bytes) + " bytes were sent and " +
                                   std::to_string(received->bytes) + " came out");
  return sent;
}

}  // namespace quoin
