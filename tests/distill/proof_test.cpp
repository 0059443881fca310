// The proofs as a link uses them: integer counts of a block in, a length or a named reason out.
#include "distill/proof.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "distill/statistics.hpp"
#include "proof_records.hpp"

namespace quoin {
namespace {

TEST(Statistics, entropy_and_gamma_at_their_borders) {
  EXPECT_EQ(binary_entropy(0), 0);
  EXPECT_EQ(binary_entropy(0.5), 1);
  EXPECT_EQ(binary_entropy(0.7), 1);
  EXPECT_NEAR(binary_entropy(0.11), 0.499915958, 1e-9);
  EXPECT_EQ(sampling_gamma(1e-10, 0, 1e6, 1e6, 21), 0);
}

KeyLength length_of(const ProofInput& in, const char* name = "lim2014") {
  const auto proof = make_proof(name);
  EXPECT_TRUE(proof);
  return (*proof)->key_length(in);
}

TEST(Proof, subtracts_the_whole_tag_once_and_floors) {
  // 2759838.81 of the table, but 128 bits of tag instead of log2(2 / 1e-15) = 50.8.
  const KeyLength length = length_of(block_input());
  EXPECT_EQ(length.secret_bits, 2'759'761U);
  EXPECT_TRUE(length.reason.empty());
  EXPECT_FALSE(length.derivation.empty());
  EXPECT_EQ(proposed_length(length), length.secret_bits - 1);
  EXPECT_TRUE(accept_length(length, length.secret_bits));
  EXPECT_FALSE(accept_length(length, length.secret_bits + 1));
}

TEST(Proof, every_leaked_bit_costs_one) {
  ProofInput in = block_input();
  const std::uint64_t before = length_of(in).secret_bits;
  in.leak_ec_bits += 1000;
  EXPECT_EQ(length_of(in).secret_bits, before - 1000);
}

// Vacuum events help only where reconciliation kept the error positions secret.
TEST(Proof, public_error_positions_take_the_vacuum_term) {
  ProofInput in = block_input();
  in.counts.key.detected[2] = 60'000;
  in.counts.key.errors[2] = 30'000;
  in.counts.test.detected[2] = 6'000;
  in.counts.test.errors[2] = 3'000;
  in.error_positions_public = true;
  const KeyLength with = length_of(in);
  in.error_positions_public = false;
  const KeyLength without = length_of(in);
  double vacuum = 0;
  for (const auto& [name, value] : without.derivation)
    if (name == "s_x0") vacuum = value;
  ASSERT_GT(vacuum, 1000);
  EXPECT_NEAR(static_cast<double>(without.secret_bits - with.secret_bits), vacuum, 1);
}

TEST(Proof, refuses_what_cannot_be_and_says_why) {
  const auto reason_of = [](auto spoil) {
    ProofInput in = block_input();
    spoil(in);
    const KeyLength length = length_of(in);
    EXPECT_EQ(length.secret_bits, 0U);
    EXPECT_FALSE(accept_length(length, 0));
    return length.reason;
  };
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(reason_of([](ProofInput& in) { in.mu[1] = 0.6; }), "intensities"));
  EXPECT_TRUE(has(reason_of([](ProofInput& in) { in.mu[0] = std::nan(""); }), "intensities"));
  EXPECT_TRUE(has(reason_of([](ProofInput& in) { in.p[0] = 0.6; }), "add up"));
  EXPECT_TRUE(has(reason_of([](ProofInput& in) { in.epsilon_sec = 0; }), "epsilons"));
  EXPECT_TRUE(
      has(reason_of([](ProofInput& in) { in.counts.test.errors[1] = 91'001; }), "more errors"));
  EXPECT_TRUE(has(reason_of([](ProofInput& in) { in.counts.slots += 1; }), "slots"));
  EXPECT_TRUE(has(reason_of([](ProofInput& in) { in.counts.detections = 8'000'000; }), "sifted"));
  EXPECT_TRUE(
      has(reason_of([](ProofInput& in) { in.counts.key = {}; }), "no detections in the key"));
  EXPECT_TRUE(
      has(reason_of([](ProofInput& in) { in.counts.test = {}; }), "no detections in the test"));
  EXPECT_TRUE(
      has(reason_of([](ProofInput& in) { in.verification_bits = 50; }), "verification tag"));
  EXPECT_TRUE(
      has(reason_of([](ProofInput& in) { in.leak_ec_bits = 4'000'000; }), "nothing is left"));
}

TEST(Proof, attacks_give_no_key) {
  // Every error rate at a quarter: intercept and resend.
  ProofInput noisy = block_input();
  for (BasisCounts* basis : {&noisy.counts.key, &noisy.counts.test})
    for (std::size_t k = 0; k < 3; ++k) basis->errors[k] = basis->detected[k] / 4;
  noisy.leak_ec_bits = 6'500'000;
  const KeyLength intercepted = length_of(noisy);
  EXPECT_EQ(intercepted.secret_bits, 0U);
  EXPECT_NE(intercepted.reason.find("nothing is left"), std::string::npos) << intercepted.reason;

  for (std::size_t k = 0; k < 3; ++k)
    noisy.counts.test.errors[k] = noisy.counts.test.detected[k] / 2;
  const KeyLength random = length_of(noisy);
  EXPECT_EQ(random.secret_bits, 0U);
  EXPECT_NE(random.reason.find("phase error bound 0.5 or more"), std::string::npos)
      << random.reason;

  // The gains of photon-number splitting contradict the Poisson law.
  ProofInput splitting = block_input();
  splitting.counts.key = {{700'000, 250'000, 3'000}, {7'000, 2'500, 1'500}};
  splitting.counts.emitted.sent[0] = {700'000'000, 300'000'000, 100'000'000};
  splitting.counts.slots = splitting.counts.emitted.total();
  splitting.leak_ec_bits = 80'000;
  const KeyLength split = length_of(splitting);
  EXPECT_EQ(split.secret_bits, 0U);
  EXPECT_NE(split.reason.find("photon-number splitting"), std::string::npos) << split.reason;

  // Decoys that arrive more often than signals.
  ProofInput blinded = block_input();
  blinded.counts.key.detected = {1'000'000, 820'000, 9'000};
  const KeyLength gains = length_of(blinded);
  EXPECT_EQ(gains.secret_bits, 0U);
  EXPECT_NE(gains.reason.find("gain of decoy"), std::string::npos) << gains.reason;
}

TEST(Proof, too_small_a_block_says_so) {
  ProofInput in = block_input();
  for (BasisCounts* basis : {&in.counts.key, &in.counts.test})
    for (std::size_t k = 0; k < 3; ++k) {
      basis->detected[k] /= 20'000;
      basis->errors[k] /= 20'000;
    }
  const KeyLength length = length_of(in);
  EXPECT_EQ(length.secret_bits, 0U);
  EXPECT_NE(length.reason.find("too short"), std::string::npos) << length.reason;
}

TEST(Proof, has_a_name_and_its_assumptions_fit_a_passport) {
  for (const char* name : {"lim2014", "variable_length_decoy2", "variable_length_decoy1"}) {
    const auto proof = make_proof(name);
    ASSERT_TRUE(proof);
    EXPECT_EQ((*proof)->name(), name);
    EXPECT_FALSE((*proof)->assumptions().empty());
    EXPECT_LE((*proof)->assumptions().size(), 32U);
    for (const std::string& text : (*proof)->assumptions()) EXPECT_LT(text.size(), 256U);
  }
  EXPECT_TRUE(make_proof(default_link_proof));
  const auto unknown = make_proof("lim2013");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().cure.find("variable_length_decoy2"), std::string::npos);
}

}  // namespace
}  // namespace quoin
