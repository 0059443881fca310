// Seeded ports: what is random in the world is drawn from one number here. For simulation and tests
// only; never in a node.
#pragma once

#include <algorithm>

#include "core/ports.hpp"

namespace quoin {

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). Serves as both kinds of randomness, so that runs
// repeat.
class SeededRandom final : public PublicRandom, public SecretRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(MutableByteSpan out) override;
  void fill_secret(MutableByteSpan out) override { fill(out); }
  std::uint64_t next();
  // Uniform in [0, bound) up to a bias of bound / 2^64.
  std::uint64_t below(std::uint64_t bound);
  bool happens(double probability);

 private:
  std::uint64_t state_;
};

class SeededClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  std::int64_t wall_unix_ms() const override { return 1'700'000'000'000 + now_.ns / ns_per_ms; }
  void advance_to(Instant instant) { now_ = std::max(now_, instant); }

 private:
  Instant now_;
};

}  // namespace quoin
