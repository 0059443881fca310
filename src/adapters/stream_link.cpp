#include "adapters/stream_link.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include "adapters/tls_stream.hpp"

namespace quoin {

namespace {

constexpr std::string_view framing_name = "quoin-link";
constexpr std::uint16_t framing_version = 1;
constexpr std::size_t version_text_max = 64;
constexpr std::size_t length_bytes = 4;
constexpr std::size_t attempts_max = 8;  // connections that are not up yet, at a responder

Bytes version_frame(const std::string& software) {
  ByteWriter out;
  out.text(framing_name).u16(framing_version).text(software.substr(0, version_text_max));
  return std::move(out).take();
}

// The peer's software version.
Result<std::string> read_version_frame(ByteSpan frame) {
  ByteReader in(frame);
  const std::string name = in.text(framing_name.size());
  const std::uint16_t version = in.u16();
  std::string software = in.text(version_text_max);
  for (char& c : software)
    if (c < ' ' || c > '~') c = '?';  // it is shown on terminals
  if (in.failed() || name != framing_name)
    return fail(ErrorCode::malformed, "the peer does not speak quoin's link protocol",
                "check that the port is the link port");
  if (version != framing_version)
    return fail(ErrorCode::conflict,
                "the peer speaks version " + std::to_string(version) +
                    " of the link framing (software " + software + "), we speak version " +
                    std::to_string(framing_version),
                "install the same release on both sites");
  QUOIN_TRY(in.finish("the version frame"));
  return software;
}

Bytes with_length(ByteSpan frame) {
  ByteWriter out;
  out.prefixed(frame);
  return std::move(out).take();
}

}  // namespace

struct StreamLink::Impl : std::enable_shared_from_this<StreamLink::Impl> {
  struct Connection {
    TlsStream stream;
    Bytes input;
    std::string software;
    TimerId version_limit = TimerId::none;
    bool is_over = false;
  };
  using ConnectionRef = std::shared_ptr<Connection>;

  Impl(EventLoop& on_loop, TlsContext with_context, StreamLinkConfig with_config,
       StreamLinkCallbacks fns)
      : loop(on_loop),
        context(std::move(with_context)),
        config(std::move(with_config)),
        callbacks(std::move(fns)),
        retry_ms(config.retry_ms_first) {}

  EventLoop& loop;
  TlsContext context;
  StreamLinkConfig config;
  StreamLinkCallbacks callbacks;
  ByteListener listener;
  ByteConnector connector;
  std::vector<ConnectionRef> attempts;
  ConnectionRef up;
  TimerId retry = TimerId::none;
  std::int64_t retry_ms;
  bool is_closed = false;

  bool is_initiator() const { return config.role == ConnectionRole::initiator; }

  Status listen() {
    QUOIN_TAKE(opened, ByteListener::open(loop, config.host, config.port,
                                          [weak = weak_from_this()](ByteStream stream) {
                                            const auto self = weak.lock();
                                            if (self && self->attempts.size() < attempts_max)
                                              self->begin(std::move(stream));
                                          }));
    listener = std::move(opened);
    return success();
  }

  void connect() {
    connector = ByteConnector::connect(loop, config.host, config.port, config.timeout_ms,
                                       [weak = weak_from_this()](Result<ByteStream> stream) {
                                         const auto self = weak.lock();
                                         if (!self || self->is_closed) return;
                                         if (stream) return self->begin(std::move(stream).value());
                                         self->report_attempt(stream.error());
                                         self->connect_later();
                                       });
  }

  void connect_later() {
    if (!is_initiator() || is_closed) return;
    loop.cancel(retry);
    retry = loop.run_after_ms(retry_ms, [weak = weak_from_this()] {
      if (const auto self = weak.lock(); self && !self->is_closed) self->connect();
    });
    retry_ms = std::min(retry_ms * 2, config.retry_ms_max);
  }

  void report_attempt(const Error& error) {
    if (callbacks.on_attempt_failed) callbacks.on_attempt_failed(error);
  }

  void begin(ByteStream tcp) {
    const auto connection = std::make_shared<Connection>();
    const std::weak_ptr<Impl> weak = weak_from_this();
    const std::weak_ptr<Connection> which = connection;
    const auto with = [weak, which](auto&& fn) {
      const auto self = weak.lock();
      const auto alive = which.lock();
      if (self && alive && !alive->is_over) fn(*self, alive);
    };
    TlsStream::Callbacks fns;
    fns.on_established = [with](const TlsPeer&) {
      with([](Impl& self, const ConnectionRef& c) { self.send_version(c); });
    };
    fns.on_bytes = [with](ByteSpan bytes) {
      with([bytes](Impl& self, const ConnectionRef& c) { self.take(c, bytes); });
    };
    fns.on_finished_by_peer = [with] {
      with([](Impl& self, const ConnectionRef& c) {
        self.lose(c, {ErrorCode::unavailable, "the other side closed the link", {}});
      });
    };
    fns.on_broken = [with](const Error& error) {
      with([&error](Impl& self, const ConnectionRef& c) { self.lose(c, error); });
    };
    auto stream = TlsStream::start(loop, std::move(tcp), context, {config.peer_site, {}},
                                   config.timeout_ms, std::move(fns));
    if (!stream) {
      report_attempt(stream.error());
      return connect_later();
    }
    connection->stream = std::move(stream).value();
    connection->version_limit = loop.run_after_ms(config.timeout_ms, [with] {
      with([](Impl& self, const ConnectionRef& c) {
        if (c != self.up)
          self.lose(c, {ErrorCode::unavailable, "the other side does not begin the link", {}});
      });
    });
    attempts.push_back(connection);
  }

  void send_version(const ConnectionRef& connection) {
    const Status sent =
        connection->stream.send(with_length(version_frame(config.software_version)));
    if (!sent) lose(connection, sent.error());
  }

  void take(const ConnectionRef& connection, ByteSpan bytes) {
    Bytes& input = connection->input;
    input.insert(input.end(), bytes.begin(), bytes.end());
    std::size_t at = 0;
    while (!connection->is_over && input.size() - at >= length_bytes) {
      ByteReader in(ByteSpan(input).subspan(at));
      const std::size_t size = in.u32();
      if (size > link_frame_bytes_max)
        return lose(connection, {ErrorCode::too_large,
                                 "the peer announced a frame of " + std::to_string(size) +
                                     " bytes, over the bound of the link",
                                 {}});
      if (in.remaining().size() < size) break;
      at += length_bytes + size;
      take_frame(connection, in.fixed(size));
    }
    if (at > 0 && !connection->is_over)
      input.erase(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(at));
  }

  void take_frame(const ConnectionRef& connection, ByteSpan frame) {
    if (connection == up) {
      if (callbacks.on_frame) callbacks.on_frame(frame);
      return;
    }
    auto software = read_version_frame(frame);
    if (!software) return lose(connection, software.error());
    connection->software = std::move(software).value();
    come_up(connection);
  }

  void come_up(const ConnectionRef& connection) {
    auto exporter = connection->stream.exporter(config.exporter_context);
    if (!exporter) return lose(connection, exporter.error());
    loop.cancel(connection->version_limit);
    std::erase(attempts, connection);
    // The peer knows best that the old connection is dead: it made a new one.
    if (up) lose(up, {ErrorCode::unavailable, "the other side connected anew", {}});
    if (is_closed) return;
    up = connection;
    retry_ms = config.retry_ms_first;
    TransportFacts facts;
    facts.peer_name = config.peer_site;
    facts.anchor = "pki";
    facts.key_exchange = "X25519MLKEM768";  // asserted by TlsSession for links
    facts.exporter = std::move(exporter).value();
    if (callbacks.on_up) callbacks.on_up(std::move(facts));
  }

  void lose(const ConnectionRef& lost, const Error& error) {
    const ConnectionRef connection = lost;  // `lost` may be a reference to what is reset below
    if (connection->is_over) return;
    connection->is_over = true;
    loop.cancel(connection->version_limit);
    connection->stream.close();
    const bool was_up = connection == up;
    if (was_up) up.reset();
    std::erase(attempts, connection);
    connect_later();
    if (was_up && callbacks.on_down) callbacks.on_down(error);
    if (!was_up) report_attempt(error);
  }

  void close() {
    is_closed = true;
    loop.cancel(retry);
    listener.close();
    connector = ByteConnector();
    if (up) attempts.push_back(std::move(up));
    up.reset();
    for (const ConnectionRef& connection : attempts) {
      connection->is_over = true;
      loop.cancel(connection->version_limit);
      connection->stream.close();
    }
    attempts.clear();
  }
};

StreamLink::StreamLink(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
StreamLink::~StreamLink() { impl_->close(); }

Result<std::unique_ptr<StreamLink>> StreamLink::start(EventLoop& loop, TlsContext context,
                                                      StreamLinkConfig config,
                                                      StreamLinkCallbacks callbacks) {
  const bool listens = config.role == ConnectionRole::responder;
  if (context.purpose() != TlsPurpose::link || (context.side() == TlsSide::server) != listens)
    return fail(ErrorCode::invalid_argument, "the TLS context is not for this side of a link");
  if (config.peer_site.empty())
    return fail(ErrorCode::configuration, "a link needs the name of its peer site",
                "set the peer's name in the configuration");
  auto impl =
      std::make_shared<Impl>(loop, std::move(context), std::move(config), std::move(callbacks));
  std::unique_ptr<StreamLink> link(new StreamLink(impl));
  if (listens) {
    QUOIN_TRY(impl->listen());
  } else {
    impl->connect();
  }
  return link;
}

Status StreamLink::send(ByteSpan frame) {
  if (frame.size() > link_frame_bytes_max)
    return fail(ErrorCode::too_large, "a frame of " + std::to_string(frame.size()) +
                                          " bytes is over the bound of the link");
  if (!is_up()) return fail(ErrorCode::unavailable, "the link is not up");
  if (queued_bytes() + frame.size() > impl_->config.queue_bytes_max)
    return fail(ErrorCode::exhausted, "the other side does not take what the link sends",
                "look at the other side's load and the network between");
  return impl_->up->stream.send(with_length(frame));
}

bool StreamLink::is_up() const { return impl_->up != nullptr; }

std::size_t StreamLink::queued_bytes() const {
  return is_up() ? impl_->up->stream.queued_bytes() : 0;
}

void StreamLink::drop(const Error& reason) {
  if (!is_up()) return;
  impl_->loop.post([weak = std::weak_ptr(impl_), which = impl_->up, reason] {
    if (const auto self = weak.lock(); self && !self->is_closed) self->lose(which, reason);
  });
}

const std::string& StreamLink::peer_software_version() const {
  QUOIN_INVARIANT(is_up(), "the peer's version of a link that is not up");
  return impl_->up->software;
}

std::uint16_t StreamLink::port() const { return impl_->listener.port(); }

}  // namespace quoin
