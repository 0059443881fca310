#include "adapters/gateway_pump.hpp"

#include <map>

#include "adapters/byte_stream.hpp"

namespace quoin {

namespace {

constexpr std::int64_t linger_ms = 60'000;  // for a slow reader of the last bytes

// One user connection and its tunnel.
class Tunnel : public std::enable_shared_from_this<Tunnel> {
 public:
  // What the tunnels of a pump share; outlives them.
  struct Shared {
    EventLoop& loop;
    GatewayPumpConfig config;
    GatewayKeySource key_source;
    GatewayCounters counters;
    std::move_only_function<void(const Error&)> on_failed;
    std::move_only_function<void(Tunnel*)> on_over;
  };

  Tunnel(std::shared_ptr<Shared> shared, GatewaySession session)
      : shared_(std::move(shared)), session_(std::move(session)) {}
  ~Tunnel() { shared_->loop.cancel(timer_); }

  // Entry: a user came. The key is asked for once the exit is reached.
  void begin_with_user(ByteStream user) {
    start_user(std::move(user));
    forward([](Tunnel& self, ByteStream stream) {
      self.start_network(std::move(stream));
      self.apply(self.session_.start());
    });
  }

  // Exit: a tunnel came. The target is connected to once the tunnel is authenticated.
  void begin_with_network(ByteStream network) {
    start_network(std::move(network));
    apply(session_.start());
  }

  void close() {
    is_over_ = true;
    shared_->loop.cancel(timer_);
    user_.close();
    network_.close();
    connector_ = ByteConnector();
  }

 private:
  // Runs fn on a tunnel that still exists: for callbacks.
  auto bound() {
    return [weak = weak_from_this()](auto&& fn) {
      const auto self = weak.lock();
      if (self && !self->is_over_) fn(*self);
    };
  }

  Instant now() const { return shared_->loop.now(); }

  void forward(std::move_only_function<void(Tunnel&, ByteStream)> then) {
    const GatewayPumpConfig& config = shared_->config;
    connector_ = ByteConnector::connect(
        shared_->loop, config.forward_host, config.forward_port, config.connect_timeout_ms,
        [with = bound(), then = std::move(then)](Result<ByteStream> stream) mutable {
          with([&](Tunnel& self) {
            if (!stream) return self.end_with(stream.error());
            then(self, std::move(stream).value());
          });
        });
  }

  void start_user(ByteStream user) {
    user_ = std::move(user);
    user_.pause();
    ByteStream::Callbacks fns;
    fns.on_bytes = [with = bound()](ByteSpan bytes) {
      with([bytes](Tunnel& self) { self.take_user_bytes(bytes); });
    };
    fns.on_finished_by_peer = [with = bound()] {
      with([](Tunnel& self) { self.apply(self.session_.user_ended(self.now())); });
    };
    fns.on_drained = [with = bound()] { with([](Tunnel& self) { self.balance(); }); };
    fns.on_broken = [with = bound()](const Error& error) {
      with([&error](Tunnel& self) { self.end_with(error); });
    };
    user_.start(std::move(fns));
  }

  void start_network(ByteStream network) {
    network_ = std::move(network);
    ByteStream::Callbacks fns;
    fns.on_bytes = [with = bound()](ByteSpan bytes) {
      with([bytes](Tunnel& self) { self.apply(self.session_.network_bytes(bytes, self.now())); });
    };
    fns.on_finished_by_peer = [with = bound()] {
      with([](Tunnel& self) { self.take_network_end(); });
    };
    fns.on_drained = [with = bound()] { with([](Tunnel& self) { self.balance(); }); };
    fns.on_broken = [with = bound()](const Error& error) {
      with([&error](Tunnel& self) { self.end_with(error); });
    };
    network_.start(std::move(fns));
  }

  void take_user_bytes(ByteSpan bytes) {
    shared_->counters.bytes_from_users += bytes.size();
    apply(session_.user_bytes(bytes, now()));
  }

  void take_network_end() {
    const Status ended = session_.network_ended();
    if (!ended) return end_with(ended.error());
    end_with({ErrorCode::unavailable, "the other gateway closed while the user still sent", {}});
  }

  void apply(Result<GatewayEffects> result) {
    if (!result) return end_with(result.error());
    GatewayEffects& effects = *result;
    if (!effects.to_network.empty()) network_.send(std::move(effects.to_network));
    shared_->counters.bytes_to_users += effects.to_user.size();
    if (user_.is_open()) {
      user_.send(std::move(effects.to_user));
    } else {
      early_bytes_.insert(early_bytes_.end(), effects.to_user.begin(), effects.to_user.end());
    }
    ends_early_ = ends_early_ || effects.end_to_user;
    if (effects.end_to_user && user_.is_open()) user_.finish();
    if (effects.is_done) return end_well();
    if (effects.needs_new_key) ask_for_key({});
    if (effects.needs_key_id) ask_for_key(*effects.needs_key_id);
    if (effects.became_established) connect_to_target();
    balance();
    arm();
  }

  void connect_to_target() {
    forward([](Tunnel& self, ByteStream stream) {
      self.start_user(std::move(stream));
      self.user_.send(std::exchange(self.early_bytes_, {}));
      if (self.ends_early_) self.user_.finish();
      self.balance();
    });
  }

  void ask_for_key(const std::string& key_id) {
    shared_->key_source(key_id, [with = bound()](Result<TunnelKey> key) {
      with([&key](Tunnel& self) {
        const std::uint64_t before = self.session_.keys_used();
        auto effects = key ? self.session_.key_arrived(std::move(key).value(), self.now())
                           : self.session_.key_failed(key.error(), self.now());
        self.shared_->counters.keys_used += self.session_.keys_used() - before;
        self.apply(std::move(effects));
      });
    });
  }

  // Reads from each side only what the other side can take.
  void balance() {
    if (is_over_) return;
    const std::size_t room = shared_->config.buffer_bytes_max;
    const bool is_user_welcome = session_.accepts_user_bytes() && network_.queued_bytes() < room;
    const bool is_network_welcome =
        session_.accepts_network_bytes() && early_bytes_.empty() && user_.queued_bytes() < room;
    is_user_welcome ? user_.resume() : user_.pause();
    is_network_welcome ? network_.resume() : network_.pause();
  }

  void arm() {
    const Instant when = session_.deadline();
    if (is_over_ || when == armed_for_) return;
    shared_->loop.cancel(timer_);
    armed_for_ = when;
    timer_ = shared_->loop.run_at(when, [with = bound()] {
      with([](Tunnel& self) {
        self.armed_for_ = {};
        self.apply(self.session_.tick(self.now()));
      });
    });
  }

  void end_well() {
    network_.close_after_sending(linger_ms);
    user_.close_after_sending(linger_ms);
    end();
  }

  void end_with(const Error& error) {
    if (shared_->on_failed) shared_->on_failed(error);
    user_.close();
    network_.close();
    end();
  }

  void end() {
    is_over_ = true;
    shared_->loop.cancel(timer_);
    shared_->on_over(this);
  }

  std::shared_ptr<Shared> shared_;
  GatewaySession session_;
  ByteStream user_;
  ByteStream network_;
  ByteConnector connector_;
  Bytes early_bytes_;  // exit: for the target, before it is connected
  bool ends_early_ = false;
  bool is_over_ = false;
  TimerId timer_ = TimerId::none;
  Instant armed_for_;
};

}  // namespace

struct GatewayPump::Impl : std::enable_shared_from_this<GatewayPump::Impl> {
  Impl(std::shared_ptr<Tunnel::Shared> with_shared, PublicRandom& with_random)
      : shared(std::move(with_shared)), random(with_random) {}

  std::shared_ptr<Tunnel::Shared> shared;
  PublicRandom& random;
  ByteListener listener;
  std::map<Tunnel*, std::shared_ptr<Tunnel>> tunnels;

  Result<GatewaySession> make_session() {
    const bool is_entry = shared->config.side == GatewaySide::entry;
    return GatewaySession::make(is_entry ? GatewayRole::master : GatewayRole::slave,
                                shared->config.terms, random, shared->loop.now());
  }

  Status listen() {
    const GatewayPumpConfig& config = shared->config;
    QUOIN_TAKE(opened, ByteListener::open(shared->loop, config.listen_host, config.listen_port,
                                          [weak = weak_from_this()](ByteStream stream) {
                                            if (const auto self = weak.lock())
                                              self->begin(std::move(stream));
                                          }));
    listener = std::move(opened);
    return success();
  }

  void begin(ByteStream stream) {
    if (tunnels.size() >= shared->config.connections_max) return;  // closed by its handle
    auto session = make_session();
    if (!session) return;
    const auto tunnel = std::make_shared<Tunnel>(shared, std::move(session).value());
    tunnels.emplace(tunnel.get(), tunnel);
    ++shared->counters.connections;
    if (shared->config.side == GatewaySide::entry) {
      tunnel->begin_with_user(std::move(stream));
    } else {
      tunnel->begin_with_network(std::move(stream));
    }
  }

  // Posted by on_over: a tunnel ends inside its own callbacks.
  void forget(Tunnel* tunnel) {
    const auto found = tunnels.find(tunnel);
    if (found == tunnels.end()) return;
    shared->loop.post([keep = std::move(found->second)] {});
    tunnels.erase(found);
  }

  void close() {
    listener.close();
    for (const auto& [key, tunnel] : tunnels) tunnel->close();
    tunnels.clear();
  }
};

GatewayPump::GatewayPump(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
GatewayPump::~GatewayPump() { impl_->close(); }

Result<std::unique_ptr<GatewayPump>> GatewayPump::start(EventLoop& loop, GatewayPumpConfig config,
                                                        PublicRandom& random,
                                                        GatewayKeySource key_source) {
  auto shared = std::make_shared<Tunnel::Shared>(
      Tunnel::Shared{loop, std::move(config), std::move(key_source), {}, {}, {}});
  auto impl = std::make_shared<Impl>(shared, random);
  shared->on_over = [weak = std::weak_ptr(impl)](Tunnel* tunnel) {
    if (const auto self = weak.lock()) self->forget(tunnel);
  };
  QUOIN_TRY(impl->make_session());  // the terms, before the first user comes
  std::unique_ptr<GatewayPump> pump(new GatewayPump(impl));
  QUOIN_TRY(impl->listen());
  return pump;
}

std::uint16_t GatewayPump::port() const { return impl_->listener.port(); }
const GatewayCounters& GatewayPump::counters() const { return impl_->shared->counters; }
std::size_t GatewayPump::open_connections() const { return impl_->tunnels.size(); }
void GatewayPump::on_failed(std::move_only_function<void(const Error&)> fn) {
  impl_->shared->on_failed = std::move(fn);
}

}  // namespace quoin
