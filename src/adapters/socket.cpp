#include "adapters/socket.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>

namespace quoin {

namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses resolve(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list) != 0) return nullptr;
  return Addresses(list);
}

// False on time-out. A deadline, so that signals do not prolong the wait.
bool wait_for(int fd, short events, std::int64_t timeout_ms) {
  using Steady = std::chrono::steady_clock;
  const auto end = Steady::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Steady::now()).count();
    pollfd entry{fd, events, 0};
    const int ready =
        ::poll(&entry, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1 << 30)));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

Failure broken(const char* what) {
  return fail(ErrorCode::unavailable,
              std::string("the connection broke while ") + what + ": " + std::strerror(errno));
}

// 0, or the errno of the attempt.
int connect_one(int fd, const addrinfo& address, std::int64_t timeout_ms) {
  if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (!wait_for(fd, POLLOUT, timeout_ms)) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

}  // namespace

Socket::Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Socket::~Socket() { close(); }

void Socket::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void Socket::interrupt() {
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

Result<Socket> Socket::connect(const std::string& host, std::uint16_t port,
                               std::int64_t timeout_ms) {
  const std::string where = host + ":" + std::to_string(port);
  const Addresses found = resolve(host, port, 0);
  if (!found)
    return fail(ErrorCode::unavailable, "cannot connect to " + where + ": no such host",
                "check the name");
  int error = EHOSTUNREACH;
  for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) {
    Socket socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.is_open()) continue;
    error = connect_one(socket.fd_, *at, timeout_ms);
    if (error != 0) continue;
    const int on = 1;
    ::setsockopt(socket.fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return socket;
  }
  if (error == ECONNREFUSED)
    return fail(ErrorCode::unavailable, "cannot connect to " + where + ": nothing listens there",
                "is the other side running?");
  return fail(ErrorCode::unavailable,
              "cannot connect to " + where + ": " +
                  (error == ETIMEDOUT ? "no answer in time" : std::strerror(error)),
              "check address, network and firewall");
}

Result<std::size_t> Socket::read_some(MutableByteSpan out, std::int64_t timeout_ms) {
  while (true) {
    const ssize_t got = ::recv(fd_, out.data(), out.size(), 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return broken("reading");
    if (!wait_for(fd_, POLLIN, timeout_ms))
      return fail(ErrorCode::unavailable, "the other side did not answer in time",
                  "look at the other side's load and the network between");
  }
}

Status Socket::read_exactly(MutableByteSpan out, std::int64_t timeout_ms) {
  while (!out.empty()) {
    QUOIN_TAKE(got, read_some(out, timeout_ms));
    if (got == 0) return fail(ErrorCode::unavailable, "the other side closed the connection");
    out = out.subspan(got);
  }
  return success();
}

Status Socket::write_all(ByteSpan bytes, std::int64_t timeout_ms) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return broken("writing");
    if (!wait_for(fd_, POLLOUT, timeout_ms))
      return fail(ErrorCode::unavailable, "the other side does not take what is sent");
  }
  return success();
}

bool Socket::is_readable_within(std::int64_t timeout_ms) {
  return wait_for(fd_, POLLIN, timeout_ms);
}

Result<SocketListener> SocketListener::open(const std::string& host, std::uint16_t port) {
  const std::string where = host + ":" + std::to_string(port);
  const Addresses found = resolve(host, port, AI_PASSIVE);
  const auto refuse = [&where](int error) {
    if (error == EADDRINUSE)
      return fail(ErrorCode::configuration, "port in use: another program listens on " + where,
                  "stop that program, or choose another port");
    return fail(ErrorCode::configuration, "cannot listen on " + where + ": " + std::strerror(error),
                "give an address of this machine, or 0.0.0.0 for all");
  };
  if (!found) return refuse(EADDRNOTAVAIL);
  SocketListener listener;
  listener.socket_ =
      Socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int fd = listener.socket_.fd_;
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (fd < 0 || ::bind(fd, found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd, 64) != 0)
    return refuse(errno);
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  // The port lies at the same place in IPv4 and IPv6 addresses.
  listener.port_ = ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
  return listener;
}

Result<Socket> SocketListener::accept(std::int64_t timeout_ms) {
  if (!wait_for(socket_.fd_, POLLIN, timeout_ms)) return Socket();
  const int fd = ::accept4(socket_.fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED || errno == EINVAL))
    return Socket();
  if (fd < 0)
    return fail(ErrorCode::io, std::string("cannot accept a connection: ") + std::strerror(errno));
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return Socket(fd);
}

}  // namespace quoin
