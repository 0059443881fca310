#include "adapters/tcp_relay.hpp"

#include <map>

#include "adapters/byte_stream.hpp"

namespace quoin {

struct TcpRelay::Impl : std::enable_shared_from_this<TcpRelay::Impl> {
  struct Pair {
    ByteStream near;
    ByteStream far;
    ByteConnector connector;
    std::size_t delayed_bytes = 0;
  };
  using PairRef = std::shared_ptr<Pair>;

  Impl(EventLoop& on_loop, TcpRelayConfig with_config)
      : loop(on_loop), config(std::move(with_config)) {}

  EventLoop& loop;
  TcpRelayConfig config;
  ByteListener listener;
  std::map<std::uint64_t, PairRef> pairs;
  std::uint64_t next_pair = 1;

  Status listen() {
    QUOIN_TAKE(opened, ByteListener::open(loop, config.listen_host, config.listen_port,
                                          [weak = weak_from_this()](ByteStream stream) {
                                            if (const auto self = weak.lock())
                                              self->begin(std::move(stream));
                                          }));
    listener = std::move(opened);
    return success();
  }

  void begin(ByteStream near) {
    constexpr std::int64_t connect_timeout_ms = 5000;
    const std::uint64_t id = next_pair++;
    const auto pair = std::make_shared<Pair>();
    pair->near = std::move(near);
    pair->connector =
        ByteConnector::connect(loop, config.target_host, config.target_port, connect_timeout_ms,
                               [weak = weak_from_this(), id](Result<ByteStream> far) {
                                 const auto self = weak.lock();
                                 if (!self || !self->pairs.contains(id)) return;
                                 if (!far) return self->end(id);
                                 const PairRef joined = self->pairs.at(id);
                                 joined->far = std::move(far).value();
                                 self->forward(id, joined->near, &Pair::far);
                                 self->forward(id, joined->far, &Pair::near);
                               });
    pairs.emplace(id, pair);
  }

  // Equal delays and equal instants keep their order on the loop.
  void later(std::uint64_t id, std::move_only_function<void(Impl&, Pair&)> fn) {
    loop.run_after_ms(config.delay_ms, [weak = weak_from_this(), id, fn = std::move(fn)]() mutable {
      const auto self = weak.lock();
      if (!self || !self->pairs.contains(id)) return;
      const PairRef pair = self->pairs.at(id);
      fn(*self, *pair);
    });
  }

  void forward(std::uint64_t id, ByteStream& from, ByteStream Pair::* to) {
    const std::weak_ptr<Impl> weak = weak_from_this();
    from.start({
        .on_bytes =
            [weak, id, to](ByteSpan bytes) {
              if (const auto self = weak.lock()) self->take(id, to, bytes);
            },
        .on_finished_by_peer =
            [weak, id, to] {
              if (const auto self = weak.lock())
                self->later(id, [to](Impl&, Pair& pair) { (pair.*to).finish(); });
            },
        .on_drained = {},
        .on_broken =
            [weak, id](const Error&) {
              if (const auto self = weak.lock())
                self->later(id, [id](Impl& relay, Pair&) { relay.end(id); });
            },
    });
  }

  void take(std::uint64_t id, ByteStream Pair::* to, ByteSpan bytes) {
    if (!pairs.contains(id)) return;
    Pair& pair = *pairs.at(id);
    pair.delayed_bytes += bytes.size();
    if (pair.delayed_bytes > config.queue_bytes_max) pause(pair, true);
    later(id, [to, copy = Bytes(bytes.begin(), bytes.end())](Impl& self, Pair& at) mutable {
      at.delayed_bytes -= copy.size();
      (at.*to).send(std::move(copy));
      const std::size_t queued = at.delayed_bytes + at.near.queued_bytes() + at.far.queued_bytes();
      self.pause(at, queued > self.config.queue_bytes_max);
    });
  }

  void pause(Pair& pair, bool is_full) {
    for (ByteStream* stream : {&pair.near, &pair.far}) {
      if (is_full) stream->pause();
      if (!is_full) stream->resume();
    }
  }

  void end(std::uint64_t id) {
    const auto found = pairs.find(id);
    if (found == pairs.end()) return;
    const PairRef pair = found->second;
    pairs.erase(found);
    pair->near.close();
    pair->far.close();
  }

  void cut() {
    while (!pairs.empty()) end(pairs.begin()->first);
  }
};

TcpRelay::TcpRelay(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
TcpRelay::~TcpRelay() {
  impl_->listener.close();
  impl_->cut();
}

Result<std::unique_ptr<TcpRelay>> TcpRelay::start(EventLoop& loop, TcpRelayConfig config) {
  auto impl = std::make_shared<Impl>(loop, std::move(config));
  std::unique_ptr<TcpRelay> relay(new TcpRelay(impl));
  QUOIN_TRY(impl->listen());
  return relay;
}

std::uint16_t TcpRelay::port() const { return impl_->listener.port(); }
void TcpRelay::cut() { impl_->cut(); }

}  // namespace quoin
