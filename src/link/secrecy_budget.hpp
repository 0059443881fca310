// How much secrecy a link may spend. Epsilons add: every block costs its epsilon_sec and
// epsilon_cor and the epsilons of the tags around it, and whoever uses many keys of a link relies
// on the sum. The operator sets a limit per period; the link stops making key before it is passed
// (security-rules C8).
#pragma once

#include <algorithm>
#include <cstdint>

namespace quoin {

struct SecrecyBudget {
  // A block a second at 1e-10 spends 3.2e-3 a year.
  double limit = 5e-3;
  std::int64_t period_ms = std::int64_t{365} * 86'400'000;
};

// What was spent, by the wall clock. Durable with the link's records. A clock that runs backwards
// starts no period, one that jumps ahead and comes back leaves the sum of the period standing.
struct SecrecyAccount {
  double total = 0;      // since the records began; survives new lineages, never falls
  double in_period = 0;  // never falls within a period
  std::int64_t period_began_unix_ms = 0;  // 0: nothing spent yet

  bool is_over(const SecrecyBudget& budget, std::int64_t unix_ms) const {
    return period_began_unix_ms == 0 || unix_ms - period_began_unix_ms >= budget.period_ms;
  }
  double spent(const SecrecyBudget& budget, std::int64_t unix_ms) const {
    return is_over(budget, unix_ms) ? 0 : in_period;
  }
  double left(const SecrecyBudget& budget, std::int64_t unix_ms) const {
    return std::max(0.0, budget.limit - spent(budget, unix_ms));
  }
  // Epsilons are sums of sums: a rounding error is forgiven.
  bool allows(const SecrecyBudget& budget, double epsilon, std::int64_t unix_ms) const {
    return spent(budget, unix_ms) + epsilon <= budget.limit * (1 + 1e-9);
  }
  void spend(const SecrecyBudget& budget, double epsilon, std::int64_t unix_ms) {
    if (is_over(budget, unix_ms)) {
      period_began_unix_ms = std::max<std::int64_t>(unix_ms, 1);
      in_period = 0;
    }
    in_period += epsilon;
    total += epsilon;
  }
};

}  // namespace quoin
