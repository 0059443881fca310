#include "adapters/https_server.hpp"

#include <map>

#include "adapters/tls_stream.hpp"

namespace quoin {

struct HttpsServer::Impl : std::enable_shared_from_this<HttpsServer::Impl> {
  struct Connection {
    TlsStream stream;
    std::unique_ptr<ByteConversation> conversation;
    Instant idle_since;
    TimerId timer = TimerId::none;
  };

  Impl(EventLoop& on_loop, TlsContext with_context, HttpsServerConfig with_config,
       ConversationFactory with_factory)
      : loop(on_loop),
        context(std::move(with_context)),
        config(std::move(with_config)),
        factory(std::move(with_factory)) {}

  EventLoop& loop;
  TlsContext context;
  HttpsServerConfig config;
  ConversationFactory factory;
  ByteListener listener;
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections;
  std::uint64_t next_connection = 1;
  std::move_only_function<void(const Error&, const std::string&)> on_refused;
  bool is_closed = false;

  Status listen() {
    QUOIN_TAKE(opened, ByteListener::open(loop, config.host, config.port,
                                          [weak = weak_from_this()](ByteStream stream) {
                                            if (const auto self = weak.lock())
                                              self->begin(std::move(stream));
                                          }));
    listener = std::move(opened);
    return success();
  }

  void refuse(const Error& error, const std::string& address) {
    if (on_refused) on_refused(error, address);
  }

  bool end_oldest_unauthenticated() {
    for (const auto& [id, connection] : connections) {
      if (connection->conversation) continue;
      end(id);
      return true;
    }
    return false;
  }

  void begin(ByteStream tcp) {
    const std::string address = tcp.peer_address();
    // Whoever has not proven who he is makes room: connections without a certificate cannot lock
    // applications out.
    if (connections.size() >= config.connections_max && !end_oldest_unauthenticated())
      return refuse({ErrorCode::exhausted, "too many connections", {}}, address);
    const std::uint64_t id = next_connection++;
    const std::weak_ptr<Impl> weak = weak_from_this();
    const auto with = [weak, id](auto&& fn) {
      const auto self = weak.lock();
      if (!self) return;
      const auto found = self->connections.find(id);
      // Held for the length of the call: fn may end the connection.
      if (const auto alive = found == self->connections.end() ? nullptr : found->second)
        fn(*self, *alive);
    };
    TlsStream::Callbacks fns;
    fns.on_established = [with, id](const TlsPeer& peer) {
      with([&peer, id](Impl& self, Connection& c) { self.establish(id, c, peer); });
    };
    fns.on_bytes = [with, id](ByteSpan bytes) {
      with([bytes, id](Impl& self, Connection& c) {
        if (c.conversation) self.emit(id, c, c.conversation->feed(bytes, self.loop.now()));
      });
    };
    fns.on_finished_by_peer = [with, id] { with([id](Impl& self, Connection&) { self.end(id); }); };
    fns.on_drained = [with]() { with([](Impl&, Connection& c) { c.stream.resume(); }); };
    fns.on_broken = [with, id](const Error& error) {
      with([&error, id](Impl& self, Connection& c) {
        if (!c.conversation) self.refuse(error, c.stream.peer_address());
        self.end(id);
      });
    };
    auto stream = TlsStream::start(loop, std::move(tcp), context, {}, config.handshake_timeout_ms,
                                   std::move(fns));
    if (!stream) return refuse(stream.error(), address);
    const auto connection = std::make_shared<Connection>();
    connection->stream = std::move(stream).value();
    connections.emplace(id, connection);
  }

  void establish(std::uint64_t id, Connection& connection, const TlsPeer& peer) {
    const std::weak_ptr<Impl> weak = weak_from_this();
    // Posted: a wake may come from inside another conversation.
    auto wake = [weak, id] {
      if (const auto self = weak.lock())
        self->loop.post([weak, id] {
          if (const auto alive = weak.lock()) alive->wake(id);
        });
    };
    if (!peer.sae.empty()) connection.conversation = factory(peer, std::move(wake));
    if (!connection.conversation) {
      refuse({ErrorCode::unauthorised, "the client's certificate names no known application",
              "issue it with URI quoin:sae:NAME: quoin pki issue"},
             connection.stream.peer_address());
      return end(id);
    }
    connection.idle_since = loop.now();
    arm(id, connection);
  }

  void emit(std::uint64_t id, Connection& connection, ConversationOutput output) {
    if (!output.bytes.empty()) {
      if (!connection.stream.send(output.bytes.expose_secret())) return end(id);
      connection.idle_since = loop.now();
      if (connection.stream.queued_bytes() > config.queue_bytes_max) connection.stream.pause();
    }
    if (!output.keep_open) return end(id);
    arm(id, connection);
  }

  void wake(std::uint64_t id) {
    const auto found = connections.find(id);
    if (found == connections.end() || !found->second->conversation) return;
    const auto connection = found->second;
    emit(id, *connection, connection->conversation->wake(loop.now()));
  }

  void arm(std::uint64_t id, Connection& connection) {
    loop.cancel(connection.timer);
    connection.timer = TimerId::none;
    std::optional<Instant> when = connection.conversation->deadline();
    if (!when && connection.conversation->is_answering()) return;
    if (!connection.conversation->is_answering())
      when = Instant{connection.idle_since.ns + config.request_timeout_ms * ns_per_ms};
    connection.timer = loop.run_at(*when, [weak = weak_from_this(), id] {
      if (const auto self = weak.lock()) self->take_timer(id);
    });
  }

  void take_timer(std::uint64_t id) {
    const auto found = connections.find(id);
    if (found == connections.end()) return;
    if (found->second->conversation->is_answering()) return wake(id);
    refuse({ErrorCode::unavailable, "no whole request in time", {}},
           found->second->stream.peer_address());
    end(id);
  }

  void end(std::uint64_t id) {
    const auto found = connections.find(id);
    if (found == connections.end()) return;
    const auto connection = found->second;
    loop.cancel(connection->timer);
    connections.erase(found);
    connection->stream.close();
  }

  void close() {
    is_closed = true;
    listener.close();
    while (!connections.empty()) end(connections.begin()->first);
  }
};

HttpsServer::HttpsServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpsServer::~HttpsServer() { impl_->close(); }

Result<std::unique_ptr<HttpsServer>> HttpsServer::start(EventLoop& loop, TlsContext context,
                                                        HttpsServerConfig config,
                                                        ConversationFactory factory) {
  if (context.purpose() != TlsPurpose::delivery || context.side() != TlsSide::server)
    return fail(ErrorCode::invalid_argument, "the TLS context is not for a delivery server");
  auto impl =
      std::make_shared<Impl>(loop, std::move(context), std::move(config), std::move(factory));
  std::unique_ptr<HttpsServer> server(new HttpsServer(impl));
  QUOIN_TRY(impl->listen());
  return server;
}

std::uint16_t HttpsServer::port() const { return impl_->listener.port(); }
std::size_t HttpsServer::connections() const { return impl_->connections.size(); }

void HttpsServer::wake_all() {
  impl_->loop.post([weak = std::weak_ptr(impl_)] {
    const auto self = weak.lock();
    if (!self) return;
    std::vector<std::uint64_t> ids;
    for (const auto& [id, connection] : self->connections) ids.push_back(id);
    for (const std::uint64_t id : ids) self->wake(id);
  });
}

void HttpsServer::on_refused(std::move_only_function<void(const Error&, const std::string&)> fn) {
  impl_->on_refused = std::move(fn);
}

}  // namespace quoin
