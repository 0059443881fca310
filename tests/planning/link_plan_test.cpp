// The optimiser: beats a grid, is deterministic and fast, and reproduces published optima.
#include "planning/link_plan.hpp"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <cmath>
#include <iostream>
#include <optional>

#include "distill/gllp.hpp"
#include "distill/lim2014.hpp"
#include "distill/statistics.hpp"
#include "planning/maximize.hpp"

namespace quoin {
namespace {

double user_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec) * 1e-6;
}

TEST(Maximize, finds_the_top_of_a_narrow_ridge) {
  const auto ridge = [](const BoxPoint<3>& at) {
    const double a = at[0] - 0.3;
    const double b = at[1] - at[0];
    const double c = at[2] - 0.9;
    return -(a * a + 100 * b * b + c * c);
  };
  const BoxMaximum<3> best = maximize<3>(ridge);
  EXPECT_NEAR(best.at[0], 0.3, 1e-4);
  EXPECT_NEAR(best.at[1], 0.3, 1e-4);
  EXPECT_NEAR(best.at[2], 0.9, 1e-4);
}

TEST(Maximize, stays_within_the_box) {
  const BoxMaximum<2> best = maximize<2>([](const BoxPoint<2>& at) { return at[0] - at[1]; });
  EXPECT_NEAR(best.at[0], 1, 1e-6);
  EXPECT_NEAR(best.at[1], 0, 1e-6);
}

// Ma et al., PRA 72, 012326 (2005), after Eq. (12): without dark counts the best mu depends on the
// misalignment and the efficiency alone.
TEST(LinkPlan, reproduces_the_best_intensities_of_gobby_yuan_shields) {
  const GllpChannel channel{.y0 = 0, .misalignment = 0.033, .transmittance = 1e-5};
  EXPECT_NEAR(best_signal_intensity(channel, 1.22).mu, 0.479, 5e-4);
  EXPECT_NEAR(best_signal_intensity(channel, 1.0).mu, 0.544, 5e-4);
}

GllpChannel gys(double km) {
  return {
      .y0 = 1.7e-6, .misalignment = 0.033, .transmittance = 0.045 * std::pow(10.0, -0.021 * km)};
}

// finitekey.md section 6: published 142.05 and 140.55 km.
TEST(LinkPlan, reproduces_the_reach_of_gobby_yuan_shields) {
  const auto ideal = [](double km) {
    const GllpChannel c = gys(km);
    return gllp_rate(infinite_decoy_values(c, 0.48), channel_gain(c, 0.48), channel_error(c, 0.48),
                     1.22);
  };
  EXPECT_NEAR(last_positive(ideal, 10, 200), 142.015, 1e-3);
  const auto weak = [](double km) {
    const GllpChannel c = gys(km);
    const GllpBounds b = gllp_bounds(
        {.mu = {0.48, 0.05, 0},
         .gain = {channel_gain(c, 0.48), channel_gain(c, 0.05), channel_gain(c, 0)},
         .error = {channel_error(c, 0.48), channel_error(c, 0.05), channel_error(c, 0)}});
    return gllp_rate(b, channel_gain(c, 0.48), channel_error(c, 0.48), 1.22);
  };
  EXPECT_NEAR(last_positive(weak, 10, 200), 140.619, 1e-3);
  const auto chosen = [](double km) { return best_signal_intensity(gys(km), 1.22).rate; };
  EXPECT_NEAR(last_positive(chosen, 10, 200), 142.208, 2e-3);
}

// Lim 2014, Fig. 1: rate per pulse at 100 km for blocks of n_x detections, with the detector model
// of the paper and eps_sec = kappa l. Optimised over mu_1, mu_2, their probabilities and the bias.
double lim_rate(double n_x) {
  const double eta = 0.1 * std::pow(10.0, -0.02 * 100);
  const auto settings = [](const BoxPoint<5>& at) {
    DecoySource<3> source;
    source.mu = {0.2 + 0.8 * at[0], 0, 2e-4};
    source.mu[1] = source.mu[0] * (0.03 + 0.7 * at[1]);
    source.p[0] = 0.02 + 0.96 * at[2];
    source.p[1] = (1 - source.p[0]) * (0.05 + 0.9 * at[3]);
    source.p[2] = 1 - source.p[0] - source.p[1];
    return source;
  };
  const auto rate = [&](const BoxPoint<5>& at) {
    LimInput in;
    in.source = settings(at);
    const double q = 0.5 + 0.495 * at[4];
    constexpr double pdc = 6e-7;
    constexpr double pap = 0.04;
    constexpr double misalignment = 0.005;
    double per_pulse = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const double clicks = 1 - (1 - 2 * pdc) * std::exp(-eta * in.source.mu[k]);
      const double detected = clicks * (1 + pap);
      const double errors =
          pdc + misalignment * (1 - std::exp(-eta * in.source.mu[k])) + pap * clicks / 2;
      in.key.detected[k] = q * q * in.source.p[k] * detected;
      in.key.errors[k] = q * q * in.source.p[k] * errors;
      in.test.detected[k] = (1 - q) * (1 - q) * in.source.p[k] * detected;
      in.test.errors[k] = (1 - q) * (1 - q) * in.source.p[k] * errors;
      per_pulse += in.key.detected[k];
    }
    const double pulses = n_x / per_pulse;
    for (auto* values : {&in.key.detected, &in.key.errors, &in.test.detected, &in.test.errors})
      for (double& value : *values) value *= pulses;
    in.leak_bits = 1.16 * n_x * binary_entropy(sum(in.key.errors) / n_x);
    in.correctness_bits = std::log2(2 / 1e-15);
    // The length depends on the epsilon that depends on the length.
    double length = 0.1 * n_x;
    for (int i = 0; i < 6; ++i) {
      in.epsilon_sec = 1e-15 * std::max(length, 1.0);
      const LimBounds b = lim2014_bounds(in);
      length = b.length_bits;
      if (!(b.s_z1 > 0)) return -1 + 0.1 * std::max(b.s_z1 / sum(in.test.detected), -9.0);
    }
    return length / pulses;
  };
  return maximize<5>(rate).value;
}

TEST(LinkPlan, reproduces_the_finite_size_ratio_of_lim_2014) {
  const double large = lim_rate(1e9);
  const double small = lim_rate(1e7);
  EXPECT_NEAR(large / small, 1.707, 2e-3);
  EXPECT_NEAR(large, 8.80e-5, 2e-7);
  EXPECT_NEAR(small, 5.16e-5, 2e-7);
}

PlanRequest request_at(double km) {
  PlanRequest request;
  request.physics.distance_km = km;
  request.slots_per_block = 1'000'000'000;
  return request;
}

TEST(LinkPlan, beats_a_grid_of_settings) {
  for (const char* proof : {"variable_length_decoy2", "variable_length_decoy1", "lim2014"}) {
    PlanRequest request = request_at(50);
    request.proof = proof;
    const auto plan = plan_link(request);
    ASSERT_TRUE(plan) << proof;
    EXPECT_EQ(plan->length.reason, "") << proof;
    const bool one_decoy = std::string_view(proof) == "variable_length_decoy1";
    std::uint64_t best = 0;
    for (const double signal : {0.3, 0.4, 0.5, 0.6, 0.7})
      for (const double share : {0.1, 0.2, 0.3, 0.45})
        for (const double p : {0.4, 0.6, 0.75, 0.9})
          for (const double first : {0.5, 0.75, 0.9})
            for (const double bias : {0.7, 0.85, 0.92, 0.96}) {
              request.physics.mu = {signal, signal * share, 0};
              request.physics.intensity_probability = {p, one_decoy ? 1 - p : (1 - p) * first,
                                                       one_decoy ? 0 : (1 - p) * (1 - first)};
              request.physics.key_basis_probability = bias;
              const auto grid = evaluate_link(request);
              ASSERT_TRUE(grid);
              best = std::max(best, grid->length.secret_bits);
            }
    EXPECT_GT(best, 0U) << proof;
    // Rounding of counts may cost a few bits.
    EXPECT_GE(plan->length.secret_bits + 1000, best) << proof;
  }
}

TEST(LinkPlan, moving_any_setting_does_not_help) {
  const auto plan = plan_link(request_at(50));
  ASSERT_TRUE(plan);
  ASSERT_GT(plan->length.secret_bits, 1'000'000U);
  const auto after = [&](auto change) {
    PlanRequest request = request_at(50);
    request.physics = plan->physics;
    change(request.physics);
    const auto moved = evaluate_link(request);
    EXPECT_TRUE(moved);
    return moved ? moved->length.secret_bits : 0;
  };
  const std::uint64_t top = plan->length.secret_bits + 2000;
  for (const double step : {-0.03, 0.03}) {
    EXPECT_LE(after([&](LinkPhysics& p) { p.mu[0] *= 1 + step; }), top);
    EXPECT_LE(after([&](LinkPhysics& p) { p.mu[1] *= 1 + step; }), top);
    EXPECT_LE(after([&](LinkPhysics& p) { p.key_basis_probability *= 1 + step / 3; }), top);
    EXPECT_LE(after([&](LinkPhysics& p) {
                p.intensity_probability[0] += step;
                p.intensity_probability[1] -= step;
              }),
              top);
    EXPECT_LE(after([&](LinkPhysics& p) {
                p.intensity_probability[1] += step;
                p.intensity_probability[2] -= step;
              }),
              top);
  }
}

TEST(LinkPlan, is_the_same_on_every_run) {
  const auto first = plan_link(request_at(30));
  const auto second = plan_link(request_at(30));
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  EXPECT_EQ(first->physics.mu, second->physics.mu);
  EXPECT_EQ(first->physics.intensity_probability, second->physics.intensity_probability);
  EXPECT_EQ(first->length.secret_bits, second->length.secret_bits);
}

// The goal: 100 distances within two seconds of one core, and the rate falls with every one.
TEST(LinkPlan, a_hundred_distances_take_less_than_two_seconds) {
  const double start = user_seconds();
  std::optional<LinkPlan> last;
  int with_key = 0;
  for (int km = 1; km <= 100; ++km) {
    auto plan = plan_link(request_at(km), last.has_value() ? &*last : nullptr);
    ASSERT_TRUE(plan);
    if (last.has_value()) {
      EXPECT_LE(plan->secret_bits_per_slot, last->secret_bits_per_slot * 1.0001) << km;
    }
    with_key += plan->length.secret_bits > 0 ? 1 : 0;
    last = std::move(plan).value();
  }
  const double seconds = user_seconds() - start;
  EXPECT_GT(with_key, 80);
  EXPECT_LT(seconds, 2.0);
  std::cout << "100 distances: " << seconds << " s\n";
}

// A warm start ends on the same hill as a cold one.
TEST(LinkPlan, starting_near_finds_the_same_optimum) {
  const auto at_50 = plan_link(request_at(50));
  ASSERT_TRUE(at_50);
  const auto warm = plan_link(request_at(55), &*at_50);
  const auto cold = plan_link(request_at(55));
  ASSERT_TRUE(warm);
  ASSERT_TRUE(cold);
  EXPECT_NEAR(warm->secret_bits_per_slot / cold->secret_bits_per_slot, 1, 1e-4);
}

TEST(LinkPlan, says_why_there_is_no_key_and_how_far_it_reaches) {
  const auto far = plan_link(request_at(300));
  ASSERT_TRUE(far);
  EXPECT_EQ(far->length.secret_bits, 0U);
  EXPECT_FALSE(far->length.reason.empty());
  const auto reach = reach_km(request_at(0));
  ASSERT_TRUE(reach);
  EXPECT_GT(*reach, 90);
  EXPECT_LT(*reach, 200);
  const auto inside = plan_link(request_at(*reach));
  ASSERT_TRUE(inside);
  EXPECT_GT(inside->length.secret_bits, 0U);
}

TEST(LinkPlan, refuses_impossible_requests) {
  PlanRequest request = request_at(10);
  request.proof = "wishful";
  EXPECT_FALSE(plan_link(request));
  request = request_at(-5);
  EXPECT_FALSE(plan_link(request));
  request = request_at(10);
  request.efficiency = 0.9;
  EXPECT_FALSE(plan_link(request));
  request = request_at(10);
  request.epsilon_sec = 0;
  EXPECT_FALSE(evaluate_link(request));
  request = request_at(10);
  request.slots_per_block = 10;
  EXPECT_FALSE(plan_link(request));
}

}  // namespace
}  // namespace quoin
