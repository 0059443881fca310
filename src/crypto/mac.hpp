// HMAC-SHA-384 (RFC 2104, FIPS 198-1), running and at once. Compare values with
// equal_constant_time() only. For every layer above core.
#pragma once

#include <array>
#include <memory>

#include "core/bytes.hpp"

namespace quoin {

constexpr std::size_t hmac_sha384_bytes = 48;
using Hmac384Value = std::array<std::byte, hmac_sha384_bytes>;

namespace crypto_internal {
struct MacContext;
struct MacContextDeleter {
  void operator()(MacContext* context) const;
};
}  // namespace crypto_internal

class HmacSha384 {
 public:
  // Any key length; OpenSSL keeps its own copy and wipes it with the object.
  explicit HmacSha384(ByteSpan key);
  HmacSha384& update(ByteSpan bytes);
  // The tag of all bytes since the start or the last finish(). Starts anew under the same key.
  Hmac384Value finish();

 private:
  std::unique_ptr<crypto_internal::MacContext, crypto_internal::MacContextDeleter> context_;
};

Hmac384Value hmac_sha384(ByteSpan key, ByteSpan message);

}  // namespace quoin
