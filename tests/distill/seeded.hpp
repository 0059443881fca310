// Seeded keys, noise and random numbers for the tests of distillation.
#pragma once

#include <cmath>
#include <random>

#include "core/key_stages.hpp"
#include "core/ports.hpp"

namespace quoin::testing_support {

class SeededSecretRandom final : public SecretRandom {
 public:
  explicit SeededSecretRandom(std::uint64_t seed) : engine_(seed) {}
  void fill_secret(MutableByteSpan out) override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

inline BitString random_bits(std::mt19937_64& engine, std::size_t size_bits) {
  BitString out(size_bits);
  for (std::uint64_t& word : out.words()) word = engine();
  out.trim();
  return out;
}

// Bits that are set independently with probability q.
inline BitString sparse_bits(std::mt19937_64& engine, std::size_t size_bits, double q) {
  BitString out(size_bits);
  const auto threshold = static_cast<std::uint64_t>(std::ldexp(q, 53));
  for (std::size_t i = 0; i < size_bits; ++i)
    if (engine() >> 11 < threshold) out.set(i, true);
  return out;
}

inline SecretBits to_secret(const BitString& bits) {
  SecretBits out = SecretBits::zeroed(bits.size_bits());
  std::ranges::copy(bits.words(), out.expose_secret_mutable().begin());
  return out;
}

inline BitString to_public(const SecretBits& bits) {
  BitString out(bits.size_bits());
  std::ranges::copy(bits.expose_secret(), out.words().begin());
  return out;
}

inline BitString exclusive_or(const BitString& a, const BitString& b) {
  BitString out = a;
  for (std::size_t w = 0; w < out.words().size(); ++w) out.words()[w] ^= b.words()[w];
  return out;
}

}  // namespace quoin::testing_support
