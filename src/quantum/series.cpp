#include "quantum/series.hpp"

namespace quoin {

namespace {

constexpr double series_reach = 0.5;
constexpr int series_terms = 18;  // 0.5^18 / 18! is below 1e-21

// 1 - e^-x for 0 <= x <= series_reach, by Horner's scheme: x (1 - x/2 (1 - x/3 (1 - ...))).
double one_minus_exp_near_zero(double x) {
  double nested = 1;
  for (int k = series_terms; k >= 2; --k) nested = 1 - x / k * nested;
  return x * nested;
}

}  // namespace

double exp_of_minus(double x) {
  if (x > 700) return 0;
  int halvings = 0;
  while (x > series_reach) {
    x /= 2;
    ++halvings;
  }
  double power = 1 - one_minus_exp_near_zero(x);
  for (; halvings > 0; --halvings) power *= power;
  return power;
}

double one_minus_exp_of_minus(double x) {
  return x <= series_reach ? one_minus_exp_near_zero(x) : 1 - exp_of_minus(x);
}

}  // namespace quoin
