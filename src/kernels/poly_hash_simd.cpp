// Carry-less multiplication for the polynomial hash, compiled once per instruction set and chosen
// when first called (Highway). Where the hardware has no such instruction the scalar code serves:
// an emulation in vectors would be slower.
#include <hwy/base.h>

#include <algorithm>
#include <cstring>

#include "kernels/poly_hash.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/poly_hash_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quoin::poly_hash_blocks {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SSE2 || \
    HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_NEON_WITHOUT_AES

void absorb(Words& accumulator, std::span<const Words> powers, ByteSpan blocks) {
  absorb_scalar(accumulator, powers, blocks);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

// At most four blocks a vector; powers_count blocks then are eight vectors or more.
using Wide = hn::CappedTag<std::uint64_t, 8>;
using One = hn::Full128<std::uint64_t>;

// GHASH bytes to POLYVAL words: reverses the 16 bytes of every block.
template <class D>
HWY_INLINE hn::Vec<D> load_blocks(D d, const std::byte* at) {
  const hn::Repartition<std::uint8_t, D> bytes;
  const auto loaded = hn::LoadU(bytes, reinterpret_cast<const std::uint8_t*>(at));
  alignas(16) static constexpr std::uint8_t reversed[16] = {15, 14, 13, 12, 11, 10, 9, 8,
                                                            7,  6,  5,  4,  3,  2,  1, 0};
  return hn::BitCast(d, hn::TableLookupBytes(loaded, hn::LoadDup128(bytes, reversed)));
}

// Low and high word of every 128-bit part, XORed, in both words.
template <class V>
HWY_INLINE V sum_of_halves(V v) {
  return hn::Xor(v, hn::Shuffle01(v));
}

// Sums of products before reduction, per 128-bit part: of the low words, of the high words, and of
// the sums of both (Karatsuba: the middle of a product is both + low + high).
template <class D>
struct Products {
  hn::Vec<D> low, high, both;

  explicit HWY_INLINE Products(D d) : low(hn::Zero(d)), high(hn::Zero(d)), both(hn::Zero(d)) {}
  HWY_INLINE void add(hn::Vec<D> a, hn::Vec<D> b) {
    low = hn::Xor(low, hn::CLMulLower(a, b));
    high = hn::Xor(high, hn::CLMulUpper(a, b));
    both = hn::Xor(both, hn::CLMulLower(sum_of_halves(a), sum_of_halves(b)));
  }
};

// The XOR of the 128-bit parts of a vector.
template <class D>
HWY_INLINE hn::Vec<One> fold_parts(D d, hn::Vec<D> v) {
  alignas(64) std::uint64_t lanes[hn::MaxLanes(Wide())];
  hn::Store(v, d, lanes);
  auto sum = hn::Load(One(), lanes);
  for (std::size_t i = 2; i < hn::Lanes(d); i += 2) sum = hn::Xor(sum, hn::Load(One(), lanes + i));
  return sum;
}

// Montgomery's way: adds the multiples of the modulus that clear the low 128 bits.
HWY_INLINE hn::Vec<One> reduce(hn::Vec<One> low, hn::Vec<One> high, hn::Vec<One> middle) {
  const One d;
  const auto modulus = hn::Set(d, 0xc200'0000'0000'0000);
  const auto zero = hn::Zero(d);
  low = hn::Xor(low, hn::InterleaveLower(d, zero, middle));
  high = hn::Xor(high, hn::InterleaveUpper(d, middle, zero));
  const auto first = hn::Xor(hn::Shuffle01(low), hn::CLMulLower(low, modulus));
  const auto second = hn::Xor(hn::Shuffle01(first), hn::CLMulLower(first, modulus));
  return hn::Xor(high, second);
}

// `count` blocks, whose sum is reduced once; count is a multiple of the vector's blocks.
template <class D>
HWY_INLINE hn::Vec<One> absorb_chunk(D d, hn::Vec<One> accumulator, const std::uint64_t* powers,
                                     const std::byte* at, std::size_t count) {
  const std::size_t step = hn::Lanes(d) / 2;
  Products<D> products(d);
  const auto first =
      hn::Xor(load_blocks(d, at), hn::ZeroExtendResizeBitCast(d, One(), accumulator));
  products.add(first, hn::LoadU(d, powers));
  for (std::size_t i = step; i < count; i += step)
    products.add(load_blocks(d, at + i * 16), hn::LoadU(d, powers + i * 2));
  return reduce(fold_parts(d, products.low), fold_parts(d, products.high),
                fold_parts(d, hn::Xor3(products.low, products.high, products.both)));
}

void absorb(Words& accumulator, std::span<const Words> powers, ByteSpan blocks) {
  const std::uint64_t* last = reinterpret_cast<const std::uint64_t*>(powers.data() + powers_count);
  const std::byte* at = blocks.data();
  std::size_t left = blocks.size() / poly_hash_bytes;
  auto sum = hn::LoadU(One(), accumulator.data());
  for (; left >= powers_count; left -= powers_count, at += powers_count * 16)
    sum = absorb_chunk(Wide(), sum, last - 2 * powers_count, at, powers_count);
  while (left > 0) {
    const std::size_t count = std::min<std::size_t>(left, 8);
    sum = absorb_chunk(One(), sum, last - 2 * count, at, count);
    left -= count;
    at += count * 16;
  }
  hn::StoreU(sum, One(), accumulator.data());
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace quoin::poly_hash_blocks
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quoin::poly_hash_blocks {

HWY_EXPORT(absorb);

void absorb_simd(Words& accumulator, std::span<const Words> powers, ByteSpan blocks) {
  QUOIN_INVARIANT(powers.size() == powers_count && blocks.size() % poly_hash_bytes == 0,
                  "whole blocks and a table of 32 powers");
  HWY_DYNAMIC_DISPATCH(absorb)(accumulator, powers, blocks);
}

}  // namespace quoin::poly_hash_blocks
#endif
