#include "distill/lim2014.hpp"

#include <algorithm>
#include <cmath>

namespace quoin {

namespace {

constexpr double failure_terms = 21;  // eps_sec = 21 eps: the terms of Lim 2014, appendix B

double sum(const std::array<double, 3>& values) { return values[0] + values[1] + values[2]; }

// Hoeffding's bounds on counts by intensity, as expectations per pulse of n photons' worth:
// n^(+-)_k = (e^k / p_k) (n_k +- sqrt(n/2 ln(21/eps_sec))), lower ones floored at 0.
struct CountBounds {
  std::array<double, 3> lower{};
  std::array<double, 3> upper{};
};

CountBounds bound_counts(const LimInput& in, const std::array<double, 3>& counts) {
  const double deviation = std::sqrt(sum(counts) / 2 * std::log(failure_terms / in.epsilon_sec));
  CountBounds out;
  for (std::size_t k = 0; k < 3; ++k) {
    const double scale = std::exp(in.mu[k]) / in.p[k];
    out.lower[k] = scale * std::max(counts[k] - deviation, 0.0);
    out.upper[k] = scale * (counts[k] + deviation);
  }
  return out;
}

// Probability that a pulse holds n photons, n = 0 or 1.
double photon_probability(const LimInput& in, int photons) {
  double out = 0;
  for (std::size_t k = 0; k < 3; ++k)
    out += in.p[k] * std::exp(-in.mu[k]) * (photons == 0 ? 1.0 : in.mu[k]);
  return out;
}

// Lim 2014, Eq. (2).
double vacuum_events(const LimInput& in, const CountBounds& n, double tau0) {
  const auto& mu = in.mu;
  return std::max(0.0, tau0 * (mu[1] * n.lower[2] - mu[2] * n.upper[1]) / (mu[1] - mu[2]));
}

// Lim 2014, Eq. (3).
double single_photon_events(const LimInput& in, const CountBounds& n, double tau0, double tau1,
                            double s0) {
  const auto& mu = in.mu;
  const double squares = mu[1] * mu[1] - mu[2] * mu[2];
  const double numerator =
      n.lower[1] - n.upper[2] - squares / (mu[0] * mu[0]) * (n.upper[0] - s0 / tau0);
  return tau1 * mu[0] * numerator / (mu[0] * (mu[1] - mu[2]) - squares);
}

}  // namespace

double binary_entropy(double x) {
  if (x <= 0) return 0;
  if (x >= 0.5) return 1;
  return -x * std::log2(x) - (1 - x) * std::log2(1 - x);
}

double lim_gamma(double a, double b, double c, double d) {
  if (b <= 0) return 0;
  const double variance = (c + d) / (c * d);
  const double inner = variance / ((1 - b) * b) * (failure_terms * failure_terms) / (a * a);
  return std::sqrt(variance * (1 - b) * b / std::log(2.0) * std::log2(inner));
}

LimBounds lim2014_bounds(const LimInput& in) {
  LimBounds out;
  out.tau0 = photon_probability(in, 0);
  out.tau1 = photon_probability(in, 1);
  const CountBounds n_x = bound_counts(in, in.key.detected);
  const CountBounds n_z = bound_counts(in, in.test.detected);
  const CountBounds m_z = bound_counts(in, in.test.errors);
  out.s_x0 = vacuum_events(in, n_x, out.tau0);
  out.s_z0 = vacuum_events(in, n_z, out.tau0);
  out.s_x1 = single_photon_events(in, n_x, out.tau0, out.tau1, out.s_x0);
  out.s_z1 = single_photon_events(in, n_z, out.tau0, out.tau1, out.s_z0);
  // Lim 2014, Eq. (4).
  out.v_z1 = std::max(0.0, out.tau1 * (m_z.upper[1] - m_z.lower[2]) / (in.mu[1] - in.mu[2]));

  // Lim 2014, Eq. (5).
  out.phi_x = 0.5;
  const bool has_singles = out.s_x1 > 0 && out.s_z1 > 0;
  if (has_singles && out.v_z1 < out.s_z1 / 2) {
    const double ratio = out.v_z1 / out.s_z1;
    out.phi_x = std::min(0.5, ratio + lim_gamma(in.epsilon_sec, ratio, out.s_z1, out.s_x1));
  }
  // Lim 2014, Eq. (1).
  out.penalty_bits = 6 * std::log2(failure_terms / in.epsilon_sec) + in.correctness_bits;
  const double vacuum = in.vacuum_counts ? out.s_x0 : 0.0;
  const double single = has_singles ? out.s_x1 * (1 - binary_entropy(out.phi_x)) : 0.0;
  out.length_bits = vacuum + single - in.leak_bits - out.penalty_bits;
  return out;
}

}  // namespace quoin
