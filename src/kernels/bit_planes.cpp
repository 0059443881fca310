#include "kernels/bit_planes.hpp"

#include <bit>
#include <cstring>

#include "core/bits.hpp"
#include "core/check.hpp"

namespace quoin {

namespace {

// The lowest bits of eight bytes, byte i to bit i: the product adds every one of them up in the
// top byte, each at its own place.
inline std::uint64_t lowest_bits(std::uint64_t bytes) {
  return ((bytes & 0x0101010101010101) * 0x0102040810204080) >> 56;
}

}  // namespace

void pack_bit_plane(std::span<const std::uint8_t> codes, unsigned plane,
                    std::span<std::uint64_t> words) {
  static_assert(std::endian::native == std::endian::little, "bytes are read as words");
  QUOIN_INVARIANT(words.size() == words_for_bits(codes.size()), "bit plane of a wrong length");
  const std::size_t whole = codes.size() / 64;
  for (std::size_t w = 0; w < whole; ++w) {
    std::uint64_t word = 0;
    for (unsigned group = 0; group < 8; ++group) {
      std::uint64_t bytes = 0;
      std::memcpy(&bytes, codes.data() + w * 64 + group * 8, 8);
      word |= lowest_bits(bytes >> plane) << (8 * group);
    }
    words[w] = word;
  }
  if (whole == words.size()) return;
  std::uint64_t word = 0;
  for (std::size_t i = whole * 64; i < codes.size(); ++i)
    word |= std::uint64_t{codes[i]} >> plane << 63 >> (63 - i % 64);
  words[whole] = word;
}

}  // namespace quoin
