// The proofs of released key: never above the textbook bounds, falling with everything that helps
// Eve, and with tail bounds that hold where they can be computed exactly.
#include "distill/variable_length.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "distill/lim2014.hpp"
#include "distill/proof.hpp"
#include "distill/proof_calculators.hpp"
#include "distill/rusca2018.hpp"
#include "distill/statistics.hpp"
#include "proof_records.hpp"

namespace quoin {
namespace {

// Expected counts of a lossy channel, K intensities.
template <std::size_t K>
VariableLengthInput<K> channel(const DecoySource<K>& source, double slots, double bias,
                               double transmittance, double misalignment) {
  VariableLengthInput<K> in;
  in.source = source;
  in.epsilon_sec = 1e-10;
  in.correctness_bits = 128;
  constexpr double dark = 1e-6;
  for (std::size_t k = 0; k < K; ++k) {
    const double arrives = 1 - std::exp(-transmittance * source.mu[k]);
    const double key = slots * bias * bias * source.p[k];
    const double test = slots * (1 - bias) * (1 - bias) * source.p[k];
    in.key.detected[k] = std::floor(key * (dark + arrives));
    in.key.errors[k] = std::floor(key * (dark / 2 + misalignment * arrives));
    in.test.detected[k] = std::floor(test * (dark + arrives));
    in.test.errors[k] = std::floor(test * (dark / 2 + misalignment * arrives));
  }
  const double n = sum(in.key.detected);
  in.leak_bits = std::floor(1.1 * n * binary_entropy(sum(in.key.errors) / n));
  return in;
}

LimInput as_lim(const VariableLengthInput<3>& in) {
  return {.key = in.key,
          .test = in.test,
          .source = in.source,
          .leak_bits = in.leak_bits,
          .correctness_bits = in.correctness_bits,
          .epsilon_sec = in.epsilon_sec,
          .vacuum_counts = false};
}

RuscaInput as_rusca(const VariableLengthInput<2>& in) {
  return {.key = in.key,
          .test = in.test,
          .source = in.source,
          .leak_bits = in.leak_bits,
          .correctness_bits = in.correctness_bits,
          .epsilon_sec = in.epsilon_sec,
          .vacuum_counts = false};
}

TEST(VariableLengthProof, never_exceeds_the_textbook_bounds) {
  std::mt19937_64 random(20260731);
  std::uniform_real_distribution<double> unit(0, 1);
  int with_key = 0;
  for (int i = 0; i < 4000; ++i) {
    const double signal = 0.3 + 0.5 * unit(random);
    const double decoy = 0.05 + 0.2 * unit(random);
    const double p0 = 0.3 + 0.5 * unit(random);
    const double slots = std::pow(10.0, 6 + 6 * unit(random));
    const double bias = 0.5 + 0.45 * unit(random);
    const double eta = std::pow(10.0, -3 * unit(random));
    const double misalignment = 0.04 * unit(random);
    const double p1 = (1 - p0) * 0.6;
    const auto two = channel<3>({.mu = {signal, decoy, 0.001}, .p = {p0, p1, 1 - p0 - p1}}, slots,
                                bias, eta, misalignment);
    const KeyLength released = variable_length(two, 1e-15);
    EXPECT_LE(released.secret_bits, lim2014_length(as_lim(two), 1e-15).secret_bits);
    with_key += released.secret_bits > 0 ? 1 : 0;
    const auto one =
        channel<2>({.mu = {signal, decoy}, .p = {p0, 1 - p0}}, slots, bias, eta, misalignment);
    EXPECT_LE(variable_length(one, 1e-15).secret_bits,
              rusca2018_length(as_rusca(one), 1e-15).secret_bits);
  }
  EXPECT_GT(with_key, 1000);
}

// What the margins cost: nothing dramatic at the sizes that links use.
TEST(VariableLengthProof, is_close_to_the_textbook_bound_for_large_blocks) {
  const DecoySource<3> source{.mu = {0.6, 0.2, 0.0}, .p = {0.6, 0.25, 0.15}};
  const auto ratio = [&](double slots) {
    const auto in = channel<3>(source, slots, 0.9, 0.2, 0.006);
    return static_cast<double>(variable_length(in, 1e-15).secret_bits) /
           static_cast<double>(lim2014_length(as_lim(in), 1e-15).secret_bits);
  };
  EXPECT_GT(ratio(1e8), 0.96);
  EXPECT_GT(ratio(1e10), 0.998);
}

// Composition: epsilon_sec / 4 for the decoy tails, / 4 for the phase errors, / 2 for hashing.
TEST(VariableLengthProof, spends_no_more_than_epsilon_sec) {
  const DecoySource<3> source{.mu = {0.6, 0.2, 0.0}, .p = {0.6, 0.25, 0.15}};
  const auto in = channel<3>(source, 1e9, 0.9, 0.1, 0.01);
  const VariableLengthBounds b = variable_length_bounds(in);
  const double eps = in.epsilon_sec;
  // Eq. by hand: single photons of the key basis with deviations at epsilon / 72 each.
  const double deviation = std::sqrt(sum(in.key.detected) / 2 * std::log(72 / eps));
  const auto n = scale_counts(in.source, in.key.detected, deviation);
  const double tau0 = photon_probability(in.source, 0);
  const double tau1 = photon_probability(in.source, 1);
  const double s0 = two_decoy_vacuum(in.source, n, tau0);
  EXPECT_DOUBLE_EQ(b.s_x1, two_decoy_singles(in.source, n, tau0, tau1, s0));
  // The phase error bound fails with probability (eps / 8)^2: Chernoff's exponent reaches that.
  const double p = (b.v_z1 + b.s_x1 * b.phi_x) / (b.s_z1 + b.s_x1);
  const double rate = b.v_z1 / b.s_z1;
  const double exponent =
      b.s_z1 * (rate * std::log(rate / p) + (1 - rate) * std::log((1 - rate) / (1 - p)));
  EXPECT_NEAR(exponent, 2 * std::log(8 / eps), 1e-3);
  EXPECT_DOUBLE_EQ(b.penalty_bits, 2 * std::log2(1 / eps) + 128);
}

template <class Change>
std::uint64_t length_after(const VariableLengthInput<3>& base, Change change) {
  VariableLengthInput<3> in = base;
  change(in);
  return variable_length(in, 1e-15).secret_bits;
}

TEST(VariableLengthProof, falls_with_everything_that_helps_eve) {
  const DecoySource<3> source{.mu = {0.6, 0.2, 0.0}, .p = {0.6, 0.25, 0.15}};
  const auto base = channel<3>(source, 1e9, 0.9, 0.1, 0.01);
  const std::uint64_t whole = variable_length(base, 1e-15).secret_bits;
  ASSERT_GT(whole, 1'000'000U);
  using In = VariableLengthInput<3>;
  EXPECT_EQ(length_after(base, [](In& in) { in.leak_bits += 1000; }), whole - 1000);
  EXPECT_EQ(length_after(base, [](In& in) { in.correctness_bits += 10; }), whole - 10);
  EXPECT_LT(length_after(base, [](In& in) { in.epsilon_sec /= 1000; }), whole);
  EXPECT_LT(length_after(base, [](In& in) { in.test.errors[1] *= 1.2; }), whole);
  EXPECT_LT(length_after(base, [](In& in) { in.key.detected[2] += 5000; }), whole);
  EXPECT_LT(length_after(base, [](In& in) { in.key.detected[1] *= 0.98; }), whole);
  // Vacuum events carry nothing: their number changes the length only through single photons.
  EXPECT_EQ(variable_length(base, 1e-15).derivation[8].first, "s_x0_counted");
  EXPECT_EQ(variable_length(base, 1e-15).derivation[8].second, 0);
}

// security-rules C1: with the error positions public, an empty pulse hides nothing from Eve.
TEST(VariableLengthProof, vacuum_events_count_for_nothing) {
  auto in = channel<3>({{0.5, 0.1, 0.0}, {0.4, 0.3, 0.3}}, 1e10, 0.7, 0.005, 0.01);
  for (std::size_t k = 0; k < 3; ++k)  // a noisy detector: an eighth of the events are vacuum's
    in.key.detected[k] += std::floor(0.001 * 1e10 * 0.49 * in.source.p[k]);
  const VariableLengthBounds b = variable_length_bounds(in);
  ASSERT_GT(b.s_x0, 1e5) << "there are vacuum events to be counted";
  ASSERT_GT(b.s_x1, 1e5);
  EXPECT_DOUBLE_EQ(b.secrecy_bits, b.s_x1 * (1 - binary_entropy(b.phi_x)));
}

// A sample without errors does not prove that there are none.
TEST(VariableLengthProof, no_error_seen_is_not_no_error) {
  auto in = channel<3>({{0.5, 0.1, 0.0}, {0.7, 0.15, 0.15}}, 1e9, 0.9, 0.1, 0.01);
  in.test.errors = {};
  EXPECT_GT(variable_length_bounds(in).phi_x, 0);
  EXPECT_GT(lim2014_bounds(as_lim(in)).phi_x, 1 / lim2014_bounds(as_lim(in)).s_z1);
  auto one = channel<2>({{0.5, 0.15}, {0.65, 0.35}}, 1e9, 0.9, 0.1, 0.01);
  one.test.errors = {};
  EXPECT_GT(rusca2018_bounds(as_rusca(one)).phi_z, 1 / rusca2018_bounds(as_rusca(one)).s_x1);
}

TEST(VariableLengthProof, refuses_with_a_code) {
  const DecoySource<3> source{.mu = {0.6, 0.2, 0.0}, .p = {0.6, 0.25, 0.15}};
  const auto base = channel<3>(source, 1e9, 0.9, 0.1, 0.01);
  const auto code = [&](auto change) {
    VariableLengthInput<3> in = base;
    change(in);
    const KeyLength length = variable_length(in, 1e-15);
    EXPECT_EQ(length.secret_bits, 0U);
    EXPECT_FALSE(length.reason.empty());
    return length.reason_code;
  };
  using In = VariableLengthInput<3>;
  EXPECT_EQ(code([](In& in) { in.source.mu[1] = 0.7; }), "intensities");
  EXPECT_EQ(code([](In& in) { in.source.mu[0] = std::nan(""); }), "intensities");
  EXPECT_EQ(code([](In& in) { in.source.p[0] = 0.5; }), "probabilities");
  EXPECT_EQ(code([](In& in) { in.epsilon_sec = std::nan(""); }), "epsilons");
  EXPECT_EQ(code([](In& in) { in.leak_bits = std::nan(""); }), "leakage");
  EXPECT_EQ(code([](In& in) { in.key.detected[0] = -1; }), "counts");
  EXPECT_EQ(code([](In& in) { in.key.detected[0] = std::nan(""); }), "counts");
  EXPECT_EQ(code([](In& in) { in.test.errors[0] = in.test.detected[0] + 1; }), "counts");
  EXPECT_EQ(code([](In& in) { in.test = {}; }), "no_detections");
  EXPECT_EQ(code([](In& in) { in.key.detected[1] *= 3; }), "photon_number_splitting");
  EXPECT_EQ(code([](In& in) { in.key.detected[2] = in.key.detected[0]; }),
            "vacuum_exceeds_detections");
  EXPECT_EQ(code([](In& in) {
              for (std::size_t k = 0; k < 3; ++k) in.test.errors[k] = in.test.detected[k] / 2;
            }),
            "phase_error");
  EXPECT_EQ(code([](In& in) { in.leak_bits = 1e9; }), "nothing_left");
}

// P(at most `seen` marked ones in a sample) when `marked` of `total` are marked, exactly.
double hypergeometric_tail(int total, int marked, int sample, int seen) {
  const auto log_choose = [](int n, int k) {
    return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0);
  };
  double tail = 0;
  for (int v = std::max(0, sample - (total - marked)); v <= seen; ++v)
    tail += std::exp(log_choose(marked, v) + log_choose(total - marked, sample - v) -
                     log_choose(total, sample));
  return tail;
}

// For every number of errors in the whole population, the sample that lets the bound be exceeded is
// as rare as promised.
TEST(Statistics, sampled_rate_bound_holds_for_exact_hypergeometric_tails) {
  for (const auto& [tested, untested] : {std::pair{80, 120}, {150, 60}, {40, 400}}) {
    for (const double failure : {1e-2, 1e-4, 1e-7}) {
      for (int marked = 0; marked <= (tested + untested) / 2; ++marked) {
        int worst = -1;  // the most errors seen while the rest still exceeds the bound
        for (int seen = 0; seen <= std::min(marked, tested); ++seen) {
          const double rest = static_cast<double>(marked - seen) / untested;
          if (rest <= 0.5 && rest > sampled_rate_bound(seen, tested, untested, failure))
            worst = seen;
        }
        if (worst < 0) continue;
        EXPECT_LE(hypergeometric_tail(tested + untested, marked, tested, worst), failure)
            << tested << " " << untested << " " << marked;
      }
    }
  }
}

TEST(Statistics, sampled_rate_bound_is_monotonic_and_tighter_than_serfling_at_small_rates) {
  double last = 0;
  for (double errors = 0; errors < 600; errors += 7) {
    const double bound = sampled_rate_bound(errors, 1000, 5000, 1e-10);
    EXPECT_GE(bound, last);
    if (errors < 150) {
      EXPECT_LT(bound, errors / 1000 + serfling_deviation(1000, 5000, 1e-10)) << errors;
    }
    last = bound;
  }
  EXPECT_GT(sampled_rate_bound(50, 1000, 5000, 1e-10), sampled_rate_bound(50, 1100, 5000, 1e-10));
  EXPECT_GT(sampled_rate_bound(50, 1000, 5000, 1e-10), sampled_rate_bound(50, 1000, 6000, 1e-10));
  EXPECT_EQ(sampled_rate_bound(0, 0, 10, 1e-3), 0.5);
  EXPECT_EQ(sampled_rate_bound(600, 1000, 5000, 1e-3), 0.5);
  EXPECT_EQ(sampled_rate_bound(std::nan(""), 1000, 5000, 1e-3), 0.5);
}

TEST(ProofCalculators, complete_their_fields_or_name_what_is_wrong) {
  const ProofCalculator* six = find_proof_calculator("six_state");
  ASSERT_NE(six, nullptr);
  EXPECT_EQ(find_proof_calculator("seven_state"), nullptr);
  const auto good = complete_numbers(*six, {{"n", {1e6}}, {"m", {1e4}}});
  ASSERT_TRUE(good);
  EXPECT_EQ(good->at("f_ec").front(), 1.16);
  EXPECT_GT(six->compute(*good).secret_bits, 0U);
  const auto message = [&](ProofNumbers numbers) {
    const auto bad = complete_numbers(*six, std::move(numbers));
    EXPECT_FALSE(bad);
    return bad ? std::string() : bad.error().message;
  };
  EXPECT_NE(message({{"n", {1e6}}}).find("'m'"), std::string::npos);
  EXPECT_NE(message({{"n", {1e6, 1}}, {"m", {1e4}}}).find("'n'"), std::string::npos);
  EXPECT_NE(message({{"n", {1e6}}, {"m", {1e4}}, {"x", {1}}}).find("'x'"), std::string::npos);
  EXPECT_NE(message({{"n", {1e30}}, {"m", {1e4}}}).find("'n'"), std::string::npos);
  EXPECT_NE(message({{"n", {std::nan("")}}, {"m", {1e4}}}).find("'n'"), std::string::npos);
}

// Every step that any calculator gives has its meaning in words.
TEST(ProofCalculators, half_a_test_sample_is_refused) {
  const ProofCalculator& bb84 = *find_proof_calculator("asymptotic_bb84");
  const auto answer = [&](ProofNumbers numbers) {
    numbers["n"] = {1e6};
    numbers["m"] = {3e4};
    return bb84.compute(*complete_numbers(bb84, numbers));
  };
  EXPECT_GT(answer({}).secret_bits, 0U);
  EXPECT_GT(answer({{"n_test", {1e5}}, {"m_test", {3e3}}}).secret_bits, 0U);
  EXPECT_EQ(answer({{"n_test", {1e5}}}).reason_code, "counts");
  EXPECT_EQ(answer({{"m_test", {3e3}}}).reason_code, "counts");
}

TEST(ProofCalculators, explain_every_step) {
  for (const ProofCalculator& proof : proof_calculators()) {
    ProofNumbers numbers;
    for (const ProofField& field : proof.fields)
      if (!field.default_value.has_value())
        numbers[std::string(field.name)] = std::vector<double>(field.entries, 0.0);
    const auto complete = complete_numbers(proof, numbers);
    ASSERT_TRUE(complete) << proof.name;
    EXPECT_FALSE(proof.compute(*complete).reason_code.empty()) << proof.name;
  }
  for (const char* step : {"s_x1", "phi_z", "textbook_length", "y1", "eve_bits", "phi_2"})
    EXPECT_FALSE(step_meaning(step).empty()) << step;
}

TEST(VariableLengthProof, of_a_block_subtracts_the_tag_whole_and_once) {
  const auto proof = make_proof("variable_length_decoy2");
  ASSERT_TRUE(proof);
  ProofInput in = block_input();
  const KeyLength length = (*proof)->key_length(in);
  // 2730879.01 of the formula with log2(2 / epsilon_cor) = 50.83 bits; the tag has 128.
  EXPECT_EQ(length.secret_bits, 2'730'801U);
  in.error_positions_public = false;  // vacuum never counts here
  EXPECT_EQ((*proof)->key_length(in).secret_bits, 2'730'801U);
  in.verification_bits = 64;
  EXPECT_EQ((*proof)->key_length(in).reason_code, "verification");
}

TEST(VariableLengthProof, of_a_block_with_one_decoy_wants_no_vacuum_pulses) {
  const auto proof = make_proof("variable_length_decoy1");
  ASSERT_TRUE(proof);
  ProofInput in = block_input();
  EXPECT_EQ((*proof)->key_length(in).reason_code, "intensities");
  in.p = {0.7, 0.3, 0};
  EXPECT_EQ((*proof)->key_length(in).reason_code, "intensities");
  in.counts.key = {{8'000'000, 1'310'000, 0}, {90'000, 16'000, 0}};
  in.counts.test = {{600'000, 98'000, 0}, {7'000, 1'250, 0}};
  in.counts.emitted.sent = {{{650'000'000, 350'000'000, 0}, {49'000'000, 26'000'000, 0}}};
  in.counts.slots = in.counts.emitted.total();
  in.counts.detections = 11'000'000;
  in.mu = {0.5, 0.15, 0};
  in.p = {0.65, 0.35, 0};
  in.leak_ec_bits = 970'290;
  const KeyLength length = (*proof)->key_length(in);
  EXPECT_EQ(length.reason, "");
  EXPECT_GT(length.secret_bits, 3'000'000U);
  EXPECT_LT(length.secret_bits, 3'372'027U);
}

}  // namespace
}  // namespace quoin
