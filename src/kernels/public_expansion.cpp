#include "kernels/public_expansion.hpp"

#include <bit>
#include <utility>

namespace quoin {

namespace {

std::uint64_t split_mix(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

}  // namespace

PublicExpansion::PublicExpansion(const std::array<std::byte, 32>& seed, std::uint64_t stream) {
  std::uint64_t chain = stream;
  for (std::size_t w = 0; w < 4; ++w) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 8; ++i)
      word = word << 8 | std::to_integer<std::uint64_t>(seed[w * 8 + i]);
    chain ^= word;
    split_mix(chain);
    chain = split_mix(chain);
  }
  for (std::uint64_t& word : state_) word = split_mix(chain);
  if ((state_[0] | state_[1] | state_[2] | state_[3]) == 0) state_[0] = 1;
}

std::uint64_t PublicExpansion::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint32_t PublicExpansion::below(std::uint32_t bound) {
  std::uint64_t product = (next() >> 32) * bound;
  if (static_cast<std::uint32_t>(product) < bound) {
    const std::uint32_t threshold = (0U - bound) % bound;
    while (static_cast<std::uint32_t>(product) < threshold) product = (next() >> 32) * bound;
  }
  return static_cast<std::uint32_t>(product >> 32);
}

void draw_permutation(PublicExpansion& source, std::span<std::uint16_t> out) {
  QUOIN_INVARIANT(out.size() <= 65536, "permutation of more than 65536 entries");
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint16_t>(i);
  for (std::size_t i = out.size(); i > 1; --i)
    std::swap(out[i - 1], out[source.below(static_cast<std::uint32_t>(i))]);
}

void draw_mask(PublicExpansion& source, MutableWordSpan out) {
  for (std::uint64_t& word : out) word = source.next();
}

}  // namespace quoin
