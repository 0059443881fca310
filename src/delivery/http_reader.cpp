#include "delivery/http_reader.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace quoin {

namespace http = boost::beast::http;

struct HttpReader::State {
  using Parser = http::request_parser<http::string_body>;

  HttpBounds bounds;
  std::string waiting;
  std::unique_ptr<Parser> parser;
  bool told_continue = false;

  void start() {
    parser = std::make_unique<Parser>();
    parser->header_limit(static_cast<std::uint32_t>(bounds.header_bytes_max));
    parser->body_limit(bounds.body_bytes_max);
    parser->eager(true);
    told_continue = false;
  }
  HttpRequest take() {
    auto message = parser->release();
    HttpRequest request;
    request.method = std::string(message.method_string());
    request.target = std::string(message.target());
    request.accept = std::string(message[http::field::accept]);
    request.content_type = std::string(message[http::field::content_type]);
    request.has_host = message.find(http::field::host) != message.end();
    request.is_http_1_1 = message.version() == 11;
    request.keeps_alive = message.keep_alive();
    request.body = std::move(message.body());
    start();
    return request;
  }
};

HttpReader::HttpReader(HttpBounds bounds) : state_(std::make_unique<State>()) {
  state_->bounds = bounds;
  state_->start();
}
HttpReader::HttpReader(HttpReader&&) noexcept = default;
HttpReader& HttpReader::operator=(HttpReader&&) noexcept = default;
HttpReader::~HttpReader() = default;

Status HttpReader::add(ByteSpan bytes) {
  if (bytes.size() > state_->bounds.buffered_bytes_max - state_->waiting.size())
    return fail(ErrorCode::too_large, "body");
  state_->waiting.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return success();
}

Result<std::optional<HttpRequest>> HttpReader::next() {
  State& state = *state_;
  std::size_t used = 0;
  boost::system::error_code error;
  while (used < state.waiting.size() && !error && !state.parser->is_done())
    used += state.parser->put(
        boost::asio::const_buffer(state.waiting.data() + used, state.waiting.size() - used), error);
  state.waiting.erase(0, used);
  if (error == http::error::header_limit) return fail(ErrorCode::too_large, "header");
  if (error == http::error::body_limit) return fail(ErrorCode::too_large, "body");
  if (error && error != http::error::need_more)
    return fail(ErrorCode::malformed, "the request is no HTTP/1.1");
  if (!state.parser->is_done()) return std::optional<HttpRequest>{};
  return std::optional<HttpRequest>(state.take());
}

bool HttpReader::take_expects_continue() {
  State& state = *state_;
  if (state.told_continue || !state.parser->is_header_done() || state.parser->is_done())
    return false;
  state.told_continue = true;
  return boost::beast::iequals(state.parser->get()[http::field::expect], "100-continue");
}

}  // namespace quoin
