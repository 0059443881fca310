// Bit operations that gain by an instruction set, compiled once for each (Highway). Selecting by
// mask uses the instruction for it (PEXT, BMI2) where there is one and shifts elsewhere; the time
// depends on the masks, which are public, and never on the bits.
#include <algorithm>

#include "kernels/bit_ops.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/bit_ops_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef QUOIN_BIT_OPS_ONCE
#define QUOIN_BIT_OPS_ONCE
namespace quoin::bit_ops_simd {

// Moves the bits of `value` under `mask` to the low end, in order: Hacker's Delight (Warren, 2nd
// ed.), 7-4, in six steps, each moving by a power of two.
inline std::uint64_t compress_word_by_shifts(std::uint64_t value, std::uint64_t mask) {
  value &= mask;
  std::uint64_t zeros_below = ~mask << 1;
  for (unsigned step = 0; step < 6; ++step) {
    std::uint64_t prefix = zeros_below ^ (zeros_below << 1);
    prefix ^= prefix << 2;
    prefix ^= prefix << 4;
    prefix ^= prefix << 8;
    prefix ^= prefix << 16;
    prefix ^= prefix << 32;
    const std::uint64_t moving = prefix & mask;
    mask = (mask ^ moving) | (moving >> (1U << step));
    const std::uint64_t bits = value & moving;
    value = (value ^ bits) | (bits >> (1U << step));
    zeros_below &= ~prefix;
  }
  return value;
}

}  // namespace quoin::bit_ops_simd
#endif

HWY_BEFORE_NAMESPACE();
namespace quoin::bit_ops_simd {
namespace HWY_NAMESPACE {

static HWY_INLINE std::uint64_t compress_word(std::uint64_t value, std::uint64_t mask) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
  return _pext_u64(value, mask);
#else
  return compress_word_by_shifts(value, mask);
#endif
}

static std::size_t compress(const std::uint64_t* HWY_RESTRICT source,
                            const std::uint64_t* HWY_RESTRICT mask, std::size_t words,
                            std::uint64_t* HWY_RESTRICT out) {
  std::uint64_t filling = 0;  // the output word that is being filled, `filled` bits of it
  unsigned filled = 0;
  std::size_t at = 0;
  for (std::size_t w = 0; w < words; ++w) {
    const auto count = static_cast<unsigned>(std::popcount(mask[w]));
    const std::uint64_t bits = compress_word(source[w], mask[w]);
    const std::uint64_t joined = filling | bits << filled;
    const unsigned total = filled + count;
    if (total >= 64) out[at] = joined;
    // Two shifts, for one by 64 is not defined.
    filling = total >= 64 ? bits >> 1 >> (63 - filled) : joined;
    at += total / 64;
    filled = total % 64;
  }
  if (filled > 0) out[at] |= filling;
  return at * 64 + filled;
}

namespace hn = hwy::HWY_NAMESPACE;

template <bool is_negated>
static HWY_INLINE std::size_t count(const std::uint64_t* HWY_RESTRICT a,
                                    const std::uint64_t* HWY_RESTRICT b, std::size_t words) {
  const hn::CappedTag<std::uint64_t, 8> d;
  const std::size_t wide = hn::Lanes(d);
  auto sums = hn::Zero(d);
  std::size_t i = 0;
  for (; i + wide <= words; i += wide) {
    const auto va = hn::LoadU(d, a + i);
    const auto vb = hn::LoadU(d, b + i);
    const auto both = is_negated ? hn::AndNot(vb, va) : hn::And(va, vb);
    sums = hn::Add(sums, hn::PopulationCount(both));
  }
  std::size_t total = hn::ReduceSum(d, sums);
  for (; i < words; ++i)
    total += static_cast<std::size_t>(std::popcount(a[i] & (is_negated ? ~b[i] : b[i])));
  return total;
}
static std::size_t count_both(const std::uint64_t* HWY_RESTRICT a,
                              const std::uint64_t* HWY_RESTRICT b, std::size_t words) {
  return count<false>(a, b, words);
}
static std::size_t count_first_only(const std::uint64_t* HWY_RESTRICT a,
                                    const std::uint64_t* HWY_RESTRICT b, std::size_t words) {
  return count<true>(a, b, words);
}

static bool increases(const std::uint32_t* HWY_RESTRICT numbers, std::size_t size) {
  const hn::ScalableTag<std::uint32_t> d;
  const std::size_t wide = hn::Lanes(d);
  std::size_t i = 1;
  for (; i + 4 * wide <= size; i += 4 * wide) {
    auto all = hn::Eq(hn::Zero(d), hn::Zero(d));
    for (std::size_t k = i; k < i + 4 * wide; k += wide)
      all = hn::And(all, hn::Lt(hn::LoadU(d, numbers + k - 1), hn::LoadU(d, numbers + k)));
    if (!hn::AllTrue(d, all)) return false;
  }
  for (; i < size; ++i)
    if (numbers[i] <= numbers[i - 1]) return false;
  return true;
}

}  // namespace HWY_NAMESPACE
}  // namespace quoin::bit_ops_simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quoin {

namespace bit_ops_simd {
HWY_EXPORT(compress);
HWY_EXPORT(count_both);
HWY_EXPORT(count_first_only);
HWY_EXPORT(increases);
}  // namespace bit_ops_simd

std::size_t compress_bits(WordSpan source, WordSpan mask, MutableWordSpan out) {
  QUOIN_INVARIANT(source.size() >= mask.size(), "compress_bits: source shorter than mask");
  using namespace bit_ops_simd;
  return HWY_DYNAMIC_DISPATCH(compress)(source.data(), mask.data(), mask.size(), out.data());
}

std::size_t compress_bits_scalar(WordSpan source, WordSpan mask, MutableWordSpan out) {
  QUOIN_INVARIANT(source.size() >= mask.size(), "compress_bits: source shorter than mask");
  std::size_t at = 0;
  for (std::size_t w = 0; w < mask.size(); ++w) {
    const auto count = static_cast<std::size_t>(std::popcount(mask[w]));
    if (count == 0) continue;
    const std::uint64_t bits = bit_ops_simd::compress_word_by_shifts(source[w], mask[w]);
    const std::size_t shift = at % 64;
    out[at / 64] |= bits << shift;
    if (shift > 0 && shift + count > 64) out[at / 64 + 1] |= bits >> (64 - shift);
    at += count;
  }
  return at;
}

std::size_t count_and(WordSpan a, WordSpan b) {
  QUOIN_INVARIANT(a.size() == b.size(), "counting over bit strings of unequal length");
  using namespace bit_ops_simd;
  return HWY_DYNAMIC_DISPATCH(count_both)(a.data(), b.data(), a.size());
}

std::size_t count_and_not(WordSpan a, WordSpan b) {
  QUOIN_INVARIANT(a.size() == b.size(), "counting over bit strings of unequal length");
  using namespace bit_ops_simd;
  return HWY_DYNAMIC_DISPATCH(count_first_only)(a.data(), b.data(), a.size());
}

bool is_strictly_increasing(std::span<const std::uint32_t> numbers) {
  using namespace bit_ops_simd;
  return HWY_DYNAMIC_DISPATCH(increases)(numbers.data(), numbers.size());
}

}  // namespace quoin
#endif
