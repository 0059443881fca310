// Decoy-state bounds that several proofs share: from counts by intensity to counts by photon
// number. Real-valued and pure; for src/distill and src/planning. Notation of Lim 2014 and Rusca
// 2018: K intensities mu_1 > mu_2 (> mu_3), chosen with probabilities p_k.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace quoin {

template <std::size_t K>
struct DecoyBasis {
  std::array<double, K> detected{};  // n_k, the brightest intensity first
  std::array<double, K> errors{};    // m_k
};

template <std::size_t K>
struct DecoySource {
  std::array<double, K> mu{};
  std::array<double, K> p{};
};

template <std::size_t K>
double sum(const std::array<double, K>& values) {
  double total = 0;
  for (const double value : values) total += value;
  return total;
}

// tau_n, the probability that a pulse holds n photons; n = 0 or 1.
template <std::size_t K>
double photon_probability(const DecoySource<K>& source, int photons) {
  double out = 0;
  for (std::size_t k = 0; k < K; ++k)
    out += source.p[k] * std::exp(-source.mu[k]) * (photons == 0 ? 1.0 : source.mu[k]);
  return out;
}

// n_k^(+-) = (e^mu_k / p_k) (n_k +- deviation). Counts are not negative, so the lower ones are
// floored at 0.
template <std::size_t K>
struct ScaledCounts {
  std::array<double, K> lower{};
  std::array<double, K> upper{};
};
template <std::size_t K>
ScaledCounts<K> scale_counts(const DecoySource<K>& source, const std::array<double, K>& counts,
                             double deviation) {
  ScaledCounts<K> out;
  for (std::size_t k = 0; k < K; ++k) {
    const double scale = std::exp(source.mu[k]) / source.p[k];
    out.lower[k] = scale * std::max(counts[k] - deviation, 0.0);
    out.upper[k] = scale * (counts[k] + deviation);
  }
  return out;
}

// Three intensities: Lim 2014, Eqs. (2) to (4).
double two_decoy_vacuum(const DecoySource<3>& source, const ScaledCounts<3>& n, double tau0);
double two_decoy_singles(const DecoySource<3>& source, const ScaledCounts<3>& n, double tau0,
                         double tau1, double s0);
double two_decoy_single_errors(const DecoySource<3>& source, const ScaledCounts<3>& m, double tau1);

// Two intensities: Rusca 2018, appendix A. The upper bound on vacuum events comes from the errors,
// half of which vacuum events are: 2 (tau0 min_k m_k^+ + deviation).
double one_decoy_vacuum(const DecoySource<2>& source, const ScaledCounts<2>& n, double tau0);
double one_decoy_vacuum_upper(const ScaledCounts<2>& m, double tau0, double deviation);
double one_decoy_singles(const DecoySource<2>& source, const ScaledCounts<2>& n, double tau0,
                         double tau1, double s0_upper);
double one_decoy_single_errors(const DecoySource<2>& source, const ScaledCounts<2>& m, double tau1);

}  // namespace quoin
