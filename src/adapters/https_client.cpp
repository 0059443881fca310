#include "adapters/https_client.hpp"

#include <algorithm>
#include <array>

#include "adapters/socket.hpp"

namespace quoin {

namespace {
constexpr std::size_t piece_bytes = 16384;
}

struct HttpsClient::Impl {
  Socket socket;
  TlsSession session;
  HttpsClientConfig config;

  Status flush() {
    if (!session.has_output()) return success();
    const Bytes bytes = session.take_output();
    return socket.write_all(bytes, config.answer_timeout_ms);
  }

  // One piece from the network into the session. False at the end of the stream.
  Result<bool> pump(std::int64_t timeout_ms) {
    std::array<std::byte, piece_bytes> piece;
    QUOIN_TAKE(got, socket.read_some(piece, timeout_ms));
    if (got == 0) return false;
    const Status fed = session.feed(ByteSpan(piece).first(got));
    const Status flushed = flush();  // also the alert of a failed handshake
    if (!fed) return fed.failure();
    QUOIN_TRY(flushed);
    return true;
  }

  Status handshake() {
    QUOIN_TRY(flush());
    while (!session.is_established()) {
      QUOIN_TAKE(goes_on, pump(config.connect_timeout_ms));
      if (!goes_on)
        return fail(ErrorCode::unavailable,
                    "the server closed the connection during the TLS handshake",
                    "look at the server's log for the reason");
    }
    return success();
  }

  // All plaintext that is there now, appended to `answer` up to the bound.
  Status drain(SecretBytes& answer, std::size_t& size) {
    while (true) {
      if (size == answer.size_bytes()) grow(answer, size);
      const std::size_t room = std::min(answer.size_bytes() - size, piece_bytes);
      QUOIN_TAKE(got, session.read(answer.expose_secret_mutable().subspan(size, room)));
      if (got == 0) return success();
      size += got;
      if (size > config.answer_bytes_max)
        return fail(ErrorCode::too_large, "the server's answer is over the bound of " +
                                              std::to_string(config.answer_bytes_max) + " bytes");
    }
  }

  static void grow(SecretBytes& answer, std::size_t size) {
    SecretBytes larger = SecretBytes::zeroed(std::max(piece_bytes, 2 * size), SecretMemory::block);
    const ByteSpan old = answer.expose_secret().first(size);
    std::copy(old.begin(), old.end(), larger.expose_secret_mutable().begin());
    answer = std::move(larger);
  }
};

HttpsClient::HttpsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpsClient::HttpsClient(HttpsClient&&) noexcept = default;
HttpsClient& HttpsClient::operator=(HttpsClient&&) noexcept = default;
HttpsClient::~HttpsClient() {
  if (!impl_) return;
  impl_->session.finish();
  const Status ignored = impl_->flush();  // a goodbye that fails is no loss
  static_cast<void>(ignored);
}

Result<HttpsClient> HttpsClient::connect(const TlsContext& context,
                                         const HttpsClientConfig& config) {
  if (context.purpose() != TlsPurpose::delivery || context.side() != TlsSide::client)
    return fail(ErrorCode::invalid_argument, "the TLS context is not for a delivery client");
  TlsExpectation expected;
  expected.site = config.expected_site;
  if (config.expected_site.empty()) expected.host = config.host;
  QUOIN_TAKE(session, TlsSession::make(context, expected));
  QUOIN_TAKE(socket, Socket::connect(config.host, config.port, config.connect_timeout_ms));
  std::unique_ptr<Impl> impl(new Impl{std::move(socket), std::move(session), config});
  QUOIN_TRY(impl->handshake());
  return HttpsClient(std::move(impl));
}

Result<SecretBytes> HttpsClient::exchange(
    ByteSpan request, const std::function<Result<bool>(ByteSpan received)>& is_complete) {
  QUOIN_TRY(impl_->session.write(request));
  // A server that refused us may have closed already; its alert tells more than the broken pipe.
  const Status sent = impl_->flush();
  SecretBytes answer;
  std::size_t size = 0;
  while (true) {
    const auto goes_on = impl_->pump(impl_->config.answer_timeout_ms);
    if (!goes_on) return sent ? goes_on.failure() : sent.failure();
    QUOIN_TRY(impl_->drain(answer, size));
    const ByteSpan received = answer.expose_secret().first(size);
    bool is_over = impl_->session.is_finished_by_peer() && size > 0;
    if (size > 0 && !is_over) {
      QUOIN_TAKE(complete, is_complete(received));
      is_over = complete;
    }
    if (is_over) break;
    if (!*goes_on || impl_->session.is_finished_by_peer())
      return fail(ErrorCode::unavailable, "the server closed the connection before its answer",
                  "look at the server's log for the reason");
  }
  SecretBytes exact = SecretBytes::zeroed(size, SecretMemory::block);
  std::copy_n(answer.expose_secret().begin(), size, exact.expose_secret_mutable().begin());
  return exact;
}

const TlsPeer& HttpsClient::server() const { return impl_->session.peer(); }

}  // namespace quoin
