// Cascade against the plain reference, message by message, and properties over lengths, rates and
// estimates.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <iostream>

#include "distill/cascade_plan.hpp"
#include "distill/reconcile.hpp"
#include "reference_cascade.hpp"
#include "seeded.hpp"

namespace quoin {
namespace {

using namespace testing_support;

SiftedKey sifted(const BitString& bits) { return SiftedKey::claim_stage(to_secret(bits)); }

struct Case {
  BitString alice;
  BitString errors;
  ReconcileParameters parameters;
};

Case make_case(std::uint64_t seed, std::size_t key_bits, double q, ReconcileParameters p) {
  std::mt19937_64 engine(seed);
  Case out{random_bits(engine, key_bits), sparse_bits(engine, key_bits, q), p};
  for (std::byte& byte : out.parameters.permutation_seed) byte = static_cast<std::byte>(engine());
  return out;
}

struct Outcome {
  std::vector<BitString> differences;
  ReconcileReport alice;
  ReconcileReport bob;
  BitString alice_key;
  BitString bob_key;
};

BitString body_of(const Bytes& message) {
  ByteReader in(message);
  in.u32();
  return in.bits(message.size() * 8);
}

Outcome run(const Case& c) {
  Outcome out;
  auto alice =
      make_reconciler(ReconcileFamily::cascade, QuantumRole::alice, sifted(c.alice), c.parameters);
  auto bob = make_reconciler(ReconcileFamily::cascade, QuantumRole::bob,
                             sifted(exclusive_or(c.alice, c.errors)), c.parameters);
  auto none = (*bob)->start();
  auto message = (*alice)->start();
  if (!none || *none || !message) throw std::runtime_error("reconciliation did not start");
  while (*message) {
    auto answer = (*bob)->handle(**message);
    if (!answer || !*answer) throw std::runtime_error("Bob gave no answer");
    out.differences.push_back(body_of(**answer));
    message = (*alice)->handle(**answer);
    if (!message) throw std::runtime_error(message.error().text());
  }
  if (!(*alice)->is_finished() || !(*bob)->is_finished())
    throw std::runtime_error("no more messages, and not finished");
  out.alice = (*alice)->report();
  out.bob = (*bob)->report();
  out.alice_key = to_public(std::move(**alice).take_key().bits());
  out.bob_key = to_public(std::move(**bob).take_key().bits());
  return out;
}

// True of every honest run, whatever the noise.
std::string broken_promise(const Case& c, const Outcome& r) {
  if (r.alice.leak_bits != r.bob.leak_bits) return "the sides count different leakage";
  if (r.alice.reverse_bits != r.bob.reverse_bits) return "the sides count different answers";
  if (r.alice.rounds != r.bob.rounds || r.alice.rounds != r.differences.size())
    return "the sides count different rounds";
  if (r.alice.error_positions != r.bob.error_positions) return "the sides know different errors";
  if (r.alice_key != c.alice) return "Alice's key changed";
  if (exclusive_or(r.bob_key, exclusive_or(c.alice, c.errors)) != r.bob.error_positions)
    return "Bob's key changed in other places than he reports";
  if (!check_reconcile_report(r.alice, c.alice.size_bits())) return "the report is not plausible";
  std::uint64_t sent = 0;
  for (const BitString& bits : r.differences) sent += bits.size_bits();
  if (sent != r.alice.leak_bits) return "another number of bits was sent than counted";
  return {};
}

void expect_like_reference(const Case& c) {
  const CascadePlan plan = make_cascade_plan(c.alice.size_bits(), c.parameters);
  const CascadeLayout layout(plan, c.parameters.permutation_seed);
  const ReferenceOutcome expected = ReferenceCascade(layout, c.errors).run();
  const Outcome r = run(c);
  EXPECT_EQ(broken_promise(c, r), "");
  ASSERT_EQ(r.differences.size(), expected.differences.size());
  for (std::size_t i = 0; i < r.differences.size(); ++i)
    ASSERT_EQ(r.differences[i], expected.differences[i]) << "round " << i;
  EXPECT_EQ(r.bob.error_positions, expected.found);
  EXPECT_EQ(r.alice.leak_bits, expected.leak_bits);
  EXPECT_EQ(r.alice.frames_disclosed, expected.frames_disclosed);
}

constexpr std::array goals{ReconcileGoal::few_rounds, ReconcileGoal::balanced,
                           ReconcileGoal::low_leak};

TEST(CascadeReference, every_message_is_the_plain_one) {
  std::uint64_t seed = 1;
  for (const double q : {0.0, 0.001, 0.0035, 0.01, 0.02, 0.05, 0.08, 0.2, 0.5}) {
    for (const std::size_t n : {1U, 63U, 65U, 1000U, 4097U, 65536U, 65537U, 150'001U}) {
      const ReconcileGoal goal = goals[seed % goals.size()];
      SCOPED_TRACE("q " + std::to_string(q) + ", n " + std::to_string(n) + ", " + to_string(goal) +
                   ", seed " + std::to_string(seed));
      expect_like_reference(
          make_case(seed++, n, q, {.qber_estimate = std::max(q, 5e-4), .goal = goal}));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(CascadeReference, many_short_frames_and_wrong_estimates) {
  std::uint64_t seed = 1000;
  for (const std::size_t frame_bits : {64U, 128U, 1024U, 4096U}) {
    for (const double estimate : {0.001, 0.02, 0.3}) {
      for (const double q : {0.0, 0.01, 0.1}) {
        SCOPED_TRACE("frames of " + std::to_string(frame_bits) + ", estimate " +
                     std::to_string(estimate) + ", q " + std::to_string(q) + ", seed " +
                     std::to_string(seed));
        expect_like_reference(make_case(
            seed++, 33 * frame_bits + 17, q,
            {.qber_estimate = estimate, .frame_bits = frame_bits, .rounds_max = 1'000'000}));
        if (HasFatalFailure()) return;
      }
    }
  }
}

RC_GTEST_PROP(CascadeProperty, keeps_its_promises, ()) {
  const auto n = *rc::gen::inRange<std::size_t>(0, 20'000);
  const auto q_permille = *rc::gen::inRange(0, 501);
  const auto estimate_permille = *rc::gen::inRange(1, 501);
  const auto frame_words = *rc::gen::inRange<std::size_t>(1, 200);
  const auto goal = *rc::gen::element(ReconcileGoal::few_rounds, ReconcileGoal::balanced,
                                      ReconcileGoal::low_leak);
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const Case c = make_case(
      seed, n, q_permille / 1000.0,
      {.qber_estimate = estimate_permille / 1000.0, .goal = goal, .frame_bits = frame_words * 64});
  const Outcome r = run(c);
  RC_ASSERT(broken_promise(c, r) == std::string());
  // Never more than a parity per bit and then every bit, and the masks of the block.
  RC_ASSERT(r.alice.leak_bits <= 2 * n + 1000);
}

// With an estimate of the right size no key is left with errors: 28 masks of the block miss one in
// 2^28.
TEST(Cascade, leaves_no_errors) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Case c = make_case(seed, 262'144, 0.02, {.qber_estimate = 0.02});
    const Outcome r = run(c);
    EXPECT_EQ(broken_promise(c, r), "") << "seed " << seed;
    EXPECT_EQ(r.bob_key, c.alice) << "seed " << seed;
  }
}

TEST(Cascade, goals_trade_rounds_for_leakage) {
  std::uint64_t last_leak = ~std::uint64_t{0};
  std::uint64_t last_rounds = 0;
  for (const ReconcileGoal goal : goals) {
    const Outcome r = run(make_case(3, 2'000'000, 0.02, {.qber_estimate = 0.02, .goal = goal}));
    EXPECT_LT(r.alice.leak_bits, last_leak) << to_string(goal);
    EXPECT_GT(r.alice.rounds, last_rounds) << to_string(goal);
    last_leak = r.alice.leak_bits;
    last_rounds = r.alice.rounds;
  }
}

TEST(Reconcile, families_and_goals_have_names_and_numbers) {
  EXPECT_EQ(*reconcile_family(std::string_view("cascade")), ReconcileFamily::cascade);
  EXPECT_EQ(*reconcile_family(std::uint8_t{1}), ReconcileFamily::cascade);
  EXPECT_FALSE(reconcile_family(std::string_view("ldpc")));
  for (const unsigned number : {0U, 2U, 255U})
    EXPECT_FALSE(reconcile_family(static_cast<std::uint8_t>(number)));
  for (const unsigned number : {1U, 2U, 3U})
    EXPECT_EQ(static_cast<unsigned>(*reconcile_goal(static_cast<std::uint8_t>(number))), number);
  for (const unsigned number : {0U, 4U, 255U})
    EXPECT_FALSE(reconcile_goal(static_cast<std::uint8_t>(number)));
}

TEST(Reconcile, the_goal_follows_rate_delay_and_processor) {
  const ReconcileConditions calm{
      .qber = 0.05, .key_bits = 1'000'000, .round_trip_seconds = 0.001, .seconds_available = 10};
  EXPECT_EQ(choose_reconcile_goal(calm), ReconcileGoal::low_leak);
  ReconcileConditions clean = calm;
  clean.qber = 0.01;  // a tighter code gains little
  EXPECT_EQ(choose_reconcile_goal(clean), ReconcileGoal::balanced);
  ReconcileConditions far = calm;
  far.round_trip_seconds = 0.015;
  EXPECT_EQ(choose_reconcile_goal(far), ReconcileGoal::balanced);
  far.round_trip_seconds = 0.1;
  EXPECT_EQ(choose_reconcile_goal(far), ReconcileGoal::few_rounds);
  ReconcileConditions busy = calm;
  busy.core_share = 0.001;
  EXPECT_EQ(choose_reconcile_goal(busy), ReconcileGoal::few_rounds);
}

TEST(Reconcile, the_estimate_follows_the_better_count) {
  EXPECT_DOUBLE_EQ(estimate_qber({}, {}), 0.01);
  EXPECT_DOUBLE_EQ(estimate_qber({20, 1000}, {}), 0.02);
  EXPECT_DOUBLE_EQ(estimate_qber({}, {300, 10'000}), 0.03);
  // Within the noise of few test bits the last block is better; beyond it the link has changed.
  EXPECT_DOUBLE_EQ(estimate_qber({25, 1000}, {20'000, 1'000'000}), 0.02);
  EXPECT_DOUBLE_EQ(estimate_qber({60, 1000}, {20'000, 1'000'000}), 0.06);
  EXPECT_DOUBLE_EQ(estimate_qber({0, 1000}, {0, 0}), 1e-4);
  EXPECT_DOUBLE_EQ(estimate_qber({1000, 1000}, {0, 0}), 0.5);
}

// A count that forgets part of what was sent ends the block (f < 1 is impossible).
TEST(Reconcile, a_report_that_forgets_parities_is_refused) {
  const Case c = make_case(5, 200'000, 0.02, {.qber_estimate = 0.02});
  Outcome r = run(c);
  ASSERT_TRUE(check_reconcile_report(r.alice, 200'000));
  ReconcileReport forgets = r.alice;
  forgets.leak_bits = forgets.leak_bits * 9 / 10;
  const Status refused = check_reconcile_report(forgets, 200'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::internal);
  EXPECT_FALSE(check_reconcile_report(r.alice, 200'001));
  ReconcileReport too_many = r.alice;
  too_many.frames_disclosed = too_many.frames + 1;
  EXPECT_FALSE(check_reconcile_report(too_many, 200'000));
}

}  // namespace
}  // namespace quoin
