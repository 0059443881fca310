#include "kernels/bit_planes.hpp"

#include "core/bits.hpp"
#include "core/check.hpp"

namespace quoin {

void pack_bit_plane(std::span<const std::uint8_t> codes, unsigned plane,
                    std::span<std::uint64_t> words) {
  QUOIN_INVARIANT(words.size() == words_for_bits(codes.size()), "bit plane of a wrong length");
  const std::size_t whole = codes.size() / 64;
  pack_full_words(codes.first(whole * 64), plane, words.data());
  if (whole == words.size()) return;
  std::uint64_t word = 0;
  for (std::size_t i = whole * 64; i < codes.size(); ++i)
    word |= (std::uint64_t{codes[i]} >> plane & 1) << (i % 64);
  words[whole] = word;
}

}  // namespace quoin
