// The real sides of PublicRandom and SecretRandom: OpenSSL's two DRBGs (SP 800-90A), seeded by the
// operating system. A failing generator is a broken invariant and ends the process. Thread-safe.
#pragma once

#include "core/ports.hpp"

namespace quoin {

// RAND_bytes: positions, permutations, seeds, nonces; values that will be public.
class OpenSslPublicRandom final : public PublicRandom {
 public:
  void fill(MutableByteSpan out) override;
};

// RAND_priv_bytes: a generator of its own, so that public values say nothing about secret ones.
class OpenSslSecretRandom final : public SecretRandom {
 public:
  void fill_secret(MutableByteSpan out) override;
};

}  // namespace quoin
