// Vector bodies of the sampling kernels, compiled once per instruction set and chosen when first
// called (Highway).
#include <bit>

#include "kernels/bit_planes.hpp"
#include "kernels/sampling.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/sampling_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quoin::sampling_bodies {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Bytes = hn::CappedTag<std::uint8_t, 64>;
using Shorts = hn::Repartition<std::uint16_t, Bytes>;

// Bytes can be moved to and from the places of set bits by one instruction.
#define QUOIN_MOVES_BYTES (HWY_TARGET <= HWY_AVX3_DL && HWY_ARCH_X86)

// Lane i of the mask as bit i.
template <class D>
HWY_INLINE std::uint64_t bits_of(D d, hn::Mask<D> mask) {
  // Read back in the width it was written in, so that the processor can forward it.
  hwy::UnsignedFromSize<hn::MaxLanes(D()) / 8> bits = 0;
  hn::StoreMaskBits(d, mask, reinterpret_cast<std::uint8_t*>(&bits));
  return bits;
}

#if QUOIN_MOVES_BYTES

HWY_INLINE hn::Vec<Bytes> look_up(const std::uint8_t* table, hn::Vec<Bytes> index) {
  const Bytes d;
  return hn::TwoTablesLookupLanes(d, hn::LoadU(d, table), hn::LoadU(d, table + 64),
                                  hn::IndicesFromVec(d, index));
}

#else

// Of 128 bytes, 16 at a time: an index outside of a part gets its top bit set, which gives zero.
HWY_INLINE hn::Vec<Bytes> look_up(const std::uint8_t* table, hn::Vec<Bytes> index) {
  const Bytes d;
  auto found = hn::Zero(d);
  for (unsigned part = 0; part < 8; ++part) {
    const auto place = hn::Xor(index, hn::Set(d, static_cast<std::uint8_t>(16 * part)));
    const auto safe = hn::SaturatedAdd(place, hn::Set(d, std::uint8_t{0x70}));
    found = hn::Or(found, hn::TableLookupBytesOr0(hn::LoadDup128(d, table + 16 * part), safe));
  }
  return found;
}

#endif

void draw_codes(const CodeColumns& columns, std::span<const std::uint64_t> random,
                std::uint8_t* codes, std::uint64_t* undecided) {
  const Bytes d;
  const std::size_t lanes = hn::Lanes(d);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(random.data());
  for (std::size_t g = 0; g < random.size() / 24; ++g, bytes += 192) {
    undecided[g] = 0;
    for (std::size_t i = 0; i < 64; i += lanes) {
      const auto own = hn::And(hn::LoadU(d, bytes + i), hn::Set(d, std::uint8_t{127}));
      const auto high = hn::LoadU(d, bytes + 64 + i);
      const auto low = hn::LoadU(d, bytes + 128 + i);
      const auto high_limit = look_up(columns.high, own);
      const auto low_limit = look_up(columns.low, own);
      const auto is_high_equal = hn::Eq(high, high_limit);
      const auto is_above =
          hn::Or(hn::Gt(high, high_limit), hn::And(is_high_equal, hn::Gt(low, low_limit)));
      const auto code = hn::IfThenElse(is_above, look_up(columns.alias, own), own);
      hn::StoreU(code, d, codes + 64 * g + i);
      undecided[g] |= bits_of(d, hn::And(is_high_equal, hn::Eq(low, low_limit))) << i;
    }
  }
}

void mark_below(std::span<const std::uint64_t> random, std::uint16_t threshold,
                std::uint64_t* below, std::uint64_t* equal) {
  const Shorts d;
  const std::size_t lanes = hn::Lanes(d);
  const auto* shorts = reinterpret_cast<const std::uint16_t*>(random.data());
  const auto limit = hn::Set(d, threshold);
  for (std::size_t g = 0; g < random.size() / 16; ++g, shorts += 64) {
    std::uint64_t less = 0;
    std::uint64_t same = 0;
    for (std::size_t i = 0; i < 64; i += lanes) {
      const auto drawn = hn::LoadU(d, shorts + i);
      less |= bits_of(d, hn::Lt(drawn, limit)) << i;
      same |= bits_of(d, hn::Eq(drawn, limit)) << i;
    }
    below[g] = less;
    equal[g] = same;
  }
}

void spread(std::span<const std::uint64_t> mask, const std::uint8_t* codes, std::uint8_t* slots) {
#if QUOIN_MOVES_BYTES
  const Bytes d;
  for (std::size_t w = 0; w < mask.size(); ++w) {
    const auto place = hn::LoadMaskBits(d, reinterpret_cast<const std::uint8_t*>(mask.data() + w));
    hn::StoreU(hn::Expand(hn::LoadU(d, codes), place), d, slots + 64 * w);
    codes += std::popcount(mask[w]);
  }
#else
  spread_codes_scalar(mask, codes, slots);
#endif
}

std::size_t gather(std::span<const std::uint64_t> mask, const std::uint8_t* slots,
                   std::uint32_t first_offset, std::uint32_t* offsets, std::uint8_t* codes) {
#if QUOIN_MOVES_BYTES
  const Bytes d;
  const hn::Repartition<std::uint32_t, Bytes> dw;
  const auto step = hn::Set(dw, static_cast<std::uint32_t>(hn::Lanes(dw)));
  auto place = hn::Iota(dw, first_offset);
  std::size_t count = 0;
  for (std::size_t w = 0; w < mask.size(); ++w) {
    const auto* bits = reinterpret_cast<const std::uint8_t*>(mask.data() + w);
    const auto chosen = hn::LoadMaskBits(d, bits);
    hn::StoreU(hn::Compress(hn::LoadU(d, slots + 64 * w), chosen), d, codes + count);
    for (std::size_t part = 0; part < 4; ++part) {
      const auto some = hn::LoadMaskBits(dw, bits + 2 * part);
      hn::StoreU(hn::Compress(place, some), dw, offsets + count);
      count += static_cast<std::size_t>(std::popcount(mask[w] >> (16 * part) & 0xffff));
      place = hn::Add(place, step);
    }
  }
  return count;
#else
  return gather_events_scalar(mask, slots, first_offset, offsets, codes);
#endif
}

std::size_t count_all_ones(std::span<const std::uint64_t> words) {
  const hn::Repartition<std::uint64_t, Bytes> d;
  const std::size_t lanes = hn::Lanes(d);
  auto sums = hn::Zero(d);
  std::size_t at = 0;
  for (; at + lanes <= words.size(); at += lanes)
    sums = hn::Add(sums, hn::PopulationCount(hn::LoadU(d, words.data() + at)));
  std::size_t sum = hn::ReduceSum(d, sums);
  for (; at < words.size(); ++at) sum += static_cast<std::size_t>(std::popcount(words[at]));
  return sum;
}

void count_before(std::span<const std::uint64_t> words, std::uint16_t* out) {
  const hn::Repartition<std::uint64_t, Bytes> d;
  const std::size_t lanes = hn::Lanes(d);
  alignas(64) std::uint64_t ones[hn::MaxLanes(Bytes()) / 8];
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at + lanes <= words.size(); at += lanes) {
    hn::Store(hn::PopulationCount(hn::LoadU(d, words.data() + at)), d, ones);
    for (std::size_t i = 0; i < lanes; ++i) {
      out[at + i] = static_cast<std::uint16_t>(sum);
      sum += ones[i];
    }
  }
}

void count_nibbles(std::span<const std::uint8_t> codes, std::span<std::uint64_t, 16> counts) {
  const Bytes d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t at = 0;
  for (; at + lanes <= codes.size(); at += lanes) {
    const auto nibble = hn::And(hn::LoadU(d, codes.data() + at), hn::Set(d, std::uint8_t{15}));
    for (std::size_t c = 0; c < counts.size(); ++c)
      counts[c] += hn::CountTrue(d, hn::Eq(nibble, hn::Set(d, static_cast<std::uint8_t>(c))));
  }
  for (; at < codes.size(); ++at) ++counts[codes[at] & 15];
}

void pack_plane(std::span<const std::uint8_t> codes, unsigned plane, std::uint64_t* words) {
  const Bytes d;
  const std::size_t lanes = hn::Lanes(d);
  const auto bit = hn::Set(d, static_cast<std::uint8_t>(1u << plane));
  for (std::size_t at = 0; at + 64 <= codes.size(); at += 64) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < 64; i += lanes)
      word |= bits_of(d, hn::TestBit(hn::LoadU(d, codes.data() + at + i), bit)) << i;
    words[at / 64] = word;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace quoin::sampling_bodies
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quoin {

namespace sampling_bodies {

HWY_EXPORT(draw_codes);
HWY_EXPORT(mark_below);
HWY_EXPORT(spread);
HWY_EXPORT(gather);
HWY_EXPORT(count_all_ones);
HWY_EXPORT(count_before);
HWY_EXPORT(count_nibbles);
HWY_EXPORT(pack_plane);

void draw_codes_simd(const CodeColumns& columns, std::span<const std::uint64_t> random,
                     std::uint8_t* codes, std::uint64_t* undecided) {
  HWY_DYNAMIC_DISPATCH(draw_codes)(columns, random, codes, undecided);
}

void mark_below_simd(std::span<const std::uint64_t> random, std::uint16_t threshold,
                     std::uint64_t* below, std::uint64_t* equal) {
  HWY_DYNAMIC_DISPATCH(mark_below)(random, threshold, below, equal);
}

void spread_codes_simd(std::span<const std::uint64_t> mask, const std::uint8_t* codes,
                       std::uint8_t* slots) {
  HWY_DYNAMIC_DISPATCH(spread)(mask, codes, slots);
}

std::size_t gather_events_simd(std::span<const std::uint64_t> mask, const std::uint8_t* slots,
                               std::uint32_t first_offset, std::uint32_t* offsets,
                               std::uint8_t* codes) {
  return HWY_DYNAMIC_DISPATCH(gather)(mask, slots, first_offset, offsets, codes);
}

std::size_t count_ones_simd(std::span<const std::uint64_t> words) {
  return HWY_DYNAMIC_DISPATCH(count_all_ones)(words);
}

void count_before_simd(std::span<const std::uint64_t> words, std::uint16_t* out) {
  HWY_DYNAMIC_DISPATCH(count_before)(words, out);
}

void count_low_nibbles_simd(std::span<const std::uint8_t> codes,
                            std::span<std::uint64_t, 16> counts) {
  HWY_DYNAMIC_DISPATCH(count_nibbles)(codes, counts);
}

}  // namespace sampling_bodies

void pack_full_words(std::span<const std::uint8_t> codes, unsigned plane, std::uint64_t* words) {
  HWY_DYNAMIC_DISPATCH(sampling_bodies::pack_plane)(codes, plane, words);
}

}  // namespace quoin
#endif
