// Public numbers from a public seed: permutations and masks that both sides must draw alike. Well
// mixed, not secret and not unpredictable to one who knows the seed; never for keys, tags or hash
// seeds (security-rules C6).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/bits.hpp"

namespace quoin {

// xoshiro256** (Blackman, Vigna, ACM TOMS 47 (2021) 36) with its state taken from (seed, stream)
// through SplitMix64.
class PublicExpansion {
 public:
  PublicExpansion(const std::array<std::byte, 32>& seed, std::uint64_t stream);
  std::uint64_t next();
  // Uniform in [0, bound), bound > 0, without bias (Lemire, ACM TOMACS 29 (2019) 3).
  std::uint32_t below(std::uint32_t bound);

 private:
  std::array<std::uint64_t, 4> state_{};
};

// A uniformly drawn permutation of 0 .. out.size() - 1; at most 65536 entries.
void draw_permutation(PublicExpansion& source, std::span<std::uint16_t> out);
// Fair bits.
void draw_mask(PublicExpansion& source, MutableWordSpan out);

}  // namespace quoin
