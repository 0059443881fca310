#include "adapters/byte_stream.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>

namespace quoin {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t read_bytes = 65536;
constexpr std::size_t gather_max = 16;
constexpr std::int64_t accept_retry_ms = 100;

std::string address_text(const std::string& host, std::uint16_t port) {
  return host.find(':') == std::string::npos ? host + ":" + std::to_string(port)
                                             : "[" + host + "]:" + std::to_string(port);
}

// Small frames leave at once, and a peer that vanished is noticed within some ten seconds.
void tune(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  using Integer = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>;
  socket.set_option(Integer(5), ignored);
  socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>(2), ignored);
  socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPCNT>(3), ignored);
  socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>(12'000),
                    ignored);
}

Error broken(const error_code& error) {
  if (error == asio::error::connection_reset || error == asio::error::broken_pipe)
    return {ErrorCode::unavailable, "the other side closed the connection", {}};
  return {ErrorCode::unavailable, "the connection broke: " + error.message(), {}};
}

}  // namespace

struct ByteStream::Impl : std::enable_shared_from_this<ByteStream::Impl> {
  explicit Impl(tcp::socket connected)
      : socket(std::move(connected)), limit(socket.get_executor()) {
    tune(socket);
    error_code error;
    const tcp::endpoint peer = socket.remote_endpoint(error);
    if (!error) address = address_text(peer.address().to_string(), peer.port());
  }

  tcp::socket socket;
  asio::steady_timer limit;
  Callbacks callbacks;
  std::string address;
  std::array<std::byte, read_bytes> buffer;
  std::deque<Bytes> queue;
  std::deque<Bytes> in_flight;
  std::size_t queued = 0;
  bool is_open = true;
  bool is_started = false;
  bool is_reading = false;
  bool is_paused = false;
  bool is_read_over = false;
  bool wants_finish = false;
  bool closes_when_empty = false;

  void close() {
    if (!is_open) return;
    is_open = false;
    queue.clear();
    limit.cancel();
    error_code ignored;
    socket.close(ignored);
  }

  void fail_with(const error_code& error) {
    if (!is_open) return;
    const bool is_silent = closes_when_empty;
    close();
    if (!is_silent && callbacks.on_broken) callbacks.on_broken(broken(error));
  }

  void read() {
    if (!is_open || !is_started || is_reading || is_paused || is_read_over) return;
    is_reading = true;
    socket.async_read_some(asio::buffer(buffer),
                           [self = shared_from_this()](const error_code& error, std::size_t size) {
                             self->is_reading = false;
                             self->take_read(error, size);
                           });
  }

  void take_read(const error_code& error, std::size_t size) {
    if (!is_open) return;
    if (error == asio::error::eof) {
      is_read_over = true;
      if (closes_when_empty) {
        if (queue.empty() && in_flight.empty()) close();
        return;
      }
      watch_for_reset();
      if (callbacks.on_finished_by_peer) callbacks.on_finished_by_peer();
      return;
    }
    if (error) return fail_with(error);
    if (!closes_when_empty && callbacks.on_bytes) callbacks.on_bytes(ByteSpan(buffer).first(size));
    read();
  }

  // After the peer's end nothing is read any more, and a reset would go unnoticed until the next
  // write.
  void watch_for_reset() {
    socket.async_wait(
        tcp::socket::wait_error, [self = shared_from_this()](const error_code& waited) {
          if (waited || !self->is_open) return;
          int pending = 0;
          socklen_t size = sizeof pending;
          ::getsockopt(self->socket.native_handle(), SOL_SOCKET, SO_ERROR, &pending, &size);
          if (pending != 0) self->fail_with(error_code(pending, boost::system::system_category()));
        });
  }

  void write() {
    if (!is_open || !in_flight.empty()) return;
    if (queue.empty()) return finish_if_wanted();
    std::vector<asio::const_buffer> pieces;
    while (!queue.empty() && pieces.size() < gather_max) {
      in_flight.push_back(std::move(queue.front()));
      queue.pop_front();
      pieces.push_back(asio::buffer(in_flight.back()));
    }
    asio::async_write(socket, pieces,
                      [self = shared_from_this()](const error_code& error, std::size_t size) {
                        self->queued -= std::min(self->queued, size);
                        self->in_flight.clear();
                        if (error) return self->fail_with(error);
                        self->take_written();
                      });
  }

  void take_written() {
    if (!is_open) return;
    if (queue.empty() && !closes_when_empty && callbacks.on_drained) callbacks.on_drained();
    write();
  }

  void finish_if_wanted() {
    error_code ignored;
    if (wants_finish) socket.shutdown(tcp::socket::shutdown_send, ignored);
    wants_finish = false;
    if (!closes_when_empty) return;
    // Closing with unread input would reset the connection and lose what was just sent: read on,
    // and drop it, until the peer closes as well.
    is_paused = false;
    if (is_read_over || !is_started) return close();
    read();
  }
};

ByteStream::ByteStream() = default;
ByteStream::ByteStream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
ByteStream::ByteStream(ByteStream&&) noexcept = default;

ByteStream& ByteStream::operator=(ByteStream&& other) noexcept {
  if (this != &other) {
    if (impl_ && !impl_->closes_when_empty) impl_->close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

ByteStream::~ByteStream() {
  if (impl_ && !impl_->closes_when_empty) impl_->close();
}

void ByteStream::start(Callbacks callbacks) {
  impl_->callbacks = std::move(callbacks);
  impl_->is_started = true;
  impl_->read();
}

void ByteStream::send(Bytes bytes) {
  if (!is_open() || impl_->closes_when_empty || bytes.empty()) return;
  impl_->queued += bytes.size();
  impl_->queue.push_back(std::move(bytes));
  impl_->write();
}

std::size_t ByteStream::queued_bytes() const { return is_open() ? impl_->queued : 0; }

void ByteStream::pause() {
  if (impl_) impl_->is_paused = true;
}

void ByteStream::resume() {
  if (!impl_ || !impl_->is_paused) return;
  impl_->is_paused = false;
  impl_->read();
}

void ByteStream::finish() {
  if (!is_open()) return;
  impl_->wants_finish = true;
  impl_->write();
}

void ByteStream::close() {
  if (impl_) impl_->close();
}

void ByteStream::close_after_sending(std::int64_t limit_ms) {
  if (!is_open() || impl_->closes_when_empty) return;
  impl_->closes_when_empty = true;
  impl_->wants_finish = true;
  impl_->limit.expires_after(std::chrono::milliseconds(limit_ms));
  impl_->limit.async_wait([self = impl_](const error_code& error) {
    if (!error) self->close();
  });
  impl_->write();
}

bool ByteStream::is_open() const { return impl_ && impl_->is_open; }

const std::string& ByteStream::peer_address() const { return impl_->address; }

struct ByteListener::Impl : std::enable_shared_from_this<ByteListener::Impl> {
  Impl(EventLoop& loop, OnAccept fn)
      : acceptor(loop.context()), pause(loop.context()), on_accept(std::move(fn)) {}

  tcp::acceptor acceptor;
  asio::steady_timer pause;
  OnAccept on_accept;
  std::uint16_t port = 0;
  bool is_open = true;

  void close() {
    is_open = false;
    error_code ignored;
    acceptor.close(ignored);
    pause.cancel();
  }

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const error_code& error, tcp::socket socket) {
      if (!self->is_open) return;
      if (error) return self->accept_later();
      self->on_accept(ByteStream(std::make_shared<ByteStream::Impl>(std::move(socket))));
      if (self->is_open) self->accept();
    });
  }

  // Out of descriptors, most likely: waiting is better than spinning.
  void accept_later() {
    pause.expires_after(std::chrono::milliseconds(accept_retry_ms));
    pause.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error && self->is_open) self->accept();
    });
  }

  Status listen(const std::string& host, std::uint16_t wanted) {
    error_code error;
    tcp::resolver resolver(acceptor.get_executor());
    const auto found =
        resolver.resolve(host, std::to_string(wanted),
                         tcp::resolver::passive | tcp::resolver::numeric_service, error);
    const std::string where = address_text(host, wanted);
    if (error || found.empty())
      return fail(ErrorCode::configuration, "cannot listen on " + where + ": no such address",
                  "give an address of this machine, or 0.0.0.0 for all");
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error == asio::error::address_in_use)
      return fail(ErrorCode::configuration, "port in use: another program listens on " + where,
                  "stop that program, or choose another port");
    if (error == asio::error::access_denied)
      return fail(ErrorCode::configuration, "not allowed to listen on " + where,
                  "choose a port of 1024 or above");
    if (error)
      return fail(ErrorCode::configuration, "cannot listen on " + where + ": " + error.message(),
                  "give an address of this machine, or 0.0.0.0 for all");
    port = acceptor.local_endpoint(error).port();
    return success();
  }
};

ByteListener::ByteListener() = default;
ByteListener::ByteListener(ByteListener&&) noexcept = default;

ByteListener& ByteListener::operator=(ByteListener&& other) noexcept {
  if (this != &other) {
    close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

ByteListener::~ByteListener() { close(); }

Result<ByteListener> ByteListener::open(EventLoop& loop, const std::string& host,
                                        std::uint16_t port, OnAccept on_accept) {
  ByteListener listener;
  listener.impl_ = std::make_shared<Impl>(loop, std::move(on_accept));
  QUOIN_TRY(listener.impl_->listen(host, port));
  listener.impl_->accept();
  return listener;
}

std::uint16_t ByteListener::port() const { return impl_->port; }

void ByteListener::close() {
  if (impl_) impl_->close();
}

struct ByteConnector::Impl : std::enable_shared_from_this<ByteConnector::Impl> {
  Impl(EventLoop& loop, OnDone fn)
      : resolver(loop.context()),
        socket(loop.context()),
        limit(loop.context()),
        on_done(std::move(fn)) {}

  tcp::resolver resolver;
  tcp::socket socket;
  asio::steady_timer limit;
  OnDone on_done;
  std::string where;
  bool is_over = false;

  void cancel() {
    is_over = true;
    resolver.cancel();
    limit.cancel();
    error_code ignored;
    if (socket.is_open()) socket.close(ignored);
  }

  void end(Result<ByteStream> result) {
    if (is_over) return;
    cancel();
    on_done(std::move(result));
  }

  void end_with(const std::string& reason, const std::string& cure) {
    end(fail(ErrorCode::unavailable, "cannot connect to " + where + ": " + reason, cure));
  }

  void start(const std::string& host, std::uint16_t port, std::int64_t timeout_ms) {
    where = address_text(host, port);
    limit.expires_after(std::chrono::milliseconds(timeout_ms));
    limit.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) self->end_with("no answer in time", "check address, network and firewall");
    });
    resolver.async_resolve(
        host, std::to_string(port), tcp::resolver::numeric_service,
        [self = shared_from_this()](const error_code& error, tcp::resolver::results_type found) {
          if (self->is_over) return;
          if (error) return self->end_with("no such host", "check the name");
          self->connect(found);
        });
  }

  void connect(const tcp::resolver::results_type& found) {
    asio::async_connect(
        socket, found, [self = shared_from_this()](const error_code& error, const tcp::endpoint&) {
          if (self->is_over) return;
          if (error == asio::error::connection_refused)
            return self->end_with("nothing listens there", "is the other side running?");
          if (error) return self->end_with(error.message(), "check address, network and firewall");
          auto stream = std::make_shared<ByteStream::Impl>(std::move(self->socket));
          self->end(ByteStream(std::move(stream)));
        });
  }
};

ByteConnector::ByteConnector() = default;
ByteConnector::ByteConnector(ByteConnector&&) noexcept = default;

ByteConnector& ByteConnector::operator=(ByteConnector&& other) noexcept {
  if (this != &other) {
    if (impl_) impl_->cancel();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

ByteConnector::~ByteConnector() {
  if (impl_) impl_->cancel();
}

ByteConnector ByteConnector::connect(EventLoop& loop, const std::string& host, std::uint16_t port,
                                     std::int64_t timeout_ms, OnDone on_done) {
  ByteConnector connector;
  connector.impl_ = std::make_shared<Impl>(loop, std::move(on_done));
  connector.impl_->start(host, port, timeout_ms);
  return connector;
}

}  // namespace quoin
