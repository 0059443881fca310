#include "kernels/gf2_fft.hpp"

#include <algorithm>
#include <bit>

#include "core/check.hpp"
#include "kernels/gf2_fft_field.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gf2_fft.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quoin::gf2_fft {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SSE2 || \
    HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_NEON_WITHOUT_AES

static void forward(const Gf2FftPlanes& out, WordSpan words) { gf2_fft_forward_scalar(out, words); }
static void inverse_add(MutableWordSpan out, std::size_t skip, const Gf2FftPlanes& values) {
  gf2_fft_inverse_add_scalar(out, skip, values);
}

#else

namespace hn = hwy::HWY_NAMESPACE;
namespace field = gf2_fft_field;

using D = hn::CappedTag<std::uint64_t, 8>;
using V = hn::Vec<D>;
using Bytes = hn::Repartition<std::uint8_t, D>;

// --- An 8x8 bit matrix times every byte of its 64-bit lane. Matrices are kept in the form that the
// --- instruction set likes best.

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL

constexpr std::uint64_t instruction_form(std::uint64_t columns) {
  return std::byteswap(field::transpose_8x8(columns));
}
static HWY_INLINE V apply(V matrix, V x) {
  return V{_mm512_gf2p8affine_epi64_epi8(x.raw, matrix.raw, 0)};
}
// The instruction reads the matrix from its last row on and takes it times the unit vectors.
static HWY_INLINE V transpose_bits(V x) {
  const D d;
  return V{_mm512_gf2p8affine_epi64_epi8(
      hn::Set(d, 0x8040201008040201ULL).raw,
      hn::BitCast(d, hn::Reverse8(Bytes(), hn::BitCast(Bytes(), x))).raw, 0)};
}

#else

constexpr std::uint64_t instruction_form(std::uint64_t columns) { return columns; }

// Column i of every lane's matrix, in every byte of the lane.
static HWY_INLINE V column(V matrix, int i) {
  alignas(16) static constexpr std::uint8_t lane_starts[16] = {0, 0, 0, 0, 0, 0, 0, 0,
                                                               8, 8, 8, 8, 8, 8, 8, 8};
  const Bytes bytes;
  const auto index =
      hn::Add(hn::LoadDup128(bytes, lane_starts), hn::Set(bytes, static_cast<std::uint8_t>(i)));
  return hn::BitCast(D(), hn::TableLookupBytes(hn::BitCast(bytes, matrix), index));
}
static HWY_INLINE V apply(V matrix, V x) {
  const hn::Repartition<std::int8_t, D> signed_bytes;
  auto rest = hn::BitCast(signed_bytes, x);
  V sum = hn::Zero(D());
  for (int i = 7; i >= 0; --i) {
    const V has_bit = hn::BitCast(D(), hn::BroadcastSignBit(rest));
    sum = hn::Xor(sum, hn::And(has_bit, column(matrix, i)));
    rest = hn::Add(rest, rest);
  }
  return sum;
}
static HWY_INLINE V transpose_bits(V x) {
  const D d;
  V t = hn::And(hn::Xor(x, hn::ShiftRight<7>(x)), hn::Set(d, 0x00AA00AA00AA00AAULL));
  x = hn::Xor3(x, t, hn::ShiftLeft<7>(t));
  t = hn::And(hn::Xor(x, hn::ShiftRight<14>(x)), hn::Set(d, 0x0000CCCC0000CCCCULL));
  x = hn::Xor3(x, t, hn::ShiftLeft<14>(t));
  t = hn::And(hn::Xor(x, hn::ShiftRight<28>(x)), hn::Set(d, 0x00000000F0F0F0F0ULL));
  return hn::Xor3(x, t, hn::ShiftLeft<28>(t));
}

#endif

// Multiplications by w_j for every j below 2^16, as the sum of two: w is additive where bits do not
// meet.
struct Twiddles {
  std::array<field::Multiplication, 256> low;   // j = 0 .. 255
  std::array<field::Multiplication, 256> high;  // j = 0, 256, 512 ..

  static field::Multiplication in_form(std::size_t j) {
    const field::Multiplication m = field::multiplication_by(field::point(j));
    return {instruction_form(m.low_from_low), instruction_form(m.low_from_high),
            instruction_form(m.high_from_low), instruction_form(m.high_from_high)};
  }
  Twiddles() {
    for (std::size_t j = 0; j < 256; ++j) {
      low[j] = in_form(j);
      high[j] = in_form(j << 8);
    }
  }
  HWY_INLINE field::Multiplication at(std::size_t j) const {
    const field::Multiplication& a = low[j & 255];
    const field::Multiplication& b = high[j >> 8];
    return {a.low_from_low ^ b.low_from_low, a.low_from_high ^ b.low_from_high,
            a.high_from_low ^ b.high_from_low, a.high_from_high ^ b.high_from_high};
  }
};

const Twiddles& twiddles() {
  static const Twiddles table;
  return table;
}

struct Values {
  V low;
  V high;
};
struct Matrix {
  V low_from_low, low_from_high, high_from_low, high_from_high;
};

static HWY_INLINE Matrix everywhere(const field::Multiplication& m) {
  const D d;
  return {hn::Set(d, m.low_from_low), hn::Set(d, m.low_from_high), hn::Set(d, m.high_from_low),
          hn::Set(d, m.high_from_high)};
}
static HWY_INLINE Matrix sum(const Matrix& a, const Matrix& b) {
  return {hn::Xor(a.low_from_low, b.low_from_low), hn::Xor(a.low_from_high, b.low_from_high),
          hn::Xor(a.high_from_low, b.high_from_low), hn::Xor(a.high_from_high, b.high_from_high)};
}
// Lane g multiplies by w_(g * step / group), rounded down to a multiple of step.
static HWY_INLINE Matrix by_lane(const Twiddles& t, std::size_t step, std::size_t group) {
  const D d;
  alignas(64) std::uint64_t lanes[4][8];
  for (std::size_t g = 0; g < hn::Lanes(d); ++g) {
    const field::Multiplication m = t.at(g / group * step);
    lanes[0][g] = m.low_from_low;
    lanes[1][g] = m.low_from_high;
    lanes[2][g] = m.high_from_low;
    lanes[3][g] = m.high_from_high;
  }
  return {hn::Load(d, lanes[0]), hn::Load(d, lanes[1]), hn::Load(d, lanes[2]),
          hn::Load(d, lanes[3])};
}

static HWY_INLINE void add_multiple(const Matrix& m, Values& to, const Values& from) {
  to.low = hn::Xor3(to.low, apply(m.low_from_low, from.low), apply(m.low_from_high, from.high));
  to.high = hn::Xor3(to.high, apply(m.high_from_low, from.low), apply(m.high_from_high, from.high));
}
static HWY_INLINE void add_value(Values& to, const Values& from) {
  to.low = hn::Xor(to.low, from.low);
  to.high = hn::Xor(to.high, from.high);
}
// (a, b) -> (a + t b, a + t b + b), or back.
template <bool is_forward>
static HWY_INLINE void butterfly(const Matrix& m, Values& a, Values& b) {
  if constexpr (is_forward) {
    add_multiple(m, a, b);
    add_value(b, a);
  } else {
    add_value(b, a);
    add_multiple(m, a, b);
  }
}

// Two planes in memory.
struct Memory {
  std::uint64_t* HWY_RESTRICT low;
  std::uint64_t* HWY_RESTRICT high;

  HWY_INLINE Values load(std::size_t i) const {
    return {hn::LoadU(D(), low + i), hn::LoadU(D(), high + i)};
  }
  HWY_INLINE void store(std::size_t i, const Values& v) const {
    hn::StoreU(v.low, D(), low + i);
    hn::StoreU(v.high, D(), high + i);
  }
};

// One layer over the block [start, start + 2^(layer + 1)); runs of whole vectors.
template <bool is_forward>
static void one_layer(const Twiddles& t, Memory at, std::size_t start, unsigned layer) {
  const std::size_t half = std::size_t{1} << layer;
  const Matrix m = everywhere(t.at(start >> layer));
  for (std::size_t i = start; i < start + half; i += hn::Lanes(D())) {
    Values a = at.load(i);
    Values b = at.load(i + half);
    butterfly<is_forward>(m, a, b);
    at.store(i, a);
    at.store(i + half, b);
  }
}

// Layers `layer` and `layer` - 1 over the block [start, start + 2^(layer + 1)).
template <bool is_forward>
static void two_layers(const Twiddles& t, Memory at, std::size_t start, unsigned layer) {
  const std::size_t quarter = std::size_t{1} << (layer - 1);
  const Matrix outer = everywhere(t.at(start >> layer));
  const Matrix first = everywhere(t.at(start >> (layer - 1)));
  const Matrix second = everywhere(t.at((start >> (layer - 1)) + 2));
  for (std::size_t i = start; i < start + quarter; i += hn::Lanes(D())) {
    Values a = at.load(i);
    Values b = at.load(i + quarter);
    Values c = at.load(i + 2 * quarter);
    Values e = at.load(i + 3 * quarter);
    if constexpr (is_forward) {
      butterfly<true>(outer, a, c);
      butterfly<true>(outer, b, e);
    }
    butterfly<is_forward>(first, a, b);
    butterfly<is_forward>(second, c, e);
    if constexpr (!is_forward) {
      butterfly<false>(outer, a, c);
      butterfly<false>(outer, b, e);
    }
    at.store(i, a);
    at.store(i + quarter, b);
    at.store(i + 2 * quarter, c);
    at.store(i + 3 * quarter, e);
  }
}

// Matrices of the layers below a vector's width: what a lane adds to the block's own constant.
struct LaneMatrices {
  Matrix layer_2;         // a pair of vectors, halves exchanged
  Matrix layer_1;         // lanes are groups of four values
  Matrix layer_0_first;   // the same, first pair of each group
  Matrix layer_0_second;  // and the second

  explicit LaneMatrices(const Twiddles& t)
      : layer_2(by_lane(t, 2, 4)),
        layer_1(by_lane(t, 2, 1)),
        layer_0_first(by_lane(t, 4, 1)),
        layer_0_second(sum(by_lane(t, 4, 1), everywhere(t.at(2)))) {}
};

// Layer 2 where a vector holds eight values: the block [i, i + 16).
template <bool is_forward>
static HWY_INLINE void layer_in_halves(const Twiddles& t, const LaneMatrices& lanes, Memory at,
                                       std::size_t i) {
  const D d;
  const Values x = at.load(i);
  const Values y = at.load(i + 8);
  Values a{hn::ConcatLowerLower(d, y.low, x.low), hn::ConcatLowerLower(d, y.high, x.high)};
  Values b{hn::ConcatUpperUpper(d, y.low, x.low), hn::ConcatUpperUpper(d, y.high, x.high)};
  butterfly<is_forward>(sum(lanes.layer_2, everywhere(t.at(i >> 2))), a, b);
  at.store(i, {hn::ConcatLowerLower(d, b.low, a.low), hn::ConcatLowerLower(d, b.high, a.high)});
  at.store(i + 8, {hn::ConcatUpperUpper(d, b.low, a.low), hn::ConcatUpperUpper(d, b.high, a.high)});
}

// Layers 1 and 0 of four vectors' worth of values from i on: lane g holds group g of four.
template <bool is_forward>
static HWY_INLINE void layers_in_fours(const Twiddles& t, const LaneMatrices& lanes, Memory at,
                                       std::size_t i) {
  const D d;
  Values a, b, c, e;
  hn::LoadInterleaved4(d, at.low + i, a.low, b.low, c.low, e.low);
  hn::LoadInterleaved4(d, at.high + i, a.high, b.high, c.high, e.high);
  const Matrix outer = sum(lanes.layer_1, everywhere(t.at(i >> 1)));
  const Matrix block = everywhere(t.at(i));
  if constexpr (is_forward) {
    butterfly<true>(outer, a, c);
    butterfly<true>(outer, b, e);
  }
  butterfly<is_forward>(sum(lanes.layer_0_first, block), a, b);
  butterfly<is_forward>(sum(lanes.layer_0_second, block), c, e);
  if constexpr (!is_forward) {
    butterfly<false>(outer, a, c);
    butterfly<false>(outer, b, e);
  }
  hn::StoreInterleaved4(a.low, b.low, c.low, e.low, d, at.low + i);
  hn::StoreInterleaved4(a.high, b.high, c.high, e.high, d, at.high + i);
}

// All layers of the 64 values from `start` on.
template <bool is_forward>
static void block_of_64(const Twiddles& t, const LaneMatrices& lanes, Memory at,
                        std::size_t start) {
  const std::size_t wide = hn::Lanes(D());
  const auto upper = [&] {
    if constexpr (is_forward) two_layers<true>(t, at, start, 5);
    for (std::size_t i = start; i < start + 64; i += 16) one_layer<is_forward>(t, at, i, 3);
    if constexpr (!is_forward) two_layers<false>(t, at, start, 5);
  };
  const auto middle = [&] {
    for (std::size_t i = start; i < start + 64; i += 16) {
      if (wide == 8) {
        layer_in_halves<is_forward>(t, lanes, at, i);
      } else {
        one_layer<is_forward>(t, at, i, 2);
        one_layer<is_forward>(t, at, i + 8, 2);
      }
    }
  };
  if constexpr (is_forward) upper();
  if constexpr (is_forward) middle();
  for (std::size_t i = start; i < start + 64; i += 4 * wide)
    layers_in_fours<is_forward>(t, lanes, at, i);
  if constexpr (!is_forward) middle();
  if constexpr (!is_forward) upper();
}

// All layers of the block [start, start + 2^log2_size), depth first: what fits a cache is finished
// in it.
template <bool is_forward>
static void transform(const Twiddles& t, const LaneMatrices& lanes, Memory at, std::size_t start,
                      unsigned log2_size) {
  if (log2_size == 6) {
    block_of_64<is_forward>(t, lanes, at, start);
    return;
  }
  const unsigned taken = log2_size % 2 == 0 ? 2 : 1;
  const std::size_t part = std::size_t{1} << (log2_size - taken);
  const auto here = [&] {
    if (taken == 2) {
      two_layers<is_forward>(t, at, start, log2_size - 1);
    } else {
      one_layer<is_forward>(t, at, start, log2_size - 1);
    }
  };
  if constexpr (is_forward) here();
  for (std::size_t i = 0; i < std::size_t{1} << taken; ++i)
    transform<is_forward>(t, lanes, at, start + i * part, log2_size - taken);
  if constexpr (!is_forward) here();
}

// --- Between the powers of Y and the basis of the transform (gf2_fft_basis.hpp), depth first.

// words[to ..) += words[from ..), `count` of them; the runs do not overlap.
static HWY_INLINE void add_run(std::uint64_t* words, std::size_t to, std::size_t from,
                               std::size_t count) {
  const D d;
  const std::size_t wide = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + wide <= count; i += wide)
    hn::StoreU(hn::Xor(hn::LoadU(d, words + to + i), hn::LoadU(d, words + from + i)), d,
               words + to + i);
  for (; i < count; ++i) words[to + i] ^= words[from + i];
}

// A block of 2a words by Y^a + Y^b, or back.
template <bool is_forward>
static void divide(std::uint64_t* words, std::size_t a, std::size_t b) {
  if constexpr (!is_forward) add_run(words, b, a, a - b);
  add_run(words, a, 2 * a - b, b);
  if constexpr (is_forward) add_run(words, b, a, a - b);
}

static HWY_INLINE void add_to(std::uint64_t& a, std::uint64_t b) { a ^= b; }
static HWY_INLINE void add_to(V& a, V b) { a = hn::Xor(a, b); }

// The whole conversion of sixteen coefficients: by s_2^2, by s_2, their coefficients by s_1, and
// the powers of s_2 by s_1.
template <class T>
static HWY_INLINE void sixteen_to_novel(T* x) {
  add_to(x[8], x[14]);
  add_to(x[9], x[15]);
  for (int i = 2; i < 8; ++i) add_to(x[i], x[i + 6]);
  for (int h = 0; h < 16; h += 8) {
    add_to(x[h + 4], x[h + 7]);
    for (int i = 1; i < 4; ++i) add_to(x[h + i], x[h + i + 3]);
  }
  for (int q = 0; q < 16; q += 4) {
    add_to(x[q + 2], x[q + 3]);
    add_to(x[q + 1], x[q + 2]);
  }
  for (int r = 0; r < 4; ++r) {
    add_to(x[8 + r], x[12 + r]);
    add_to(x[4 + r], x[8 + r]);
  }
}
template <class T>
static HWY_INLINE void sixteen_from_novel(T* x) {
  for (int r = 0; r < 4; ++r) {
    add_to(x[4 + r], x[8 + r]);
    add_to(x[8 + r], x[12 + r]);
  }
  for (int q = 0; q < 16; q += 4) {
    add_to(x[q + 1], x[q + 2]);
    add_to(x[q + 2], x[q + 3]);
  }
  for (int h = 0; h < 16; h += 8) {
    for (int i = 1; i < 4; ++i) add_to(x[h + i], x[h + i + 3]);
    add_to(x[h + 4], x[h + 7]);
  }
  for (int i = 2; i < 8; ++i) add_to(x[i], x[i + 6]);
  add_to(x[8], x[14]);
  add_to(x[9], x[15]);
}

// Sixteen coefficients of `stride` words each: one word, or whole vectors.
template <bool is_forward>
static void convert_sixteen(std::uint64_t* words, std::size_t stride) {
  const D d;
  if (stride == 1) {
    std::uint64_t x[16];
    for (int i = 0; i < 16; ++i) x[i] = words[i];
    is_forward ? sixteen_to_novel(x) : sixteen_from_novel(x);
    for (int i = 0; i < 16; ++i) words[i] = x[i];
    return;
  }
  for (std::size_t at = 0; at < stride; at += hn::Lanes(d)) {
    V x[16];
    for (std::size_t i = 0; i < 16; ++i) x[i] = hn::LoadU(d, words + at + i * stride);
    is_forward ? sixteen_to_novel(x) : sixteen_from_novel(x);
    for (std::size_t i = 0; i < 16; ++i) hn::StoreU(x[i], d, words + at + i * stride);
  }
}

template <bool is_forward>
static void convert(std::uint64_t* words, unsigned log2_size, std::size_t stride);

// Expands 2^(power + levels) coefficients in powers of s_power and converts the coefficients of
// that, or back.
template <bool is_forward>
static void expand(std::uint64_t* words, unsigned power, unsigned levels, std::size_t stride) {
  if (levels == 0) {
    convert<is_forward>(words, power, stride);
    return;
  }
  const std::size_t a = stride << (power + levels - 1);
  if constexpr (is_forward) divide<true>(words, a, stride << (levels - 1));
  expand<is_forward>(words, power, levels - 1, stride);
  expand<is_forward>(words + a, power, levels - 1, stride);
  if constexpr (!is_forward) divide<false>(words, a, stride << (levels - 1));
}

template <bool is_forward>
static void convert(std::uint64_t* words, unsigned log2_size, std::size_t stride) {
  if (log2_size < 2) return;
  if (log2_size == 4) {
    convert_sixteen<is_forward>(words, stride);
    return;
  }
  unsigned power = 1;
  while (2 * power < log2_size) power *= 2;
  if constexpr (!is_forward) convert<false>(words, log2_size - power, stride << power);
  expand<is_forward>(words, power, log2_size - power, stride);
  if constexpr (is_forward) convert<true>(words, log2_size - power, stride << power);
}

static void transpose_plane(MutableWordSpan plane) {
  const D d;
  for (std::size_t i = 0; i < plane.size(); i += hn::Lanes(d))
    hn::StoreU(transpose_bits(hn::LoadU(d, plane.data() + i)), d, plane.data() + i);
}

static void forward(const Gf2FftPlanes& out, WordSpan words) {
  const std::size_t points = out.low.size();
  // A polynomial of few coefficients needs no layers above them: there every b is zero.
  const std::size_t used = std::max<std::size_t>(64, std::bit_ceil(words.size()));
  const MutableWordSpan first = out.low.first(used);
  std::ranges::copy(words, first.begin());
  std::ranges::fill(first.subspan(words.size()), 0);
  const auto log2_used = static_cast<unsigned>(std::countr_zero(used));
  convert<true>(first.data(), log2_used, 1);
  transpose_plane(first);
  for (std::size_t at = used; at < points; at += used)
    std::ranges::copy(first, out.low.subspan(at).begin());
  std::ranges::fill(out.high, 0);
  const Twiddles& t = twiddles();
  const LaneMatrices lanes(t);
  for (std::size_t start = 0; start < points; start += used)
    transform<true>(t, lanes, {out.low.data(), out.high.data()}, start, log2_used);
  transpose_plane(out.low);
  transpose_plane(out.high);
}

static void inverse_add(MutableWordSpan out, std::size_t skip, const Gf2FftPlanes& values) {
  const std::size_t points = values.low.size();
  const Twiddles& t = twiddles();
  const LaneMatrices lanes(t);
  transpose_plane(values.low);
  transpose_plane(values.high);
  const auto log2_points = static_cast<unsigned>(std::countr_zero(points));
  transform<false>(t, lanes, {values.low.data(), values.high.data()}, 0, log2_points);
  transpose_plane(values.low);
  transpose_plane(values.high);
  convert<false>(values.low.data(), log2_points, 1);
  convert<false>(values.high.data(), log2_points, 1);
  for (std::size_t i = 0; i < out.size() && skip + i <= points; ++i) {
    if (skip + i < points) out[i] ^= values.low[skip + i];
    if (skip + i > 0) out[i] ^= values.high[skip + i - 1];
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace quoin::gf2_fft
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quoin {

namespace gf2_fft {
HWY_EXPORT(forward);
HWY_EXPORT(inverse_add);

namespace {
void check_size(std::size_t low, std::size_t high) {
  QUOIN_INVARIANT(low == high && std::has_single_bit(low) &&
                      low >= std::size_t{1} << gf2_fft_log2_points_min &&
                      low <= std::size_t{1} << gf2_fft_log2_points_max,
                  "a transform of an unsupported size");
}
}  // namespace
}  // namespace gf2_fft

void gf2_fft_forward(const Gf2FftPlanes& out, WordSpan words) {
  gf2_fft::check_size(out.low.size(), out.high.size());
  QUOIN_INVARIANT(words.size() <= out.low.size(), "more coefficients than points");
  using namespace gf2_fft;
  HWY_DYNAMIC_DISPATCH(forward)(out, words);
}

void gf2_fft_inverse_add(MutableWordSpan out, std::size_t skip, const Gf2FftPlanes& values) {
  gf2_fft::check_size(values.low.size(), values.high.size());
  using namespace gf2_fft;
  HWY_DYNAMIC_DISPATCH(inverse_add)(out, skip, values);
}

}  // namespace quoin
#endif
