#include "kernels/sampling.hpp"

#include <algorithm>
#include <bit>

#include "core/check.hpp"

namespace quoin {

namespace {

constexpr std::uint64_t column_mass = std::uint64_t{1} << 53;

// Integer masses that sum to size * column_mass exactly; the rounding goes to the largest.
std::vector<std::uint64_t> integer_masses(std::span<const double> weights, std::size_t size) {
  QUOIN_INVARIANT(!weights.empty() && weights.size() <= size, "alias table of a wrong size");
  double sum = 0;
  for (const double weight : weights) sum += weight;
  QUOIN_INVARIANT(sum > 0, "alias table without weight");
  const std::uint64_t total = column_mass * size;
  std::vector<std::uint64_t> masses(size, 0);
  std::uint64_t used = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    // Scaling by a power of two is exact; the rounding of sum may exceed `total` by a few units.
    const double scaled = weights[i] / sum * static_cast<double>(total);
    masses[i] = std::min(static_cast<std::uint64_t>(scaled), total - used);
    used += masses[i];
  }
  *std::max_element(masses.begin(), masses.end()) += total - used;
  return masses;
}

// p as a binary fraction of 64 bits, for 0 <= p < 1; p >= 1 saturates.
std::uint64_t binary_fraction(double p) {
  if (p <= 0) return 0;
  if (p >= 1) return ~std::uint64_t{0};
  return static_cast<std::uint64_t>(p * 18446744073709551616.0);
}

// The number of ones among n random bits.
std::uint64_t draw_fair_binomial(CounterRng& rng, std::uint64_t n) {
  std::uint64_t ones = 0;
  for (; n >= 64; n -= 64) ones += static_cast<std::uint64_t>(std::popcount(rng.next()));
  if (n > 0) ones += static_cast<std::uint64_t>(std::popcount(rng.next() >> (64 - n)));
  return ones;
}

std::vector<double> gap_weights(double p) {
  constexpr std::size_t last = AliasTable<10>::size - 1;
  std::vector<double> weights(AliasTable<10>::size);
  double none_so_far = 1;
  for (std::size_t gap = 0; gap < last; ++gap) {
    weights[gap] = none_so_far * p;
    none_so_far *= 1 - p;
  }
  weights[last] = none_so_far;
  return weights;
}

}  // namespace

template <std::size_t log2_size>
AliasTable<log2_size>::AliasTable(std::span<const double> weights) {
  std::vector<std::uint64_t> masses = integer_masses(weights, size);
  std::vector<std::size_t> small;
  std::vector<std::size_t> large;
  for (std::size_t i = 0; i < size; ++i) (masses[i] < column_mass ? small : large).push_back(i);
  while (!small.empty()) {
    const std::size_t low = small.back();
    small.pop_back();
    // The masses sum to size * column_mass, so whoever lacks mass finds someone with too much.
    const std::size_t high = large.back();
    columns_[low] = {masses[low], static_cast<std::uint32_t>(high)};
    masses[high] -= column_mass - masses[low];
    if (masses[high] < column_mass) {
      large.pop_back();
      small.push_back(high);
    }
  }
  for (const std::size_t i : large) columns_[i] = {column_mass, static_cast<std::uint32_t>(i)};
}

template <std::size_t log2_size>
double AliasTable<log2_size>::probability(std::size_t outcome) const {
  std::uint64_t mass = columns_[outcome].threshold;
  for (const Column& column : columns_)
    if (column.alias == outcome) mass += column_mass - column.threshold;
  return static_cast<double>(mass) / (static_cast<double>(size) * static_cast<double>(column_mass));
}

template class AliasTable<7>;
template class AliasTable<10>;

GapSampler::GapSampler(double event_probability) : gaps_(gap_weights(event_probability)) {}

std::size_t GapSampler::draw_positions(CounterRng& rng, std::uint32_t slots,
                                       std::span<std::uint16_t> positions) const {
  QUOIN_INVARIANT(slots <= 0x1'0000 && positions.size() >= slots, "gap sampling without room");
  std::uint16_t* const out = positions.data();
  std::size_t count = 0;
  std::uint32_t at = 0;
  while (true) {
    const std::uint32_t gap = gaps_.draw(rng.next());
    at += gap;
    if (at >= slots) return count;
    // Written always and kept only if it was an event: no branch that the CPU could mispredict.
    out[count] = static_cast<std::uint16_t>(at);
    const bool is_event = gap != overflow;
    count += is_event ? 1 : 0;
    at += is_event ? 1 : 0;
  }
}

std::uint64_t draw_binomial(CounterRng& rng, std::uint64_t n, std::uint64_t p) {
  std::uint64_t below = 0;
  // A trial is decided at the first bit in which its fraction differs from p; those still equal
  // after all of p's ones are not below p.
  for (; n > 0 && p != 0; p <<= 1) {
    const std::uint64_t ones = draw_fair_binomial(rng, n);
    if (p >> 63 != 0) {
      below += n - ones;
      n = ones;
    } else {
      n -= ones;
    }
  }
  return below;
}

std::vector<std::uint64_t> draw_multinomial(CounterRng& rng, std::uint64_t n,
                                            std::span<const double> weights) {
  double rest = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    rest += weights[i];
    if (weights[i] > 0) last = i;
  }
  QUOIN_INVARIANT(rest > 0, "multinomial without weight");
  std::vector<std::uint64_t> counts(weights.size(), 0);
  for (std::size_t i = 0; i < last && n > 0; ++i) {
    if (weights[i] > 0) counts[i] = draw_binomial(rng, n, binary_fraction(weights[i] / rest));
    n -= counts[i];
    rest -= weights[i];
  }
  counts[last] += n;
  return counts;
}

}  // namespace quoin
