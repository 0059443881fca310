// SHA-256 and SHA-384 (FIPS 180-4), running and at once. For every layer above core. OpenSSL
// refusing to hash is a broken invariant, not an error: there is nothing a caller could do.
#pragma once

#include <array>
#include <memory>

#include "core/bytes.hpp"

namespace quoin {

using Sha256Value = std::array<std::byte, 32>;
using Sha384Value = std::array<std::byte, 48>;

enum class DigestAlgorithm : std::uint8_t { sha256 = 1, sha384 = 2 };

namespace crypto_internal {
struct DigestContext;
struct DigestContextDeleter {
  void operator()(DigestContext* context) const;
};
// A running digest of either kind; Sha256 and Sha384 below give it its types.
class RunningDigest {
 public:
  explicit RunningDigest(DigestAlgorithm algorithm);
  void update(ByteSpan bytes);
  // Fills `out`, which has the size of the digest, and starts anew.
  void finish(MutableByteSpan out);

 private:
  void start();
  DigestAlgorithm algorithm_;
  std::unique_ptr<DigestContext, DigestContextDeleter> context_;
};
}  // namespace crypto_internal

class Sha256 {
 public:
  Sha256() : running_(DigestAlgorithm::sha256) {}
  Sha256& update(ByteSpan bytes) {
    running_.update(bytes);
    return *this;
  }
  Sha256Value finish() {
    Sha256Value value;
    running_.finish(value);
    return value;
  }

 private:
  crypto_internal::RunningDigest running_;
};

class Sha384 {
 public:
  Sha384() : running_(DigestAlgorithm::sha384) {}
  Sha384& update(ByteSpan bytes) {
    running_.update(bytes);
    return *this;
  }
  Sha384Value finish() {
    Sha384Value value;
    running_.finish(value);
    return value;
  }

 private:
  crypto_internal::RunningDigest running_;
};

Sha256Value sha256(ByteSpan bytes);
Sha384Value sha384(ByteSpan bytes);

}  // namespace quoin
