#include "distill/amplify.hpp"

#include <gtest/gtest.h>

#include "seeded.hpp"

namespace quoin {
namespace {

using namespace testing_support;

VerifiedKey verified(const BitString& bits) { return VerifiedKey::claim_stage(to_secret(bits)); }

// y_i = x_i + sum_j s_{i-j+c-1} x_{m+j}, straight from the definition.
BitString reference(const BitString& x, const BitString& seed, std::size_t m) {
  const std::size_t c = x.size_bits() - m;
  BitString out(m);
  for (std::size_t i = 0; i < m; ++i) {
    bool sum = x[i];
    for (std::size_t j = 0; j < c; ++j) sum ^= seed[i + c - 1 - j] && x[m + j];
    out.set(i, sum);
  }
  return out;
}

TEST(Amplify, follows_the_definition_at_odd_sizes) {
  std::mt19937_64 engine(1);
  constexpr std::array<std::array<std::size_t, 2>, 17> sizes{{{1, 1},
                                                              {2, 1},
                                                              {63, 31},
                                                              {64, 32},
                                                              {65, 64},
                                                              {127, 1},
                                                              {128, 127},
                                                              {1000, 333},
                                                              {1001, 999},
                                                              {1001, 2},
                                                              {4096, 2048},
                                                              {5001, 2500},
                                                              {7777, 7000},
                                                              {7777, 300},
                                                              {9973, 4987},
                                                              {12345, 5000},
                                                              {20011, 9001}}};
  for (const auto& [n, m] : sizes) {
    const BitString x = random_bits(engine, n);
    const BitString seed = random_bits(engine, amplification_seed_bits(n, m));
    const auto key = amplify(verified(x), seed, m);
    ASSERT_TRUE(key) << key.error().text();
    EXPECT_EQ(to_public(key->bits()), reference(x, seed, m)) << n << " -> " << m;
  }
}

TEST(Amplify, random_sizes_agree_with_the_definition) {
  for (std::uint64_t seed_number = 0; seed_number < 60; ++seed_number) {
    SCOPED_TRACE("seed " + std::to_string(seed_number));
    std::mt19937_64 engine(seed_number);
    const std::size_t n = 1 + engine() % 3000;
    const std::size_t m = 1 + engine() % n;
    const BitString x = random_bits(engine, n);
    const BitString seed = random_bits(engine, n - 1);
    const auto key = amplify(verified(x), seed, m);
    ASSERT_TRUE(key);
    EXPECT_EQ(to_public(key->bits()), reference(x, seed, m)) << n << " -> " << m;
  }
}

TEST(Amplify, sampled_rows_agree_at_a_million_bits) {
  std::mt19937_64 engine(2);
  constexpr std::size_t n = 1'000'003;
  constexpr std::size_t m = 430'001;
  constexpr std::size_t c = n - m;
  const BitString x = random_bits(engine, n);
  const BitString seed = random_bits(engine, n - 1);
  const auto key = amplify(verified(x), seed, m);
  ASSERT_TRUE(key);
  for (std::size_t sample = 0; sample < 200; ++sample) {
    const std::size_t i = sample == 0 ? 0 : sample == 1 ? m - 1 : engine() % m;
    bool sum = x[i];
    for (std::size_t j = 0; j < c; ++j) sum ^= seed[i + c - 1 - j] && x[m + j];
    ASSERT_EQ(bit_at(key->bits().expose_secret(), i), sum) << i;
  }
}

TEST(Amplify, refuses_wrong_lengths_and_knows_empty_ones) {
  std::mt19937_64 engine(3);
  const BitString x = random_bits(engine, 100);
  EXPECT_FALSE(amplify(verified(x), random_bits(engine, 98), 50));
  EXPECT_FALSE(amplify(verified(x), random_bits(engine, 100), 50));
  EXPECT_FALSE(amplify(verified(x), random_bits(engine, 99), 101));
  const auto nothing = amplify(verified(x), random_bits(engine, 99), 0);
  ASSERT_TRUE(nothing);
  EXPECT_EQ(nothing->size_bits(), 0U);
  EXPECT_TRUE(amplify(verified(BitString()), BitString(), 0));
  const auto all = amplify(verified(x), random_bits(engine, 99), 100);
  ASSERT_TRUE(all);
  EXPECT_EQ(to_public(all->bits()), x);
}

}  // namespace
}  // namespace quoin
