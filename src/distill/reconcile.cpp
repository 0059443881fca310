#include "distill/reconcile.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace quoin {

namespace {

constexpr std::size_t message_header_bytes = 8;  // round, number of bits

// Rounds and megabits per second and core that a goal takes, as measured between 0.35 % and 8 %;
// the slower side, at the slower end.
struct GoalCost {
  ReconcileGoal goal;
  double rounds;
  double bits_per_second;
};
constexpr GoalCost goal_costs[] = {
    {ReconcileGoal::low_leak, 1200, 60e6},
    {ReconcileGoal::balanced, 500, 80e6},
};

}  // namespace

const char* to_string(ReconcileFamily family) {
  switch (family) {
    case ReconcileFamily::cascade: return "cascade";
  }
  return "unknown";
}

const char* to_string(ReconcileGoal goal) {
  switch (goal) {
    case ReconcileGoal::few_rounds: return "few rounds";
    case ReconcileGoal::balanced: return "balanced";
    case ReconcileGoal::low_leak: return "low leak";
  }
  return "unknown";
}

Result<ReconcileFamily> reconcile_family(std::uint8_t number) {
  if (number != static_cast<std::uint8_t>(ReconcileFamily::cascade))
    return fail(ErrorCode::malformed, "an unknown family of reconciliation");
  return ReconcileFamily::cascade;
}

Result<ReconcileFamily> reconcile_family(std::string_view name) {
  if (name != to_string(ReconcileFamily::cascade))
    return fail(ErrorCode::malformed, "unknown reconciliation '" + std::string(name) + "'",
                "use \"cascade\"");
  return ReconcileFamily::cascade;
}

Result<ReconcileGoal> reconcile_goal(std::uint8_t number) {
  const auto goal = static_cast<ReconcileGoal>(number);
  if (std::string_view(to_string(goal)) == "unknown")
    return fail(ErrorCode::malformed, "an unknown goal of reconciliation");
  return goal;
}

Result<std::unique_ptr<Reconciler>> make_reconciler(ReconcileFamily family, QuantumRole role,
                                                    SiftedKey&& key,
                                                    const ReconcileParameters& parameters) {
  switch (family) {
    case ReconcileFamily::cascade: return make_cascade(role, std::move(key), parameters);
  }
  return fail(ErrorCode::invalid_argument, "an unknown family of reconciliation");
}

ReconcileGoal choose_reconcile_goal(const ReconcileConditions& conditions) {
  const auto bits = static_cast<double>(conditions.key_bits);
  for (const GoalCost& cost : goal_costs) {
    // Below 3 % a tighter code gains a percent or two of key; throughput and delay matter more.
    if (cost.goal == ReconcileGoal::low_leak && conditions.qber < 0.03) continue;
    const double compute = bits / (cost.bits_per_second * std::max(conditions.core_share, 1e-3));
    if (cost.rounds * conditions.round_trip_seconds + compute <= conditions.seconds_available)
      return cost.goal;
  }
  return ReconcileGoal::few_rounds;
}

double estimate_qber(const ErrorCount& test, const ErrorCount& last_block) {
  const auto rate = [](const ErrorCount& count) {
    return static_cast<double>(count.errors) / static_cast<double>(count.bits);
  };
  constexpr double unknown = 0.01;
  double estimate = unknown;
  if (test.bits == 0 && last_block.bits > 0) {
    estimate = rate(last_block);
  } else if (test.bits > 0) {
    estimate = rate(test);
    const double expected = last_block.bits == 0 ? 0 : rate(last_block);
    const double deviation =
        std::sqrt((expected * (1 - expected) + 1e-9) / static_cast<double>(test.bits));
    const bool agree = std::abs(estimate - expected) <= 4 * deviation;
    if (last_block.bits > test.bits && agree) estimate = expected;
  }
  return std::clamp(estimate, 1e-4, 0.5);
}

std::size_t reconcile_message_bytes_max(std::size_t key_bits) {
  return message_header_bytes + bytes_for_bits(key_bits);
}

bool leak_is_plausible(std::uint64_t errors, std::uint64_t key_bits, std::uint64_t leak_bits) {
  if (errors > key_bits) return false;
  if (errors == 0 || errors == key_bits) return true;
  const auto n = static_cast<double>(key_bits);
  const double rate = static_cast<double>(errors) / n;
  const double entropy = -rate * std::log2(rate) - (1 - rate) * std::log2(1 - rate);
  // C(n, e) >= 2^(n h(e/n)) / sqrt(8 e (1 - e/n)) (Cover, Thomas, Lemma 17.5.1).
  const double log2_patterns = n * entropy - std::log2(8 * n * rate * (1 - rate)) / 2;
  constexpr double slack_bits = 64;
  return static_cast<double>(leak_bits) >= log2_patterns - slack_bits;
}

Status check_reconcile_report(const ReconcileReport& report, std::uint64_t key_bits) {
  if (report.error_positions.size_bits() != key_bits || report.frames_disclosed > report.frames)
    return fail(ErrorCode::internal, "a reconciliation report about another key",
                "report this as a bug");
  if (!leak_is_plausible(report.error_positions.count_ones(), key_bits, report.leak_bits))
    return fail(ErrorCode::internal, "fewer bits were counted as leaked than the errors take",
                "report this as a bug");
  return success();
}

}  // namespace quoin
