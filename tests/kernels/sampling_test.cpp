#include "kernels/sampling.hpp"

#include <gtest/gtest.h>

#include <hwy/targets.h>
#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>

#include "core/bits.hpp"
#include "kernels/bit_planes.hpp"
#include "kernels/dead_time.hpp"

namespace quoin {
namespace {

using Block = std::array<std::uint8_t, 16>;

// FIPS 197, appendix C.1, and appendix B.
TEST(CounterRng, IsAes128) {
  Block key;
  Block plain;
  for (std::size_t i = 0; i < 16; ++i) {
    key[i] = static_cast<std::uint8_t>(i);
    plain[i] = static_cast<std::uint8_t>(0x11 * i);
  }
  EXPECT_EQ(encrypt_counter_block(CounterKey(key), plain),
            (Block{0x69, 0xc4, 0xe0, 0xd8, 0x6a, 0x7b, 0x04, 0x30, 0xd8, 0xcd, 0xb7, 0x80, 0x70,
                   0xb4, 0xc5, 0x5a}));
  EXPECT_EQ(encrypt_counter_block(CounterKey(Block{0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                                   0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c}),
                                  Block{0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d, 0x31, 0x31,
                                        0x98, 0xa2, 0xe0, 0x37, 0x07, 0x34}),
            (Block{0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb, 0xdc, 0x11, 0x85, 0x97, 0x19,
                   0x6a, 0x0b, 0x32}));
}

// Runs `check` once per instruction set that this machine and build have.
void on_every_target(const std::function<void(const char*)>& check) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    check(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

TEST(CounterRng, IsTheSameOnEveryInstructionSet) {
  const CounterKey key(7);
  for (const std::size_t size : {2u, 4u, 30u, 128u, 130u, 514u}) {
    std::vector<std::uint64_t> expected(size);
    fill_counter_words_scalar({&key, 3, 0x123456789abcdef}, 77, expected);
    on_every_target([&](const char* target) {
      std::vector<std::uint64_t> words(size);
      fill_counter_words({&key, 3, 0x123456789abcdef}, 77, words);
      EXPECT_EQ(words, expected) << target << " " << size;
    });
  }
}

TEST(CounterRng, FillsAnyPartOfAStream) {
  const CounterKey key(7);
  const CounterStream stream{&key, 8, 9};
  std::array<std::uint64_t, 300> whole{};
  fill_counter_words(stream, 0, whole);
  std::array<std::uint64_t, 12> part{};
  fill_counter_words(stream, 5, part);
  for (std::size_t i = 0; i < part.size(); ++i) EXPECT_EQ(part[i], whole[10 + i]);
  CounterRng rng(stream);
  for (const std::uint64_t word : whole) EXPECT_EQ(rng.next(), word);
  const CounterKey other(8);
  std::array<std::uint64_t, 2> words{};
  for (const CounterStream& one :
       {CounterStream{&key, 8, 10}, CounterStream{&key, 9, 9}, CounterStream{&other, 8, 9}}) {
    fill_counter_words(one, 0, words);
    EXPECT_NE(words[0], whole[0]);
  }
}

TEST(CodeTable, HoldsItsProbabilities) {
  const std::vector<double> weights{5, 0, 1e-9, 2, 2.5, 0.5};
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  const CodeTable table(weights);
  for (std::size_t i = 0; i < CodeTable::size; ++i) {
    const double p = i < weights.size() ? weights[i] / sum : 0;
    EXPECT_NEAR(table.probability(i), p, 1e-15) << i;
  }
  const CounterKey key(1);
  constexpr std::size_t draws = 1'000'000;
  std::vector<std::uint8_t> codes(draws + CodeTable::codes_at_once);
  table.draw({&key, 0, 0}, std::span(codes).first(draws));
  std::array<double, 256> seen{};
  for (std::size_t i = 0; i < draws; ++i) ++seen[codes[i]];
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double expected = draws * weights[i] / sum;
    EXPECT_NEAR(seen[i], expected, 5 * std::sqrt(expected) + 1) << i;
  }
  EXPECT_EQ(seen[1] + seen[6], 0);
}

// A table whose columns agree with the first 16 bits drawn as often as can be made to happen: the
// bits behind them decide, and they must give the fraction that is left.
TEST(CodeTable, DecidesByTheBitsBehindTheFirstSixteen) {
  // Two outcomes whose column is cut at 1/2^16 + 3/2^18: of 16 leading bits only 0 and 1 matter.
  constexpr double cut = (1 + 0.75) / 65536;
  std::vector<double> weights(CodeTable::size, 1 - cut);
  weights[0] = 1 + 127 * cut;
  const CodeTable table(weights);
  const CounterKey key(2);
  constexpr std::size_t draws = 1 << 22;
  std::vector<std::uint8_t> codes(draws + CodeTable::codes_at_once);
  table.draw({&key, 0, 0}, std::span(codes).first(draws));
  const auto zeros = static_cast<double>(std::count(codes.begin(), codes.begin() + draws, 0));
  const double p = table.probability(0);
  EXPECT_NEAR(zeros, draws * p, 4 * std::sqrt(draws * p));
}

// Mean and variance of the count over units, and independence of places from it. Five sigma each:
// a correct sampler fails one fresh seed in 2e5.
TEST(SlotSampler, PlacesIndependentEvents) {
  constexpr std::size_t slots = SlotMask::slot_count;
  const CounterKey key(3);
  std::vector<std::uint16_t> at(slots + 1);
  SlotMask mask;
  for (const double p : {1e-7, 1e-5, 3e-3, 0.012, 0.085, 0.4, 0.97}) {
    const SlotSampler sampler(p);
    EXPECT_EQ(sampler.is_rare(), p < 0.01);
    double count = 0;
    double places = 0;
    double squares = 0;
    constexpr int units = 300;
    for (std::uint64_t unit = 0; unit < units; ++unit) {
      std::size_t n = 0;
      const auto take = [&](std::size_t place) {
        places += static_cast<double>(place) - (slots - 1) / 2.0;
      };
      if (sampler.is_rare()) {
        n = sampler.draw_places({&key, 1, unit}, at);
        for (std::size_t i = 0; i < n; ++i) {
          if (i > 0) {
            ASSERT_LT(at[i - 1], at[i]);
          }
          take(at[i]);
        }
      } else {
        n = sampler.draw_mask({&key, 1, unit}, mask);
        EXPECT_EQ(n, mask.count_ones());
        for (std::size_t i = mask.next_one(0); i < slots; i = mask.next_one(i + 1)) take(i);
      }
      const double off = static_cast<double>(n) - p * slots;
      count += static_cast<double>(n);
      squares += off * off;
    }
    const double expected = p * slots * units;
    const double variance = p * slots * (1 - p);
    EXPECT_NEAR(count, expected, 5 * std::sqrt(expected * (1 - p)) + 1) << p;
    const double place_sigma = slots / std::sqrt(12.0) * std::sqrt(expected * (1 - p));
    EXPECT_NEAR(places, 0, 5 * place_sigma + slots) << p;
    if (variance > 1) {
      EXPECT_NEAR(squares / units / variance, 1, 5 * std::sqrt(2.0 / units)) << p;
    }
  }
}

// A threshold between two 16-bit values is met by the bits behind them.
TEST(SlotSampler, DecidesByTheBitsBehindTheFirstSixteen) {
  const CounterKey key(5);
  SlotMask mask;
  const double p = (655.0 + 0.5) / 65536 + 0.25;
  const SlotSampler sampler(p);
  ASSERT_FALSE(sampler.is_rare());
  double count = 0;
  constexpr int units = 200;
  for (std::uint64_t unit = 0; unit < units; ++unit)
    count += static_cast<double>(sampler.draw_mask({&key, 1, unit}, mask));
  const double n = 65536.0 * units;
  EXPECT_NEAR(count, n * p, 4 * std::sqrt(n * p * (1 - p)));
}

TEST(SlotSampler, KnowsTheExtremes) {
  const CounterKey key(3);
  std::vector<std::uint16_t> at(SlotMask::slot_count + 1);
  SlotMask mask;
  EXPECT_EQ(SlotSampler(0).draw_places({&key, 1, 0}, at), 0u);
  EXPECT_EQ(SlotSampler(1).draw_mask({&key, 1, 0}, mask), SlotMask::slot_count);
  EXPECT_EQ(GapSampler(1).draw_places({&key, 1, 0}, 10, at), 10u);
  EXPECT_EQ(GapSampler(0.009).draw_places({&key, 1, 0}, 0, at), 0u);
}

TEST(SlotMask, FindsAndClearsOnes) {
  SlotMask mask;
  EXPECT_EQ(mask.next_one(0), SlotMask::slot_count);
  EXPECT_EQ(mask.last_one_before(65536), SlotMask::slot_count);
  for (const std::size_t slot : {3u, 64u, 127u, 128u, 40000u, 65535u}) mask.set(slot);
  EXPECT_EQ(mask.count_ones(), 6u);
  EXPECT_EQ(mask.next_one(0), 3u);
  EXPECT_EQ(mask.next_one(4), 64u);
  EXPECT_EQ(mask.next_one(65), 127u);
  EXPECT_EQ(mask.next_one(129), 40000u);
  EXPECT_EQ(mask.next_one(65535), 65535u);
  EXPECT_EQ(mask.next_one(65536), SlotMask::slot_count);
  EXPECT_EQ(mask.last_one_before(65536), 65535u);
  EXPECT_EQ(mask.last_one_before(65535), 40000u);
  EXPECT_EQ(mask.last_one_before(128), 127u);
  EXPECT_EQ(mask.last_one_before(64), 3u);
  EXPECT_EQ(mask.last_one_before(3), SlotMask::slot_count);
  mask.clear_range(64, 128);
  EXPECT_TRUE(mask[128] && mask[3] && !mask[64] && !mask[127]);
  mask.clear_range(0, 65536);
  EXPECT_EQ(mask.count_ones(), 0u);
}

TEST(Binomial, HasItsMeanVarianceAndTail) {
  const CounterKey key(4);
  constexpr std::uint64_t n = 1000;
  constexpr int draws = 100'000;
  for (const double p : {0.001, 0.25, 0.37, 0.999}) {
    const BinomialSampler sampler(p);
    CounterRng rng({&key, 1, 0});
    double sum = 0;
    double squares = 0;
    double cubes = 0;
    for (int i = 0; i < draws; ++i) {
      const double off = static_cast<double>(sampler.draw(rng, n)) - n * p;
      sum += off;
      squares += off * off;
      cubes += off * off * off;
    }
    const double variance = n * p * (1 - p);
    EXPECT_NEAR(sum / draws, 0, 5 * std::sqrt(variance / draws)) << p;
    EXPECT_NEAR(squares / draws, variance, 5 * variance * std::sqrt(2.5 / draws)) << p;
    EXPECT_NEAR(cubes / draws, variance * (1 - 2 * p),
                5 * std::pow(variance, 1.5) * std::sqrt(20.0 / draws))
        << p;
  }
}

TEST(Binomial, KnowsTheExtremes) {
  const CounterKey key(4);
  CounterRng rng({&key, 1, 0});
  for (const std::uint64_t n : {0u, 1u, 65535u, 65536u, 1u << 20}) {
    EXPECT_EQ(BinomialSampler(0).draw(rng, n), 0u);
    EXPECT_EQ(BinomialSampler(1).draw(rng, n), n);
    EXPECT_LE(BinomialSampler(0.5).draw(rng, n), n);
  }
}

TEST(Multinomial, SplitsAllOfItsTrials) {
  const std::vector<double> weights{0.5, 0, 0.3, 0.2, 0};
  const CounterKey key(5);
  CounterRng rng({&key, 1, 0});
  constexpr std::uint64_t n = 1'000'000;
  std::array<std::uint64_t, 5> counts{};
  MultinomialSampler(weights).draw(rng, n, counts);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}), n);
  EXPECT_EQ(counts[1] + counts[4], 0u);
  for (std::size_t i = 0; i < weights.size(); ++i)
    EXPECT_NEAR(static_cast<double>(counts[i]), n * weights[i],
                5 * std::sqrt(n * weights[i] * (1 - weights[i])));
}

TEST(PlacePermutation, IsOneAndLooksRandom) {
  const CounterKey key(6);
  std::vector<std::uint16_t> all(SlotMask::slot_count);
  for (const std::size_t n : {1u, 2u, 1000u, 55'000u, 65'536u}) {
    const PlacePermutation order({&key, 1, n}, n);
    order.apply_to_all(all);
    std::vector<bool> is_taken(n);
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_LT(all[i], n);
      ASSERT_FALSE(is_taken[all[i]]);
      is_taken[all[i]] = true;
      if (i % 977 == 0) {
        ASSERT_EQ(order(i), all[i]);
      }
    }
  }
  // Which of a third of the values stand next to each other, over many keys: as in a fair order.
  // Four statistics at five sigma.
  constexpr std::size_t n = 60'000;
  constexpr int keys = 60;
  std::array<double, 4> together{};
  for (std::uint64_t k = 0; k < keys; ++k) {
    PlacePermutation({&key, 2, k}, n).apply_to_all(all);
    for (std::size_t i = 0; i + 64 < n; ++i) {
      const bool here = all[i] < n / 3;
      constexpr std::array<std::size_t, 4> lags{1, 2, 7, 64};
      for (std::size_t l = 0; l < lags.size(); ++l)
        together[l] += here && all[i + lags[l]] < n / 3 ? 1 : 0;
    }
  }
  for (const double count : together) {
    const double trials = static_cast<double>(n - 64) * keys;
    EXPECT_NEAR(count, trials / 9, 5 * std::sqrt(trials / 9));
  }
}

// Every vector body against its scalar twin, on every instruction set.
// Long on purpose: one set of inputs, made once, goes through all of the bodies.
TEST(SamplingBodies, AreEqualOnEveryInstructionSet) {
  namespace bodies = sampling_bodies;
  const CounterKey key(8);
  std::vector<std::uint64_t> random(24 * 40);
  fill_counter_words({&key, 1, 1}, 0, random);
  std::vector<std::uint8_t> table(3 * 128);
  for (std::size_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<std::uint8_t>(random[i % 100] >> (i % 50));
  // Some draws equal their thresholds.
  auto* bytes = reinterpret_cast<std::uint8_t*>(random.data());
  for (std::size_t i = 0; i < 64; i += 3) {
    bytes[64 + i] = table[bytes[i] & 127];
    bytes[128 + i] = table[128 + (bytes[i] & 127)];
  }
  const bodies::CodeColumns columns{table.data(), table.data() + 128, table.data() + 256};
  std::vector<std::uint8_t> codes(40 * 64);
  std::vector<std::uint64_t> undecided(40);
  bodies::draw_codes_scalar(columns, random, codes.data(), undecided.data());
  ASSERT_NE(undecided[0], 0u);
  const std::span shorts = std::span(random).first(16 * 50);
  std::vector<std::uint64_t> below(50);
  std::vector<std::uint64_t> equal(50);
  const auto threshold = static_cast<std::uint16_t>(random[5]);
  bodies::mark_below_scalar(shorts, threshold, below.data(), equal.data());
  ASSERT_NE(equal[0], 0u);
  SlotMask mask;
  SlotSampler(0.3).draw_mask({&key, 2, 1}, mask);
  mask.words[3] = ~std::uint64_t{0};
  mask.words[4] = 0;
  std::vector<std::uint8_t> many(SlotMask::slot_count + 64);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = codes[i % codes.size()];
  SlotCodes spread;
  bodies::spread_codes_scalar(mask.words, many.data(), spread.data());
  SlotMask some = mask;
  for (std::size_t w = 0; w < some.words.size(); ++w) some.words[w] &= random[w % random.size()];
  std::vector<std::uint32_t> offsets(SlotMask::slot_count + 64);
  std::vector<std::uint8_t> gathered(SlotMask::slot_count + 64);
  const std::size_t count = bodies::gather_events_scalar(some.words, spread.data(), 0xffff'ff00u,
                                                         offsets.data(), gathered.data());
  const auto added = static_cast<std::ptrdiff_t>(count);
  on_every_target([&](const char* target) {
    std::vector<std::uint8_t> codes_2(codes.size());
    std::vector<std::uint64_t> words_2(50);
    std::vector<std::uint64_t> words_3(50);
    bodies::draw_codes_simd(columns, random, codes_2.data(), words_2.data());
    EXPECT_EQ(codes_2, codes) << target;
    EXPECT_TRUE(std::equal(undecided.begin(), undecided.end(), words_2.begin())) << target;
    bodies::mark_below_simd(shorts, threshold, words_2.data(), words_3.data());
    EXPECT_EQ(words_2, below) << target;
    EXPECT_EQ(words_3, equal) << target;
    SlotCodes spread_2;
    spread_2.fill(77);
    bodies::spread_codes_simd(mask.words, many.data(), spread_2.data());
    EXPECT_EQ(spread_2, spread) << target;
    std::vector<std::uint32_t> offsets_2(offsets.size());
    std::vector<std::uint8_t> gathered_2(gathered.size());
    ASSERT_EQ(bodies::gather_events_simd(some.words, spread.data(), 0xffff'ff00u, offsets_2.data(),
                                         gathered_2.data()),
              count);
    EXPECT_TRUE(std::equal(offsets.begin(), offsets.begin() + added, offsets_2.begin())) << target;
    EXPECT_TRUE(std::equal(gathered.begin(), gathered.begin() + added, gathered_2.begin()))
        << target;
    std::array<std::uint64_t, 16> nibbles{};
    std::array<std::uint64_t, 16> nibbles_2{};
    const std::span odd = std::span(many).first(1001);
    for (const std::uint8_t code : odd) ++nibbles[code & 15];
    count_low_nibbles(odd, nibbles_2);
    EXPECT_EQ(nibbles_2, nibbles) << target;
    std::size_t ones = 0;
    for (const std::uint64_t word : mask.words)
      ones += static_cast<std::size_t>(std::popcount(word));
    EXPECT_EQ(mask.count_ones(), ones) << target;
  });
}

// The filter against its definition, for masks thin and dense, dead times short and long, whole
// masks and parts.
std::uint64_t seen_one_by_one(DeadTimeKind kind, std::uint64_t dead, const SlotMask& events,
                              std::uint64_t low, std::uint64_t high, std::uint64_t live_from,
                              SlotMask& seen) {
  seen.words.fill(0);
  for (std::uint64_t slot = low; slot < high; ++slot) {
    if (!events[slot]) continue;
    const bool is_seen = slot >= live_from;
    if (is_seen) seen.set(slot);
    if (is_seen || kind == DeadTimeKind::paralysable)
      live_from = std::max(live_from, slot + 1 + dead);
  }
  return live_from;
}

TEST(DeadTime, SeesWhatItsDefinitionSees) {
  const CounterKey key(9);
  auto events = std::make_unique<SlotMask>();
  auto seen = std::make_unique<SlotMask>();
  auto expected = std::make_unique<SlotMask>();
  std::uint64_t unit = 0;
  for (const DeadTimeKind kind : {DeadTimeKind::non_paralysable, DeadTimeKind::paralysable})
    for (const double p : {0.012, 0.15, 0.5, 1.0})
      for (const std::uint64_t dead : {0u, 1u, 2u, 7u, 8u, 25u, 63u, 64u, 300u, 70'000u}) {
        SlotSampler(p).draw_mask({&key, 1, ++unit}, *events);
        const DeadTimeFilter filter(kind, dead);
        for (const auto& [low, high, live] : {std::array<std::uint64_t, 3>{0, 65536, 0},
                                              {0, 65536, 5},
                                              {0, 65536, 1000},
                                              {0, 65536, 70'000},
                                              {100, 200, 0},
                                              {100, 101, 150},
                                              {63, 65, 64},
                                              {777, 65536, 780}}) {
          const auto live_expected =
              seen_one_by_one(kind, dead, *events, low, high, live, *expected);
          const auto live_seen = filter.apply(*events, low, high, live, *seen);
          ASSERT_EQ(seen->words, expected->words) << p << " " << dead << " " << low;
          ASSERT_EQ(std::max(live_seen, high), std::max(live_expected, high)) << p << " " << dead;
        }
        // One more event in the middle: as if it had been there from the start, and was seen.
        const std::size_t extra = 30'000;
        filter.apply(*events, 0, 65536, 0, *seen);
        const std::size_t last = seen->last_one_before(extra + 1);
        const bool is_alive = last == SlotMask::slot_count || last + dead < extra;
        if (kind == DeadTimeKind::paralysable || !is_alive || (*events)[extra]) continue;
        seen->set(extra);
        filter.mend(*events, extra, 65536, *seen);
        events->set(extra);
        seen_one_by_one(kind, dead, *events, 0, 65536, 0, *expected);
        EXPECT_EQ(seen->words, expected->words) << p << " " << dead;
      }
}

TEST(BitPlanes, HoldBitKOfEveryCode) {
  const CounterKey key(6);
  CounterRng rng({&key, 1, 0});
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
