#include "kernels/gf2_product.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gf2_product.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace quoin::gf2_toeplitz {
namespace HWY_NAMESPACE {

static void add_into(std::uint64_t* HWY_RESTRICT out, const std::uint64_t* HWY_RESTRICT in,
                     std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out[i] ^= in[i];
}

static void add_to(std::uint64_t* HWY_RESTRICT out, const std::uint64_t* HWY_RESTRICT a,
                   const std::uint64_t* HWY_RESTRICT b, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) out[i] = a[i] ^ b[i];
}

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SSE2 || \
    HWY_TARGET == HWY_SSSE3 || HWY_TARGET == HWY_NEON_WITHOUT_AES

static void base_add(std::uint64_t* out, const std::uint64_t* diagonals,
                     const std::uint64_t* vector, std::size_t size, std::uint64_t*) {
  gf2_toeplitz_add_scalar({out, size}, {diagonals, 2 * size}, {vector, size});
}

#else

namespace hn = hwy::HWY_NAMESPACE;
using Wide = hn::CappedTag<std::uint64_t, 8>;

// The 128-bit sum of diagonals[size - 1 - j] * vector[j]; only its high half reaches the rows.
static std::uint64_t high_of_first_sum(const std::uint64_t* diagonals, const std::uint64_t* vector,
                                       std::size_t size) {
  const hn::Full128<std::uint64_t> one;
  auto sum = hn::Zero(one);
  for (std::size_t j = 0; j < size; ++j)
    sum = hn::Xor(sum,
                  hn::CLMulLower(hn::Set(one, diagonals[size - 1 - j]), hn::Set(one, vector[j])));
  return hn::ExtractLane(sum, 1);
}

// Sums along the diagonals of the schoolbook table, a vector of neighbouring ones at a time. The
// even lanes of `diagonals` feed the sums of even index, the odd lanes the others, so that no
// lane ever moves before the end.
static void base_add(std::uint64_t* out, const std::uint64_t* diagonals,
                     const std::uint64_t* vector, std::size_t size, std::uint64_t* scratch) {
  const Wide d;
  const std::size_t lanes = hn::Lanes(d);
  std::uint64_t* padded = scratch;
  std::uint64_t* rows = scratch + 2 * size + 8;
  for (std::size_t i = 0; i < 2 * size; ++i) padded[i] = diagonals[i];
  for (std::size_t i = 0; i < 8; ++i) padded[2 * size + i] = 0;
  for (std::size_t i = 0; i < size + 16; ++i) rows[i] = 0;
  rows[0] = high_of_first_sum(diagonals, vector, size);
  for (std::size_t k = 0; k < size; k += lanes) {
    const std::uint64_t* at = padded + size + k;
    auto even = hn::Zero(d);
    auto odd = hn::Zero(d);
    for (std::size_t j = 0; j < size; ++j) {
      const auto a = hn::LoadU(d, at - j);
      const auto b = hn::Set(d, vector[j]);
      even = hn::Xor(even, hn::CLMulLower(a, b));
      odd = hn::Xor(odd, hn::CLMulUpper(a, b));
    }
    const auto low = hn::OddEven(hn::DupEven(odd), even);
    const auto high = hn::OddEven(odd, hn::DupOdd(even));
    hn::StoreU(hn::Xor(hn::LoadU(d, rows + k), low), d, rows + k);
    hn::StoreU(hn::Xor(hn::LoadU(d, rows + k + 1), high), d, rows + k + 1);
  }
  add_into(out, rows, size);
}

#endif

// Two-way split of a Toeplitz matrix [T1 T0; T2 T1] (Fan, Hasan, IEEE TC 56 (2007) 224):
//   low  = T1 (v0 + v1) + (T0 + T1) v1,   high = T1 (v0 + v1) + (T1 + T2) v0.
static void multiply_add(std::uint64_t* out, const std::uint64_t* diagonals,
                         const std::uint64_t* vector, std::size_t size, std::size_t base_max,
                         std::uint64_t* scratch) {
  if (size <= base_max || size % 2 != 0) {
    base_add(out, diagonals, vector, size, scratch);
    return;
  }
  const std::size_t half = size / 2;
  std::uint64_t* sums = scratch;  // (T0 + T1) in words [0, 2 half), (T1 + T2) in [half, 3 half)
  std::uint64_t* both = scratch + 3 * half;
  std::uint64_t* common = scratch + 4 * half;
  std::uint64_t* rest = scratch + 5 * half;
  add_to(sums, diagonals, diagonals + half, 3 * half);
  add_to(both, vector, vector + half, half);
  for (std::size_t i = 0; i < half; ++i) common[i] = 0;
  multiply_add(common, diagonals + half, both, half, base_max, rest);
  add_into(out, common, half);
  add_into(out + half, common, half);
  multiply_add(out, sums, vector + half, half, base_max, rest);
  multiply_add(out + half, sums + half, vector, half, base_max, rest);
}

}  // namespace HWY_NAMESPACE
}  // namespace quoin::gf2_toeplitz
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace quoin {

namespace gf2_toeplitz {
HWY_EXPORT(multiply_add);
}  // namespace gf2_toeplitz

void gf2_toeplitz_add(MutableWordSpan out, WordSpan diagonals, WordSpan vector,
                      MutableWordSpan scratch) {
  const std::size_t size = out.size();
  const bool is_consistent = diagonals.size() == 2 * size && vector.size() == size &&
                             scratch.size() >= gf2_toeplitz_scratch_words(size);
  QUOIN_INVARIANT(is_consistent, "toeplitz product: operands of unequal size");
  if (size == 0) return;
  using namespace gf2_toeplitz;
  HWY_DYNAMIC_DISPATCH(multiply_add)
  (out.data(), diagonals.data(), vector.data(), size, gf2_toeplitz_base_words_max, scratch.data());
}

}  // namespace quoin
#endif
