#include "distill/decoy.hpp"

namespace quoin {

double two_decoy_vacuum(const DecoySource<3>& source, const ScaledCounts<3>& n, double tau0) {
  const auto& mu = source.mu;
  return std::max(0.0, tau0 * (mu[1] * n.lower[2] - mu[2] * n.upper[1]) / (mu[1] - mu[2]));
}

double two_decoy_singles(const DecoySource<3>& source, const ScaledCounts<3>& n, double tau0,
                         double tau1, double s0) {
  const auto& mu = source.mu;
  const double squares = mu[1] * mu[1] - mu[2] * mu[2];
  const double numerator =
      n.lower[1] - n.upper[2] - squares / (mu[0] * mu[0]) * (n.upper[0] - s0 / tau0);
  return tau1 * mu[0] * numerator / (mu[0] * (mu[1] - mu[2]) - squares);
}

double two_decoy_single_errors(const DecoySource<3>& source, const ScaledCounts<3>& m,
                               double tau1) {
  return std::max(0.0, tau1 * (m.upper[1] - m.lower[2]) / (source.mu[1] - source.mu[2]));
}

double one_decoy_vacuum(const DecoySource<2>& source, const ScaledCounts<2>& n, double tau0) {
  const auto& mu = source.mu;
  return std::max(0.0, tau0 * (mu[0] * n.lower[1] - mu[1] * n.upper[0]) / (mu[0] - mu[1]));
}

double one_decoy_vacuum_upper(const ScaledCounts<2>& m, double tau0, double deviation) {
  return 2 * (tau0 * std::min(m.upper[0], m.upper[1]) + deviation);
}

double one_decoy_singles(const DecoySource<2>& source, const ScaledCounts<2>& n, double tau0,
                         double tau1, double s0_upper) {
  const auto& mu = source.mu;
  const double square0 = mu[0] * mu[0];
  const double square1 = mu[1] * mu[1];
  const double numerator =
      n.lower[1] - square1 / square0 * n.upper[0] - (square0 - square1) / square0 * s0_upper / tau0;
  return tau1 * mu[0] / (mu[1] * (mu[0] - mu[1])) * numerator;
}

double one_decoy_single_errors(const DecoySource<2>& source, const ScaledCounts<2>& m,
                               double tau1) {
  return std::max(0.0, tau1 * (m.upper[0] - m.lower[1]) / (source.mu[0] - source.mu[1]));
}

}  // namespace quoin
