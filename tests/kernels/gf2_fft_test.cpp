#include "kernels/gf2_fft.hpp"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <random>
#include <vector>

#include "kernels/gf2_fft_basis.hpp"
#include "kernels/gf2_fft_field.hpp"

namespace quoin {
namespace {

using Words = std::vector<std::uint64_t>;
using Value = std::array<std::uint64_t, 2>;
using namespace gf2_fft_field;

Words random_words(std::mt19937_64& engine, std::size_t size) {
  Words out(size);
  for (std::uint64_t& word : out) word = engine();
  return out;
}

struct Planes {
  Words low;
  Words high;
  explicit Planes(std::size_t points) : low(points), high(points) {}
  Planes(Words l, Words h) : low(std::move(l)), high(std::move(h)) {}
  Gf2FftPlanes mutable_view() { return {low, high}; }
  Gf2FftView view() const { return {low, high}; }
  bool operator==(const Planes&) const = default;
};

// The product of two polynomials by shifting and adding.
Words schoolbook(const Words& a, const Words& b) {
  Words out(a.size() + b.size());
  for (std::size_t i = 0; i < a.size() * 64; ++i) {
    if (!bit_at(a, i)) continue;
    const std::size_t shift = i % 64;
    for (std::size_t j = 0; j < b.size(); ++j) {
      out[i / 64 + j] ^= b[j] << shift;
      if (shift > 0) out[i / 64 + j + 1] ^= b[j] >> (64 - shift);
    }
  }
  return out;
}

Value times_x(const Value& a) {
  const bool carries = a[1] >> 63 != 0;
  constexpr std::uint64_t tail = std::uint64_t{1} << 40 | 1U << 24 | 1U << 8 | 1U;
  return {a[0] << 1 ^ (carries ? tail : 0), a[1] << 1 | a[0] >> 63};
}

Value multiply_values(const Value& a, const Value& b) {
  Value sum{};
  Value shifted = a;
  for (std::size_t i = 0; i < 128; ++i) {
    if (bit_at(b, i)) sum = {sum[0] ^ shifted[0], sum[1] ^ shifted[1]};
    shifted = times_x(shifted);
  }
  return sum;
}

// An element of K as an element of A: z = X^8.
Value embed(std::uint16_t element) {
  Value out{};
  for (std::size_t i = 0; i < 16; ++i) assign_bit(out, 8 * i, (element >> i & 1) != 0);
  return out;
}

Value evaluate(const Words& words, const Value& at) {
  Value sum{};
  for (std::size_t i = words.size(); i-- > 0;) {
    sum = multiply_values(sum, at);
    sum[0] ^= words[i];
  }
  return sum;
}

TEST(Gf2FftField, the_cantor_basis_is_one) {
  EXPECT_EQ(cantor_basis[0], 1);
  for (std::size_t i = 1; i < 16; ++i) {
    const std::uint16_t v = cantor_basis[i];
    EXPECT_EQ(multiply(v, v) ^ v, cantor_basis[i - 1]) << i;
    EXPECT_LT(v, v ^ 1);
  }
}

TEST(Gf2FftField, the_modulus_is_irreducible) {
  // z^(2^16) = z, and z lies in no smaller field.
  std::uint16_t power = 2;
  for (int i = 0; i < 16; ++i) {
    power = multiply(power, power);
    if (i == 7) {
      EXPECT_NE(power, 2);
    }
  }
  EXPECT_EQ(power, 2);
}

TEST(Gf2Fft, values_are_those_of_the_polynomial) {
  std::mt19937_64 engine(1);
  const Words words = random_words(engine, 60);
  Planes planes(64);
  gf2_fft_forward_scalar(planes.mutable_view(), words);
  for (std::size_t j = 0; j < 64; ++j) {
    const Value expected = evaluate(words, embed(point(j)));
    EXPECT_EQ(planes.low[j], expected[0]) << j;
    EXPECT_EQ(planes.high[j], expected[1]) << j;
  }
}

TEST(Gf2Fft, products_are_those_of_the_ring) {
  std::mt19937_64 engine(2);
  std::vector<Planes> factors(6, Planes(8));
  for (Planes& planes : factors) planes = {random_words(engine, 8), random_words(engine, 8)};
  std::vector<Gf2FftView> a;
  std::vector<Gf2FftView> b;
  for (std::size_t i = 0; i < 3; ++i) {
    a.push_back(factors[i].view());
    b.push_back(factors[i + 3].view());
  }
  Planes out(8);
  gf2_fft_sum_products_scalar(out.mutable_view(), a, b);
  for (std::size_t e = 0; e < 8; ++e) {
    Value sum{};
    for (std::size_t i = 0; i < 3; ++i) {
      const Value product =
          multiply_values({a[i].low[e], a[i].high[e]}, {b[i].low[e], b[i].high[e]});
      sum = {sum[0] ^ product[0], sum[1] ^ product[1]};
    }
    EXPECT_EQ(out.low[e], sum[0]);
    EXPECT_EQ(out.high[e], sum[1]);
  }
}

TEST(Gf2Fft, multiplies_polynomials) {
  std::mt19937_64 engine(3);
  for (unsigned log2_points = 6; log2_points <= 10; ++log2_points) {
    const std::size_t points = std::size_t{1} << log2_points;
    const std::size_t a_size = 1 + engine() % (points - 1);
    const Words a = random_words(engine, a_size);
    const Words b = random_words(engine, points - a_size);
    Planes fa(points);
    Planes fb(points);
    Planes product(points);
    gf2_fft_forward_scalar(fa.mutable_view(), a);
    gf2_fft_forward_scalar(fb.mutable_view(), b);
    const Gf2FftView view_a = fa.view();
    const Gf2FftView view_b = fb.view();
    gf2_fft_sum_products_scalar(product.mutable_view(), {&view_a, 1}, {&view_b, 1});
    Words out(points);
    gf2_fft_inverse_add_scalar(out, 0, product.mutable_view());
    EXPECT_EQ(out, schoolbook(a, b)) << log2_points;
  }
}

// Every instruction set this machine has gives the values of the scalar twins.
TEST(Gf2Fft, every_instruction_set_gives_the_scalar_result) {
  std::size_t compared = 0;
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    std::mt19937_64 engine(4);
    for (unsigned log2_points = 6; log2_points <= 12; ++log2_points) {
      SCOPED_TRACE(hwy::TargetName(target) + std::string(", 2^") + std::to_string(log2_points));
      const std::size_t points = std::size_t{1} << log2_points;
      for (const std::size_t size : {std::size_t{0}, std::size_t{1}, points / 2, points / 2 + 1,
                                     engine() % points, points}) {
        const Words words = random_words(engine, size);
        Planes expected(points);
        gf2_fft_forward_scalar(expected.mutable_view(), words);
        Planes got(random_words(engine, points), random_words(engine, points));
        gf2_fft_forward(got.mutable_view(), words);
        EXPECT_EQ(got, expected) << size << " coefficients";
      }
      const Planes values(random_words(engine, points), random_words(engine, points));
      const Planes others(random_words(engine, points), random_words(engine, points));
      const std::array<Gf2FftView, 3> a = {values.view(), others.view(), values.view()};
      const std::array<Gf2FftView, 3> b = {others.view(), others.view(), values.view()};
      Planes expected(points);
      Planes got(points);
      gf2_fft_sum_products_scalar(expected.mutable_view(), a, b);
      gf2_fft_sum_products(got.mutable_view(), a, b);
      EXPECT_EQ(got, expected);
      for (const std::size_t skip : {std::size_t{0}, std::size_t{1}, points / 2, points}) {
        Planes first = values;
        Planes second = values;
        Words expected_words = random_words(engine, points);
        Words got_words = expected_words;
        gf2_fft_inverse_add_scalar(expected_words, skip, first.mutable_view());
        gf2_fft_inverse_add(got_words, skip, second.mutable_view());
        EXPECT_EQ(got_words, expected_words) << "skip " << skip;
      }
      ++compared;
    }
  }
  hwy::SetSupportedTargetsForTest(0);
  EXPECT_GE(compared, 7U);
}

}  // namespace
}  // namespace quoin
