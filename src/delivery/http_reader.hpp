// Cuts a stream of bytes into HTTP/1.1 requests (RFC 9112). The only file pair of the server side
// that knows the parser library. For src/delivery.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/bytes.hpp"

namespace quoin {

struct HttpRequest {
  std::string method;
  std::string target;
  std::string accept;        // empty when the header is absent
  std::string content_type;  // the same
  std::string body;
  bool has_host = false;
  bool is_http_1_1 = true;
  bool keeps_alive = true;
};

struct HttpBounds {
  std::size_t header_bytes_max;
  std::size_t body_bytes_max;
  std::size_t buffered_bytes_max;
};

class HttpReader {
 public:
  explicit HttpReader(HttpBounds bounds);
  HttpReader(HttpReader&&) noexcept;
  HttpReader& operator=(HttpReader&&) noexcept;
  ~HttpReader();

  // too_large when more waits than the bound allows.
  Status add(ByteSpan bytes);
  // The next whole request; none when more bytes are needed. Errors end the connection: malformed;
  // too_large with the message "header" or "body".
  Result<std::optional<HttpRequest>> next();
  // Once per request: the client waits for "100 Continue" before it sends its body.
  bool take_expects_continue();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quoin
