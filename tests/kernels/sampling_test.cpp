#include "kernels/sampling.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/bits.hpp"
#include "kernels/bit_planes.hpp"

namespace quoin {
namespace {

using Words = std::array<std::uint64_t, 4>;

// Known answers of the Random123 distribution (kat_vectors, philox4x64, 10 rounds).
TEST(CounterRng, MatchesPublishedPhiloxVectors) {
  const std::uint64_t ones = ~std::uint64_t{0};
  EXPECT_EQ(philox4x64({0, 0, 0, 0}, {0, 0}), (Words{0x16554d9eca36314c, 0xdb20fe9d672d0fdc,
                                                     0xd7e772cee186176b, 0x7e68b68aec7ba23b}));
  EXPECT_EQ(
      philox4x64({ones, ones, ones, ones}, {ones, ones}),
      (Words{0x87b092c3013fe90b, 0x438c3c67be8d0224, 0x9cc7d7c69cd777b6, 0xa09caebf594f0ba0}));
  EXPECT_EQ(
      philox4x64({0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89},
                 {0x452821e638d01377, 0xbe5466cf34e90c6c}),
      (Words{0xa528f45403e61d95, 0x38c72dbd566e9788, 0xa5a1610e72fd18b5, 0x57bd43b5e52b7fe6}));
}

TEST(CounterRng, FillsAnyPartOfAStream) {
  const CounterStream stream{7, 8, 9};
  std::array<std::uint64_t, 44> whole{};
  fill_counter_words(stream, 0, whole);
  std::array<std::uint64_t, 12> part{};
  fill_counter_words(stream, 5, part);
  for (std::size_t i = 0; i < part.size(); ++i) EXPECT_EQ(part[i], whole[20 + i]);
  CounterRng rng(stream);
  for (const std::uint64_t word : whole) EXPECT_EQ(rng.next(), word);
  std::array<std::uint64_t, 4> other{};
  fill_counter_words({7, 8, 10}, 0, other);
  EXPECT_NE(other[0], whole[0]);
}

TEST(AliasTable, HoldsItsProbabilities) {
  const std::vector<double> weights{5, 0, 1e-9, 2, 2.5, 0.5};
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const AliasTable<7> table(weights);
  for (std::size_t i = 0; i < AliasTable<7>::size; ++i) {
    const double p = i < weights.size() ? weights[i] / sum : 0;
    EXPECT_NEAR(table.probability(i), p, 1e-15) << i;
  }
  CounterRng rng({1, 0, 0});
  std::array<double, 128> seen{};
  constexpr int draws = 1'000'000;
  for (int i = 0; i < draws; ++i) ++seen[table.draw(rng.next())];
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double expected = draws * weights[i] / sum;
    EXPECT_NEAR(seen[i], expected, 5 * std::sqrt(expected) + 1) << i;
  }
  EXPECT_EQ(seen[1] + seen[6], 0);
}

// Mean and variance of the count over chunks, and independence of places from it. Five sigma each:
// a correct sampler fails one fresh seed in 2e5.
TEST(GapSampler, PlacesIndependentEvents) {
  constexpr std::uint32_t slots = 1 << 16;
  std::vector<std::uint16_t> at(slots);
  for (const double p : {1e-7, 1e-5, 3e-3, 0.085, 0.4, 0.97}) {
    const GapSampler sampler(p);
    double count = 0;
    double places = 0;
    constexpr int chunks = 300;
    for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
      CounterRng rng({3, 1, chunk});
      const std::size_t n = sampler.draw_positions(rng, slots, at);
      for (std::size_t i = 0; i < n; ++i) {
        if (i > 0) {
          ASSERT_LT(at[i - 1], at[i]);
        }
        places += at[i] - (slots - 1) / 2.0;
      }
      count += static_cast<double>(n);
    }
    const double expected = p * slots * chunks;
    EXPECT_NEAR(count, expected, 5 * std::sqrt(expected * (1 - p)) + 1) << p;
    const double place_sigma = slots / std::sqrt(12.0) * std::sqrt(expected * (1 - p));
    EXPECT_NEAR(places, 0, 5 * place_sigma + slots) << p;
  }
}

TEST(GapSampler, KnowsTheExtremes) {
  std::vector<std::uint16_t> at(1 << 16);
  CounterRng rng({3, 1, 0});
  EXPECT_EQ(GapSampler(0).draw_positions(rng, 1 << 16, at), 0u);
  EXPECT_EQ(GapSampler(1).draw_positions(rng, 1 << 16, at), std::size_t{1} << 16);
  EXPECT_EQ(at[65535], 65535);
}

TEST(Binomial, HasItsMeanAndVariance) {
  constexpr std::uint64_t n = 1000;
  constexpr int draws = 20'000;
  for (const double p : {0.001, 0.25, 0.37, 0.999}) {
    CounterRng rng({4, 1, 0});
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < draws; ++i) {
      const auto x =
          static_cast<double>(draw_binomial(rng, n, static_cast<std::uint64_t>(p * 0x1p64)));
      sum += x;
      squares += (x - n * p) * (x - n * p);
    }
    const double variance = n * p * (1 - p);
    EXPECT_NEAR(sum / draws, n * p, 5 * std::sqrt(variance / draws)) << p;
    EXPECT_NEAR(squares / draws, variance, 5 * variance * std::sqrt(2.0 / draws) + 0.03) << p;
  }
  CounterRng rng({4, 1, 0});
  EXPECT_EQ(draw_binomial(rng, n, 0), 0u);
}

TEST(Multinomial, SplitsAllOfItsTrials) {
  const std::vector<double> weights{0.5, 0, 0.3, 0.2, 0};
  CounterRng rng({5, 1, 0});
  constexpr std::uint64_t n = 1'000'000;
  const auto counts = draw_multinomial(rng, n, weights);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}), n);
  EXPECT_EQ(counts[1] + counts[4], 0u);
  for (std::size_t i = 0; i < weights.size(); ++i)
    EXPECT_NEAR(static_cast<double>(counts[i]), n * weights[i],
                5 * std::sqrt(n * weights[i] * (1 - weights[i])));
}

TEST(BitPlanes, HoldBitKOfEveryCode) {
  CounterRng rng({6, 1, 0});
  for (const std::size_t size : {0u, 1u, 63u, 64u, 65u, 200u}) {
    std::vector<std::uint8_t> codes(size);
    for (auto& code : codes) code = static_cast<std::uint8_t>(rng.next());
    for (unsigned plane = 0; plane < 8; ++plane) {
      std::vector<std::uint64_t> words(words_for_bits(size), ~std::uint64_t{0});
      pack_bit_plane(codes, plane, words);
      for (std::size_t i = 0; i < size; ++i)
        ASSERT_EQ(bit_at(words, i), (codes[i] >> plane & 1) != 0) << size << " " << i;
      if (size > 0) {
        ASSERT_EQ(words.back() & ~last_word_mask(size), 0u);
      }
    }
  }
}

}  // namespace
}  // namespace quoin
