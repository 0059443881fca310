#include <algorithm>

#include "core/check.hpp"
#include "kernels/gf2_fft.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gf2_fft_products.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quoin::gf2_fft_products {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SSE2 || \
    HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_NEON_WITHOUT_AES

static void sum_products(const Gf2FftPlanes& out, std::span<const Gf2FftView> a,
                         std::span<const Gf2FftView> b) {
  gf2_fft_sum_products_scalar(out, a, b);
}

#else

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<std::uint64_t, 8>;
using V = hn::Vec<D>;

// Sums of 128-bit products of the words of two planes: of the even lanes, and of the odd ones.
struct WordProducts {
  V even;
  V odd;

  HWY_INLINE WordProducts() : even(hn::Zero(D())), odd(hn::Zero(D())) {}
  HWY_INLINE void add(V a, V b) {
    even = hn::Xor(even, hn::CLMulLower(a, b));
    odd = hn::Xor(odd, hn::CLMulUpper(a, b));
  }
  HWY_INLINE V low() const { return hn::OddEven(hn::DupEven(odd), even); }
  HWY_INLINE V high() const { return hn::OddEven(odd, hn::DupOdd(even)); }
};

// Adds `top`, which stands 128 bits above `low`, modulo X^128 + X^40 + X^24 + X^8 + 1; what
// reaches the next word goes to `high`.
static HWY_INLINE void fold(V top, V& low, V& high) {
  low = hn::Xor(hn::Xor3(low, top, hn::ShiftLeft<8>(top)),
                hn::Xor(hn::ShiftLeft<24>(top), hn::ShiftLeft<40>(top)));
  high = hn::Xor(hn::Xor3(high, hn::ShiftRight<56>(top), hn::ShiftRight<40>(top)),
                 hn::ShiftRight<24>(top));
}

static void sum_products(const Gf2FftPlanes& out, std::span<const Gf2FftView> a,
                         std::span<const Gf2FftView> b) {
  const D d;
  for (std::size_t e = 0; e < out.low.size(); e += hn::Lanes(d)) {
    WordProducts low;
    WordProducts high;
    WordProducts both;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const V al = hn::LoadU(d, a[i].low.data() + e);
      const V ah = hn::LoadU(d, a[i].high.data() + e);
      const V bl = hn::LoadU(d, b[i].low.data() + e);
      const V bh = hn::LoadU(d, b[i].high.data() + e);
      low.add(al, bl);
      high.add(ah, bh);
      both.add(hn::Xor(al, ah), hn::Xor(bl, bh));
    }
    V word_0 = low.low();
    V word_1 = hn::Xor(low.high(), hn::Xor3(both.low(), low.low(), high.low()));
    V word_2 = hn::Xor(high.low(), hn::Xor3(both.high(), low.high(), high.high()));
    fold(high.high(), word_1, word_2);
    fold(word_2, word_0, word_1);
    hn::StoreU(word_0, d, out.low.data() + e);
    hn::StoreU(word_1, d, out.high.data() + e);
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace quoin::gf2_fft_products
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quoin {

namespace gf2_fft_products {
HWY_EXPORT(sum_products);
}  // namespace gf2_fft_products

void gf2_fft_sum_products(const Gf2FftPlanes& out, std::span<const Gf2FftView> a,
                          std::span<const Gf2FftView> b) {
  const std::size_t size = out.low.size();
  const auto is_long_enough = [size](const Gf2FftView& view) {
    return view.low.size() == size && view.high.size() == size;
  };
  QUOIN_INVARIANT(out.high.size() == size && size % 8 == 0 && a.size() == b.size() &&
                      std::ranges::all_of(a, is_long_enough) &&
                      std::ranges::all_of(b, is_long_enough),
                  "sums of products of unequal lengths");
  using namespace gf2_fft_products;
  HWY_DYNAMIC_DISPATCH(sum_products)(out, a, b);
}

}  // namespace quoin
#endif
