#include "planning/link_plan.hpp"

#include <cmath>

#include "distill/lim2014.hpp"
#include "distill/statistics.hpp"
#include "distill/variable_length.hpp"
#include "planning/maximize.hpp"
#include "quantum/link_model.hpp"

namespace quoin {

namespace {

constexpr double verification_bits = 128;

// Ranges of the search. Signals above one photon never pay; a bias above 0.995 starves the test.
constexpr double mu_signal_min = 0.1;
constexpr double mu_signal_max = 1.2;
constexpr double decoy_share_min = 0.03;  // mu_decoy / mu_signal
constexpr double decoy_share_max = 0.75;
constexpr double p_signal_min = 0.02;
constexpr double p_signal_max = 0.98;
constexpr double bias_min = 0.5;
constexpr double bias_max = 0.995;

double within(double low, double high, double t) { return low + t * (high - low); }
double place(double low, double high, double value) {
  return std::clamp((value - low) / (high - low), 0.0, 1.0);
}

// Coordinates: signal intensity, decoy's share of it, probability of the signal, basis bias, and
// with two decoys the share of the first decoy in what is no signal.
template <std::size_t K>
void apply(const BoxPoint<K + 2>& at, LinkPhysics& physics) {
  const double signal = within(mu_signal_min, mu_signal_max, at[0]);
  physics.mu = {signal, signal * within(decoy_share_min, decoy_share_max, at[1]), 0};
  const double p = within(p_signal_min, p_signal_max, at[2]);
  const double first = K == 3 ? within(0.05, 0.95, at[K + 1]) : 1.0;
  physics.intensity_probability = {p, (1 - p) * first, K == 3 ? (1 - p) * (1 - first) : 0.0};
  physics.key_basis_probability = within(bias_min, bias_max, at[3]);
}

template <std::size_t K>
BoxPoint<K + 2> point_of(const LinkPhysics& physics) {
  BoxPoint<K + 2> at{};
  const double signal = physics.mu[0];
  const double p = physics.intensity_probability[0];
  at[0] = place(mu_signal_min, mu_signal_max, signal);
  at[1] = place(decoy_share_min, decoy_share_max, physics.mu[1] / signal);
  at[2] = place(p_signal_min, p_signal_max, p);
  at[3] = place(bias_min, bias_max, physics.key_basis_probability);
  if (K == 3) at[K + 1] = place(0.05, 0.95, physics.intensity_probability[1] / (1 - p));
  return at;
}

// Real-valued expected counts of a block, so that the objective is smooth.
template <std::size_t K>
VariableLengthInput<K> expected_input(const PlanRequest& request, const LinkPhysics& physics) {
  const LinkModel model = link_model(physics);
  VariableLengthInput<K> in;
  const double q = physics.key_basis_probability;
  for (std::size_t k = 0; k < K; ++k) {
    in.source.mu[k] = physics.mu[k];
    in.source.p[k] = physics.intensity_probability[k];
    const double live =
        static_cast<double>(request.slots_per_block) * in.source.p[k] * model.live_fraction;
    const ClickRates& rates = model.same_basis[k];
    in.key.detected[k] = live * q * q * rates.gain;
    in.key.errors[k] = in.key.detected[k] * rates.error_rate();
    in.test.detected[k] = live * (1 - q) * (1 - q) * rates.gain;
    in.test.errors[k] = in.test.detected[k] * rates.error_rate();
  }
  const double n = sum(in.key.detected);
  in.leak_bits = n > 0 ? request.efficiency * n * binary_entropy(sum(in.key.errors) / n) : 0;
  in.correctness_bits = std::max(verification_bits, std::log2(2 / request.epsilon_cor));
  in.epsilon_sec = request.epsilon_sec;
  return in;
}

// Secret bits per slot. Where nothing can be guaranteed the slope still leads towards more single
// photons in the test basis, far below any rate with key.
template <std::size_t K>
double value_of(const PlanRequest& request, const LinkPhysics& physics) {
  const VariableLengthInput<K> in = expected_input<K>(request, physics);
  const VariableLengthBounds b = variable_length_bounds(in);
  const double slots = static_cast<double>(request.slots_per_block);
  if (!(b.s_x1 > 0 && b.s_z1 > 0 && b.phi_x < 0.5)) {
    const double singles = b.s_z1 / std::max(sum(in.test.detected), 1.0);
    const double errors = b.s_z1 > 0 ? -b.v_z1 / b.s_z1 : 0;
    return -2 + 0.1 * std::clamp(singles, -9.0, 1.0) + 0.01 * std::clamp(errors, -9.0, 0.0);
  }
  if constexpr (K == 3) {
    if (request.proof == "lim2014")
      return lim2014_bounds({.key = in.key,
                             .test = in.test,
                             .source = in.source,
                             .leak_bits = in.leak_bits,
                             .correctness_bits = in.correctness_bits,
                             .epsilon_sec = in.epsilon_sec,
                             .vacuum_counts = false})
                 .length_bits /
             slots;
  }
  return b.length_bits / slots;
}

Result<LinkPlan> settle(const PlanRequest& request, const LinkPhysics& physics) {
  QUOIN_TAKE(proof, make_proof(request.proof));
  LinkPlan plan;
  plan.physics = physics;
  plan.counts = expected_counts(physics, request.slots_per_block);
  // Rounding the pulses of each setting may miss the total by a few.
  plan.counts.slots = plan.counts.emitted.total();
  const auto n = static_cast<double>(plan.counts.key.detected_total());
  const auto errors = static_cast<double>(plan.counts.key.errors_total());
  const double leak = n > 0 ? request.efficiency * n * binary_entropy(errors / n) : 0;
  plan.leak_ec_bits = static_cast<std::uint64_t>(std::ceil(leak));
  plan.length = proof->key_length({.counts = plan.counts,
                                   .mu = physics.mu,
                                   .p = physics.intensity_probability,
                                   .leak_ec_bits = plan.leak_ec_bits,
                                   .epsilon_sec = request.epsilon_sec,
                                   .epsilon_cor = request.epsilon_cor});
  plan.secret_bits_per_slot =
      static_cast<double>(plan.length.secret_bits) / static_cast<double>(plan.counts.slots);
  plan.secret_bits_per_s = plan.secret_bits_per_slot * physics.slot_rate_hz;
  return plan;
}

Status check_request(const PlanRequest& request) {
  if (const auto proof = make_proof(request.proof); !proof) return proof.failure();
  if (request.slots_per_block < 1000)
    return fail(ErrorCode::configuration, "a block of fewer than 1000 slots gives no key",
                "choose larger blocks");
  if (!(request.efficiency >= 1 && request.efficiency < 10))
    return fail(ErrorCode::configuration, "the efficiency of reconciliation is out of range",
                "choose 1 (the Shannon limit) to 10");
  const auto is_within_0_1 = [](double value) { return value > 0 && value < 1; };
  if (!is_within_0_1(request.epsilon_sec) || !is_within_0_1(request.epsilon_cor))
    return fail(ErrorCode::configuration, "an epsilon is out of range", "choose within (0, 1)");
  return success();
}

template <std::size_t K>
Result<LinkPlan> plan_for(const PlanRequest& request, const LinkPlan* near) {
  LinkPhysics physics = request.physics;
  apply<K>(BoxPoint<K + 2>{}, physics);  // any valid settings: the rest is checked
  QUOIN_TRY(validate(physics));
  const auto objective = [&request](const BoxPoint<K + 2>& at) {
    LinkPhysics tried = request.physics;
    apply<K>(at, tried);
    return value_of<K>(request, tried);
  };
  BoxMaximum<K + 2> best = near != nullptr
                               ? climb<K + 2>(objective, point_of<K>(near->physics), {.size = 0.05})
                               : maximize<K + 2>(objective);
  // A neighbour without key says nothing about where the hill is.
  if (near != nullptr && best.value <= 0) best = maximize<K + 2>(objective);
  apply<K>(best.at, physics);
  return settle(request, physics);
}

}  // namespace

Result<LinkPlan> plan_link(const PlanRequest& request, const LinkPlan* near) {
  QUOIN_TRY(check_request(request));
  return request.proof == "variable_length_decoy1" ? plan_for<2>(request, near)
                                                   : plan_for<3>(request, near);
}

Result<LinkPlan> evaluate_link(const PlanRequest& request) {
  QUOIN_TRY(check_request(request));
  QUOIN_TRY(validate(request.physics));
  return settle(request, request.physics);
}

Result<double> reach_km(const PlanRequest& request, double km_max) {
  PlanRequest at = request;
  double low = 0;
  double high = km_max;
  at.physics.distance_km = low;
  QUOIN_TAKE(nearest, plan_link(at));
  if (nearest.length.secret_bits == 0) return 0.0;
  while (high - low > 0.01) {
    at.physics.distance_km = (low + high) / 2;
    QUOIN_TAKE(plan, plan_link(at));
    (plan.length.secret_bits > 0 ? low : high) = at.physics.distance_km;
  }
  return low;
}

GllpOptimum best_signal_intensity(const GllpChannel& channel, double efficiency) {
  constexpr double mu_max = 2;
  const auto rate = [&](const BoxPoint<1>& at) {
    const double mu = std::max(at[0] * mu_max, 1e-6);
    return gllp_rate(infinite_decoy_values(channel, mu), channel_gain(channel, mu),
                     channel_error(channel, mu), efficiency);
  };
  const BoxMaximum<1> best = maximize<1>(rate, 64);
  return {.mu = best.at[0] * mu_max, .rate = best.value};
}

}  // namespace quoin
