// Blocking mutual-TLS client for one request at a time. Speaks no HTTP itself: the caller gives the
// request's bytes and says when the answer is complete. Any one thread.
#pragma once

#include <functional>
#include <memory>

#include "adapters/tls.hpp"

namespace quoin {

struct HttpsClientConfig {
  std::string host;
  std::uint16_t port = 0;
  // What the server must prove. With an empty site the certificate must be for `host`.
  std::string expected_site;
  std::int64_t connect_timeout_ms = 5000;
  std::int64_t answer_timeout_ms = 30'000;
  std::size_t answer_bytes_max = std::size_t{4} << 20;
};

class HttpsClient {
 public:
  // unavailable: not reachable in time. unauthenticated: a certificate was refused, by either side.
  static Result<HttpsClient> connect(const TlsContext& context, const HttpsClientConfig& config);
  HttpsClient(HttpsClient&&) noexcept;
  HttpsClient& operator=(HttpsClient&&) noexcept;
  ~HttpsClient();

  // Sends and receives until is_complete(all bytes received so far) says so; it is asked after
  // every piece, and its failure ends the exchange. A server that closes with a TLS goodbye ends
  // its answer too (at least one byte). Over the bound: too_large; cut off: unavailable. After a
  // failure the client is of no more use.
  Result<SecretBytes> exchange(ByteSpan request,
                               const std::function<Result<bool>(ByteSpan received)>& is_complete);

  const TlsPeer& server() const;

 private:
  struct Impl;
  explicit HttpsClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace quoin
