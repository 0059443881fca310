#include "distill/reconcile.hpp"

#include <gtest/gtest.h>

#include <iostream>

#include "distill/cascade_plan.hpp"
#include "reference_cascade.hpp"
#include "seeded.hpp"

namespace quoin {
namespace {

using namespace testing_support;

SiftedKey sifted(const BitString& bits) { return SiftedKey::claim_stage(to_secret(bits)); }

double entropy(double q) { return q <= 0 ? 0 : -q * std::log2(q) - (1 - q) * std::log2(1 - q); }

struct Pair {
  std::unique_ptr<Reconciler> alice;
  std::unique_ptr<Reconciler> bob;
};

Pair make_pair_of(const BitString& alice, const BitString& bob, const ReconcileParameters& p) {
  auto a = make_cascade(QuantumRole::alice, sifted(alice), p);
  auto b = make_cascade(QuantumRole::bob, sifted(bob), p);
  EXPECT_TRUE(a && b);
  return {std::move(*a), std::move(*b)};
}

// Carries bytes between the two until both are finished.
void run(Pair& pair, std::size_t key_bits) {
  auto bob_start = pair.bob->start();
  ASSERT_TRUE(bob_start && !*bob_start);
  auto start = pair.alice->start();
  ASSERT_TRUE(start);
  std::optional<Bytes> message = std::move(*start);
  for (std::size_t rounds = 0; message; ++rounds) {
    ASSERT_LT(rounds, 100'000U);
    ASSERT_LE(message->size(), reconcile_message_bytes_max(key_bits));
    auto answer = pair.bob->handle(*message);
    ASSERT_TRUE(answer && *answer) << answer.error().text();
    auto next = pair.alice->handle(**answer);
    ASSERT_TRUE(next) << next.error().text();
    message = std::move(*next);
  }
  ASSERT_TRUE(pair.alice->is_finished() && pair.bob->is_finished());
}

struct Trial {
  ReconcileReport alice;
  ReconcileReport bob;
  bool is_equal = false;
};

// Reconciles a random key and its noisy copy, and checks all that must hold in every run.
Trial reconcile_noisy(std::uint64_t seed, std::size_t key_bits, double q, ReconcileParameters p) {
  std::mt19937_64 engine(seed);
  const BitString alice = random_bits(engine, key_bits);
  const BitString errors = sparse_bits(engine, key_bits, q);
  for (std::byte& byte : p.permutation_seed) byte = static_cast<std::byte>(engine());
  Pair pair = make_pair_of(alice, exclusive_or(alice, errors), p);
  run(pair, key_bits);
  Trial out{pair.alice->report(), pair.bob->report()};
  EXPECT_EQ(out.alice.leak_bits, out.bob.leak_bits);
  EXPECT_EQ(out.alice.reverse_bits, out.bob.reverse_bits);
  EXPECT_EQ(out.alice.rounds, out.bob.rounds);
  EXPECT_EQ(out.alice.error_positions, out.bob.error_positions);
  EXPECT_TRUE(
      leak_is_plausible(out.alice.error_positions.count_ones(), key_bits, out.alice.leak_bits));
  EXPECT_EQ(to_public(std::move(*pair.alice).take_key().bits()), alice);
  const BitString corrected = to_public(std::move(*pair.bob).take_key().bits());
  out.is_equal = corrected == alice;
  // What Bob flipped is what both call errors, whether he is right or not.
  EXPECT_EQ(exclusive_or(corrected, exclusive_or(alice, errors)), out.bob.error_positions);
  return out;
}

TEST(Cascade, corrects_at_every_error_rate_and_odd_length) {
  for (const double q : {0.0, 0.003, 0.01, 0.05, 0.11}) {
    for (const std::size_t n : {2000U, 4097U, 65536U, 100'003U, 200'000U}) {
      SCOPED_TRACE("q " + std::to_string(q) + ", n " + std::to_string(n));
      const Trial trial = reconcile_noisy(n, n, q, {.qber_estimate = std::max(q, 1e-3)});
      EXPECT_TRUE(trial.is_equal);
      EXPECT_EQ(trial.alice.frames, (n + 65535) / 65536);
    }
  }
}

TEST(Cascade, empty_and_tiny_keys_are_defined) {
  for (std::size_t n = 0; n <= 70; ++n) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      SCOPED_TRACE("n " + std::to_string(n) + ", seed " + std::to_string(seed));
      const Trial trial = reconcile_noisy(seed * 1000 + n, n, 0.1, {.qber_estimate = 0.1});
      EXPECT_LE(trial.alice.leak_bits, 2 * n);
      EXPECT_EQ(trial.alice.rounds == 0, n == 0);
    }
  }
}

// The promise behind `leak_ec`: at these rates all frames together cost at most 1.06 times the
// Slepian-Wolf limit, and no frame of 92 keeps an error (a failure in 10^4 is allowed).
TEST(Cascade, efficiency_at_the_reference_points) {
  for (const double q : {0.005, 0.01, 0.02}) {
    constexpr std::size_t n = 2'000'000;
    const Trial trial = reconcile_noisy(7, n, q, {.qber_estimate = q});
    EXPECT_TRUE(trial.is_equal);
    EXPECT_EQ(trial.alice.frames_disclosed, 0U);
    const double measured = static_cast<double>(trial.alice.error_positions.count_ones()) / n;
    const double f = static_cast<double>(trial.alice.leak_bits) / (n * entropy(measured));
    std::cout << "[ cascade  ] q " << measured << " f " << f << " rounds " << trial.alice.rounds
              << " (seed 7)\n";
    EXPECT_GE(f, 1.0);
    EXPECT_LE(f, 1.06);
  }
}

TEST(Cascade, many_short_frames_and_a_shorter_last_one) {
  for (const std::size_t frame_bits : {64U, 1024U, 4096U, 8128U}) {
    SCOPED_TRACE("frames of " + std::to_string(frame_bits));
    const std::size_t n = 80 * frame_bits + 33;
    const Trial trial =
        reconcile_noisy(frame_bits, n, 0.02, {.qber_estimate = 0.02, .frame_bits = frame_bits});
    EXPECT_EQ(trial.alice.frames, 81U);
    EXPECT_TRUE(trial.is_equal || frame_bits < 1024);
  }
}

TEST(Cascade, a_frame_that_cannot_be_reconciled_is_disclosed_and_counted_whole) {
  // Half of all bits differ where 1 % was expected.
  constexpr std::size_t n = 3 * 65536 + 1000;
  const Trial trial = reconcile_noisy(11, n, 0.5, {.qber_estimate = 0.01});
  EXPECT_TRUE(trial.is_equal);
  EXPECT_EQ(trial.alice.frames_disclosed, 4U);
  EXPECT_GT(trial.alice.leak_bits, n);
}

TEST(Cascade, one_bad_frame_does_not_spoil_the_others) {
  std::mt19937_64 engine(12);
  constexpr std::size_t n = 4 * 65536;
  const BitString alice = random_bits(engine, n);
  BitString errors = sparse_bits(engine, n, 0.01);
  for (std::size_t i = 65536; i < 2 * 65536; ++i) errors.set(i, (engine() & 1) != 0);
  Pair pair = make_pair_of(alice, exclusive_or(alice, errors), {.qber_estimate = 0.01});
  run(pair, n);
  EXPECT_EQ(pair.alice->report().frames_disclosed, 1U);
  EXPECT_EQ(pair.bob->report().error_positions, errors);
  EXPECT_EQ(to_public(std::move(*pair.bob).take_key().bits()), alice);
}

TEST(Cascade, late_frames_are_disclosed_so_that_rounds_are_bounded) {
  const Trial trial = reconcile_noisy(13, 300'000, 0.03, {.qber_estimate = 0.03, .rounds_max = 20});
  EXPECT_TRUE(trial.is_equal);
  EXPECT_EQ(trial.alice.rounds, 21U);
  EXPECT_EQ(trial.alice.frames_disclosed, 5U);
}

TEST(Cascade, unequal_seeds_end_without_harm) {
  std::mt19937_64 engine(14);
  const BitString alice = random_bits(engine, 70'000);
  ReconcileParameters p;
  auto a = make_cascade(QuantumRole::alice, sifted(alice), p);
  p.permutation_seed[0] = std::byte{1};
  auto b = make_cascade(QuantumRole::bob,
                        sifted(exclusive_or(alice, sparse_bits(engine, 70'000, 0.02))), p);
  Pair pair{std::move(*a), std::move(*b)};
  std::optional<Bytes> message = std::move(*pair.alice->start());
  ASSERT_TRUE(pair.bob->start());
  std::size_t rounds = 0;
  for (; message; ++rounds) {
    ASSERT_LT(rounds, 200'000U);
    auto answer = pair.bob->handle(*message);
    if (!answer) break;
    auto next = pair.alice->handle(**answer);
    if (!next) break;
    message = std::move(*next);
  }
  EXPECT_GT(rounds, 0U);
}

TEST(Cascade, messages_out_of_turn_or_of_another_length_are_errors) {
  std::mt19937_64 engine(15);
  const BitString key = random_bits(engine, 70'000);
  Pair pair = make_pair_of(key, key, {});
  EXPECT_FALSE(pair.bob->handle({}));  // before the start
  ASSERT_TRUE(pair.bob->start());
  EXPECT_FALSE(pair.bob->start());
  Bytes first = **pair.alice->start();
  for (std::size_t size = 0; size < first.size(); size += 1 + size / 3)
    EXPECT_FALSE(pair.bob->handle(ByteSpan(first).first(size)));
  Bytes longer = first;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(pair.bob->handle(longer));
  Bytes huge(1 << 20, std::byte{0xFF});
  EXPECT_FALSE(pair.bob->handle(huge));
  Bytes other_round = first;
  other_round[3] ^= std::byte{1};
  EXPECT_FALSE(pair.bob->handle(other_round));
  // The right one is still taken, once.
  EXPECT_TRUE(pair.bob->handle(first));
  EXPECT_FALSE(pair.bob->handle(first));
}

// A peer that answers at random, in messages of the right form, cannot keep a side going forever
// and cannot crash it: the end is an error, or a key that verification will refuse.
TEST(Cascade, random_answers_end_in_bounded_time) {
  std::size_t contradictions = 0;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    for (const QuantumRole role : {QuantumRole::alice, QuantumRole::bob}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", " + to_string(role));
      std::mt19937_64 engine(seed);
      constexpr std::size_t n = 5000;
      const ReconcileParameters p{.qber_estimate = 0.05, .frame_bits = 1024, .rounds_max = 700};
      auto honest = make_cascade(role, sifted(random_bits(engine, n)), p);
      // Learns how many bits are expected from an honest mirror image that sees the same answers.
      auto mirror = make_cascade(other(role), sifted(random_bits(engine, n)), p);
      ASSERT_TRUE(honest && mirror);
      auto own = (*honest)->start();
      auto others = (*mirror)->start();
      std::optional<Bytes> to_honest = role == QuantumRole::bob ? *others : std::nullopt;
      std::optional<Bytes> to_mirror = role == QuantumRole::alice ? *own : std::nullopt;
      std::size_t rounds = 0;
      for (; rounds < 1000; ++rounds) {
        if (to_mirror) {
          auto answer = (*mirror)->handle(*to_mirror);
          if (!answer || !*answer) break;
          to_honest = **answer;
        }
        for (std::size_t i = 8; i + 1 < to_honest->size(); ++i)
          (*to_honest)[i] ^= static_cast<std::byte>(engine() & engine() & engine());
        auto answer = (*honest)->handle(*to_honest);
        if (!answer) {
          EXPECT_EQ(answer.error().code, ErrorCode::conflict) << answer.error().text();
          ++contradictions;
        }
        if (!answer || !*answer) break;
        to_mirror = **answer;
      }
      EXPECT_LT(rounds, 1000U);
    }
  }
  // Some of them contradict themselves, and are told so.
  EXPECT_GT(contradictions, 0U);
}

TEST(Cascade, refuses_parameters_out_of_range) {
  const auto attempt = [](ReconcileParameters p) {
    return make_cascade(QuantumRole::alice, sifted(BitString(1000)), p).has_value();
  };
  EXPECT_TRUE(attempt({}));
  EXPECT_FALSE(attempt({.qber_estimate = 0}));
  EXPECT_FALSE(attempt({.qber_estimate = 0.51}));
  EXPECT_FALSE(attempt({.qber_estimate = std::nan("")}));
  EXPECT_FALSE(attempt({.frame_bits = 100}));
  EXPECT_FALSE(attempt({.frame_bits = 0}));
  EXPECT_FALSE(attempt({.frame_bits = 131072}));
  EXPECT_FALSE(attempt({.key_bits_max = 999}));
}

TEST(Leak, below_the_entropy_of_the_errors_is_not_plausible) {
  // log2 C(10^6, 10^4) = 80786.5 by Stirling's series.
  EXPECT_TRUE(leak_is_plausible(10'000, 1'000'000, 80'787));
  EXPECT_TRUE(leak_is_plausible(10'000, 1'000'000, 80'725));
  EXPECT_FALSE(leak_is_plausible(10'000, 1'000'000, 80'600));
  EXPECT_TRUE(leak_is_plausible(0, 1000, 0));
  EXPECT_FALSE(leak_is_plausible(1001, 1000, 1'000'000));
}

}  // namespace
}  // namespace quoin
