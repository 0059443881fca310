// AES-128 in counter mode with the processor's AES instructions, compiled once per instruction set
// and chosen when first called (Highway, which brings portable rounds where there are none).
#include <algorithm>
#include <array>

#include "kernels/counter_rng.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/counter_rng_simd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quoin {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

void fill_words(const CounterStream& stream, std::uint64_t first_block,
                std::span<std::uint64_t> out) {
  fill_counter_words_scalar(stream, first_block, out);
}

#else

namespace hn = hwy::HWY_NAMESPACE;

using Bytes = hn::CappedTag<std::uint8_t, 64>;
using Words = hn::Repartition<std::uint64_t, Bytes>;

// Enough independent blocks to hide the latency of a round.
constexpr std::size_t vectors_at_once = 8;

HWY_INLINE hn::Vec<Bytes> round_key(const CounterStream& stream, std::size_t round) {
  return hn::LoadDup128(Bytes(), stream.key->round_keys().data() + 16 * round);
}

// `count` vectors of the stream from the counters in `counter` on, which it moves on.
template <std::size_t count>
HWY_INLINE void fill_vectors(const CounterStream& stream, hn::Vec<Words>& counter,
                             std::uint64_t* out) {
  const Bytes d;
  const Words dw;
  const auto step = hn::BitCast(
      dw, hn::OddEven(hn::Set(dw, hn::Lanes(dw) / 2), hn::Zero(dw)));  // moves the block numbers
  hn::Vec<Bytes> x[count];
  const auto first = round_key(stream, 0);
  HWY_UNROLL(8)
  for (auto& one : x) {
    one = hn::Xor(hn::BitCast(d, counter), first);
    counter = hn::Add(counter, step);
  }
  for (std::size_t round = 1; round < CounterKey::rounds; ++round) {
    const auto key = round_key(stream, round);
    HWY_UNROLL(8)
    for (auto& one : x) one = hn::AESRound(one, key);
  }
  const auto last = round_key(stream, CounterKey::rounds);
  HWY_UNROLL(8)
  for (std::size_t i = 0; i < count; ++i)
    hn::StoreU(hn::BitCast(dw, hn::AESLastRound(x[i], last)), dw, out + i * hn::Lanes(dw));
}

void fill_words(const CounterStream& stream, std::uint64_t first_block,
                std::span<std::uint64_t> out) {
  const Words dw;
  constexpr std::size_t words_max = hn::MaxLanes(Words());
  alignas(64) std::array<std::uint64_t, words_max> lane_words;
  for (std::size_t i = 0; i < words_max; i += 2) {
    lane_words[i] = stream.index;
    lane_words[i + 1] = (std::uint64_t{stream.domain} << 48 | first_block) + i / 2;
  }
  auto counter = hn::Load(dw, lane_words.data());
  const std::size_t lanes = hn::Lanes(dw);
  const std::size_t step = vectors_at_once * lanes;
  std::size_t i = 0;
  for (; i + step <= out.size(); i += step)
    fill_vectors<vectors_at_once>(stream, counter, out.data() + i);
  for (; i + lanes <= out.size(); i += lanes) fill_vectors<1>(stream, counter, out.data() + i);
  if (i == out.size()) return;
  fill_vectors<1>(stream, counter, lane_words.data());
  std::copy_n(lane_words.begin(), out.size() - i, out.begin() + static_cast<std::ptrdiff_t>(i));
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace quoin
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quoin {

HWY_EXPORT(fill_words);

void fill_counter_words_simd(const CounterStream& stream, std::uint64_t first_block,
                             std::span<std::uint64_t> out) {
  HWY_DYNAMIC_DISPATCH(fill_words)(stream, first_block, out);
}

}  // namespace quoin
#endif
