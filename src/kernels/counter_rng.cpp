#include "kernels/counter_rng.hpp"

#include "core/check.hpp"

namespace quoin {

namespace {

__extension__ using Wide = unsigned __int128;
constexpr std::uint64_t multiplier_0 = 0xD2E7470EE14C6C93;
constexpr std::uint64_t multiplier_1 = 0xCA5A826395121157;
constexpr std::uint64_t weyl_0 = 0x9E3779B97F4A7C15;
constexpr std::uint64_t weyl_1 = 0xBB67AE8584CAA73B;
constexpr int rounds = 10;

struct Block {
  std::uint64_t x0, x1, x2, x3;
};

inline Block round_of(const Block& x, std::uint64_t k0, std::uint64_t k1) {
  const Wide a = Wide{multiplier_0} * x.x0;
  const Wide b = Wide{multiplier_1} * x.x2;
  return {static_cast<std::uint64_t>(b >> 64) ^ x.x1 ^ k0, static_cast<std::uint64_t>(b),
          static_cast<std::uint64_t>(a >> 64) ^ x.x3 ^ k1, static_cast<std::uint64_t>(a)};
}

}  // namespace

std::array<std::uint64_t, 4> philox4x64(std::array<std::uint64_t, 4> counter,
                                        std::array<std::uint64_t, 2> key) {
  Block x{counter[0], counter[1], counter[2], counter[3]};
  for (int i = 0; i < rounds; ++i) {
    x = round_of(x, key[0], key[1]);
    key[0] += weyl_0;
    key[1] += weyl_1;
  }
  return {x.x0, x.x1, x.x2, x.x3};
}

void fill_counter_words(const CounterStream& stream, std::uint64_t first_block,
                        std::span<std::uint64_t> out) {
  QUOIN_INVARIANT(out.size() % 4 == 0, "counter words come in blocks of four");
  std::uint64_t block = first_block;
  std::size_t i = 0;
  // Two blocks side by side hide the latency of the multiplications.
  for (; i + 8 <= out.size(); i += 8, block += 2) {
    Block x{block, stream.index, 0, 0};
    Block y{block + 1, stream.index, 0, 0};
    std::uint64_t k0 = stream.key;
    std::uint64_t k1 = stream.domain;
    for (int r = 0; r < rounds; ++r, k0 += weyl_0, k1 += weyl_1) {
      x = round_of(x, k0, k1);
      y = round_of(y, k0, k1);
    }
    out[i] = x.x0, out[i + 1] = x.x1, out[i + 2] = x.x2, out[i + 3] = x.x3;
    out[i + 4] = y.x0, out[i + 5] = y.x1, out[i + 6] = y.x2, out[i + 7] = y.x3;
  }
  for (; i < out.size(); i += 4, ++block) {
    const auto words = philox4x64({block, stream.index, 0, 0}, {stream.key, stream.domain});
    for (std::size_t j = 0; j < 4; ++j) out[i + j] = words[j];
  }
}

}  // namespace quoin
