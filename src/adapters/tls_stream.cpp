#include "adapters/tls_stream.hpp"

#include <algorithm>
#include <array>

namespace quoin {

namespace {
constexpr std::size_t write_piece = 65536;
constexpr std::size_t read_piece = 16384;
}  // namespace

struct TlsStream::Impl : std::enable_shared_from_this<TlsStream::Impl> {
  Impl(EventLoop& on_loop, ByteStream tcp, TlsSession tls, Callbacks fns)
      : loop(on_loop),
        stream(std::move(tcp)),
        session(std::move(tls)),
        callbacks(std::move(fns)),
        address(stream.peer_address()) {}

  ~Impl() { loop.cancel(handshake_limit); }

  EventLoop& loop;
  ByteStream stream;
  TlsSession session;
  Callbacks callbacks;
  std::string address;
  TimerId handshake_limit = TimerId::none;
  bool is_open = true;
  bool is_paused = false;
  bool was_finish_told = false;

  // The stream's callbacks hold no claim on this object, so that dropping the handle ends both.
  void start(std::int64_t handshake_timeout_ms) {
    const std::weak_ptr<Impl> weak = weak_from_this();
    handshake_limit = loop.run_after_ms(handshake_timeout_ms, [weak] {
      if (const auto self = weak.lock())
        self->break_with({ErrorCode::unavailable, "the TLS handshake took too long", {}});
    });
    flush();
    stream.start({
        .on_bytes =
            [weak](ByteSpan bytes) {
              if (const auto self = weak.lock()) self->take(bytes);
            },
        .on_finished_by_peer =
            [weak] {
              if (const auto self = weak.lock()) self->take_end();
            },
        .on_drained =
            [weak] {
              const auto self = weak.lock();
              if (self && self->is_open && self->callbacks.on_drained) self->callbacks.on_drained();
            },
        .on_broken =
            [weak](const Error& error) {
              if (const auto self = weak.lock()) self->break_with(error);
            },
    });
  }

  void flush() {
    if (session.has_output()) stream.send(session.take_output());
  }

  void break_with(const Error& error) {
    if (!is_open) return;
    is_open = false;
    loop.cancel(handshake_limit);
    flush();  // the alert that says why
    stream.close_after_sending(1000);
    if (callbacks.on_broken) callbacks.on_broken(error);
  }

  void take(ByteSpan bytes) {
    if (!is_open) return;
    const bool was_established = session.is_established();
    const Status fed = session.feed(bytes);
    if (!fed) return break_with(fed.error());
    flush();
    if (!was_established && session.is_established()) {
      loop.cancel(handshake_limit);
      if (callbacks.on_established) callbacks.on_established(session.peer());
    }
    deliver();
  }

  // Hands out plaintext until there is none, the reader pauses, or the stream is closed.
  void deliver() {
    std::array<std::byte, read_piece> plaintext;
    while (is_open && !is_paused && session.is_established()) {
      const auto got = session.read(plaintext);
      if (!got) return break_with(got.error());
      if (*got == 0) break;
      if (callbacks.on_bytes) callbacks.on_bytes(ByteSpan(plaintext).first(*got));
    }
    if (!is_open || is_paused) return;
    flush();  // reading may answer a key update
    if (session.is_finished_by_peer() && !was_finish_told) {
      was_finish_told = true;
      if (callbacks.on_finished_by_peer) callbacks.on_finished_by_peer();
    }
  }

  void take_end() {
    if (!is_open || session.is_finished_by_peer()) return;
    const char* what = session.is_established()
                           ? "the connection ended without a TLS goodbye"
                           : "the other side closed the connection during the TLS handshake";
    break_with({ErrorCode::unavailable, what, "look at the other side's log for the reason"});
  }

  void close(std::int64_t limit_ms) {
    if (!is_open) return;
    is_open = false;
    loop.cancel(handshake_limit);
    session.finish();
    flush();
    stream.close_after_sending(limit_ms);
  }
};

TlsStream::TlsStream() = default;
TlsStream::TlsStream(TlsStream&&) noexcept = default;

TlsStream& TlsStream::operator=(TlsStream&& other) noexcept {
  if (this != &other) {
    close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

TlsStream::~TlsStream() { close(); }

Result<TlsStream> TlsStream::start(EventLoop& loop, ByteStream stream, const TlsContext& context,
                                   const TlsExpectation& expected,
                                   std::int64_t handshake_timeout_ms, Callbacks callbacks) {
  QUOIN_TAKE(session, TlsSession::make(context, expected));
  TlsStream tls;
  tls.impl_ =
      std::make_shared<Impl>(loop, std::move(stream), std::move(session), std::move(callbacks));
  tls.impl_->start(handshake_timeout_ms);
  return tls;
}

Status TlsStream::send(ByteSpan plaintext) {
  if (!is_open() || !impl_->session.is_established())
    return fail(ErrorCode::unavailable, "the connection is not up");
  while (!plaintext.empty()) {
    const ByteSpan piece = plaintext.first(std::min(plaintext.size(), write_piece));
    plaintext = plaintext.subspan(piece.size());
    QUOIN_TRY(impl_->session.write(piece));
    impl_->flush();
  }
  return success();
}

std::size_t TlsStream::queued_bytes() const { return impl_ ? impl_->stream.queued_bytes() : 0; }

void TlsStream::pause() {
  if (!impl_) return;
  impl_->is_paused = true;
  impl_->stream.pause();
}

void TlsStream::resume() {
  if (!impl_ || !impl_->is_paused) return;
  impl_->is_paused = false;
  impl_->loop.post([weak = std::weak_ptr(impl_)] {
    const auto self = weak.lock();
    if (!self || !self->is_open || self->is_paused) return;
    self->deliver();
    if (self->is_open && !self->is_paused) self->stream.resume();
  });
}

Result<SecretBytes> TlsStream::exporter(ByteSpan context) const {
  if (!impl_ || !impl_->session.is_established())
    return fail(ErrorCode::unavailable, "the connection is not up");
  return impl_->session.exporter(context);
}

const std::string& TlsStream::peer_address() const { return impl_->address; }

void TlsStream::close(std::int64_t limit_ms) {
  if (impl_) impl_->close(limit_ms);
}

bool TlsStream::is_open() const { return impl_ && impl_->is_open; }

}  // namespace quoin
