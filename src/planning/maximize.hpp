// Deterministic maximisation of a smooth function of a few variables within the unit box: a coarse
// lattice finds the hill, the simplex of Nelder and Mead (1965) climbs it. No randomness, no
// allocation, so plans are equal on every run. For src/planning.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace quoin {

template <std::size_t K>
using BoxPoint = std::array<double, K>;  // every coordinate within [0, 1]

template <std::size_t K>
struct BoxMaximum {
  BoxPoint<K> at{};
  double value = 0;
};

struct ClimbOptions {
  int steps_max = 400;
  double size = 0.1;        // of the first simplex
  double tolerance = 1e-7;  // of the last one
};

namespace maximize_detail {

template <std::size_t K>
BoxPoint<K> blend(const BoxPoint<K>& a, const BoxPoint<K>& b, double t) {
  BoxPoint<K> out;
  for (std::size_t i = 0; i < K; ++i) out[i] = std::clamp(a[i] + t * (b[i] - a[i]), 0.0, 1.0);
  return out;
}

template <std::size_t K>
double size_of(const std::array<BoxMaximum<K>, K + 1>& simplex) {
  double size = 0;
  for (const auto& corner : simplex)
    for (std::size_t i = 0; i < K; ++i)
      size = std::max(size, std::abs(corner.at[i] - simplex[0].at[i]));
  return size;
}

}  // namespace maximize_detail

// Climbs from `start`. The objective is any finite function of a BoxPoint.
template <std::size_t K, class Objective>
BoxMaximum<K> climb(const Objective& objective, const BoxPoint<K>& start,
                    const ClimbOptions& options = {}) {
  using maximize_detail::blend;
  std::array<BoxMaximum<K>, K + 1> simplex;
  simplex[0] = {start, objective(start)};
  for (std::size_t i = 0; i < K; ++i) {
    BoxPoint<K> corner = start;
    corner[i] += corner[i] + options.size <= 1 ? options.size : -options.size;
    simplex[i + 1] = {corner, objective(corner)};
  }
  const auto higher = [](const auto& a, const auto& b) { return a.value > b.value; };
  for (int step = 0; step < options.steps_max; ++step) {
    std::sort(simplex.begin(), simplex.end(), higher);
    if (maximize_detail::size_of<K>(simplex) < options.tolerance) break;
    BoxPoint<K> centre{};
    for (std::size_t c = 0; c < K; ++c)
      for (std::size_t i = 0; i < K; ++i) centre[i] += simplex[c].at[i] / static_cast<double>(K);
    auto& worst = simplex[K];
    const auto tried = [&](double t) {
      const BoxPoint<K> at = blend(centre, worst.at, t);
      return BoxMaximum<K>{at, objective(at)};
    };
    const BoxMaximum<K> reflected = tried(-1);
    if (reflected.value > simplex[0].value) {
      const BoxMaximum<K> expanded = tried(-2);
      worst = expanded.value > reflected.value ? expanded : reflected;
      continue;
    }
    if (reflected.value > simplex[K - 1].value) {
      worst = reflected;
      continue;
    }
    const BoxMaximum<K> contracted = tried(reflected.value > worst.value ? -0.5 : 0.5);
    if (contracted.value > std::max(worst.value, reflected.value)) {
      worst = contracted;
      continue;
    }
    for (std::size_t c = 1; c <= K; ++c) {
      simplex[c].at = blend(simplex[0].at, simplex[c].at, 0.5);
      simplex[c].value = objective(simplex[c].at);
    }
  }
  return *std::min_element(simplex.begin(), simplex.end(), higher);
}

// The best point of a lattice of `points` values per coordinate (their middles).
template <std::size_t K, class Objective>
BoxMaximum<K> best_of_lattice(const Objective& objective, std::size_t points) {
  BoxMaximum<K> best{{}, -HUGE_VAL};
  std::size_t total = 1;
  for (std::size_t i = 0; i < K; ++i) total *= points;
  for (std::size_t n = 0; n < total; ++n) {
    BoxPoint<K> at;
    std::size_t rest = n;
    for (std::size_t i = 0; i < K; ++i) {
      at[i] = (static_cast<double>(rest % points) + 0.5) / static_cast<double>(points);
      rest /= points;
    }
    const double value = objective(at);
    if (value > best.value) best = {at, value};
  }
  return best;
}

// Lattice, climb, and a second climb with a fresh simplex: one may collapse before the top.
template <std::size_t K, class Objective>
BoxMaximum<K> maximize(const Objective& objective, std::size_t points = 4) {
  const BoxMaximum<K> hill = best_of_lattice<K>(objective, points);
  const BoxMaximum<K> first = climb<K>(objective, hill.at);
  return climb<K>(objective, first.at, {.size = 0.03});
}

// The largest x within [low, high] where a falling function is still positive, to 2^-50 of the
// range; low where it is nowhere.
template <class F>
double last_positive(const F& f, double low, double high) {
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (f(middle) > 0 ? low : high) = middle;
  }
  return low;
}

}  // namespace quoin
