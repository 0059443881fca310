// Public randomness from a seed, for tests of this folder: xorshift64*, no security claimed.
#pragma once

#include "core/ports.hpp"

namespace quoin {

class SeededRandom final : public PublicRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dULL;
  }
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  void fill(MutableByteSpan out) override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(next() >> 32);
  }
  Bytes bytes(std::size_t size) {
    Bytes out(size);
    fill(out);
    return out;
  }
  SecretBytes key(std::size_t size = 32) {
    Bytes out = bytes(size);
    return SecretBytes::take_and_wipe(out);
  }

 private:
  std::uint64_t state_;
};

}  // namespace quoin
