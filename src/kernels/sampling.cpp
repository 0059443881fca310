#include "kernels/sampling.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

#include "core/bits.hpp"
#include "core/check.hpp"

namespace quoin {

namespace {

// Below it the gaps between events cost less than a threshold per slot (measured on a Zen 5).
constexpr double rare_below = 0.01;
constexpr std::uint64_t gap_mass = std::uint64_t{1} << 53;
constexpr std::uint64_t code_mass = std::uint64_t{1} << 53;
constexpr std::uint64_t binomial_mass = std::uint64_t{1} << 48;
constexpr double negligible = 0x1p-60;
constexpr std::uint64_t binomial_trials_max = std::uint64_t{1} << 20;

// Integer masses that sum to size * column_mass exactly; the rounding goes to the largest.
std::vector<std::uint64_t> integer_masses(std::span<const double> weights, std::size_t size,
                                          std::uint64_t column_mass) {
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

std::vector<double> gap_weights(double p, std::size_t columns) {
  std::vector<double> weights(columns);
  double none_so_far = 1;
  for (std::size_t gap = 0; gap + 1 < columns; ++gap) {
    weights[gap] = none_so_far * p;
    none_so_far *= 1 - p;
  }
  weights[columns - 1] = none_so_far;
  return weights;
}

// The word of a stream that decides a draw whose first bits did not.
std::uint64_t deciding_word(const SlotDraw& draw, std::size_t which) {
  std::array<std::uint64_t, 2> words{};
  fill_counter_words({draw.key, static_cast<std::uint16_t>(draw.domain + 1), draw.index}, which,
                     words);
  return words[0];
}

}  // namespace

std::vector<AliasColumn> alias_columns(std::span<const double> weights, std::size_t size,
                                       std::uint64_t column_mass) {
  std::vector<std::uint64_t> masses = integer_masses(weights, size, column_mass);
  std::vector<AliasColumn> columns(size);
  std::vector<std::size_t> small;
  std::vector<std::size_t> large;
  for (std::size_t i = 0; i < size; ++i) (masses[i] < column_mass ? small : large).push_back(i);
  while (!small.empty()) {
    const std::size_t low = small.back();
    small.pop_back();
    // The masses sum to size * column_mass, so whoever lacks mass finds someone with too much.
    const std::size_t high = large.back();
    columns[low] = {masses[low], static_cast<std::uint32_t>(high)};
    masses[high] -= column_mass - masses[low];
    if (masses[high] < column_mass) {
      large.pop_back();
      small.push_back(high);
    }
  }
  for (const std::size_t i : large) columns[i] = {column_mass, static_cast<std::uint32_t>(i)};
  return columns;
}

std::uint64_t binary_fraction(double p) {
  if (!(p > 0)) return 0;
  if (p >= 1) return ~std::uint64_t{0};
  return static_cast<std::uint64_t>(p * 18446744073709551616.0);
}

std::size_t SlotMask::count_ones() const { return sampling_bodies::count_ones_simd(words); }

void SlotMask::count_before(std::span<std::uint16_t> out) const {
  QUOIN_INVARIANT(out.size() == word_count, "counts of a wrong number of words");
  sampling_bodies::count_before_simd(words, out.data());
}

std::size_t SlotMask::next_one(std::size_t slot) const {
  if (slot >= slot_count) return slot_count;
  std::size_t w = slot / 64;
  std::uint64_t left = words[w] & ~std::uint64_t{0} << (slot % 64);
  while (left == 0 && ++w < word_count) left = words[w];
  return left == 0 ? slot_count : 64 * w + static_cast<std::size_t>(std::countr_zero(left));
}

std::size_t SlotMask::last_one_before(std::size_t slot) const {
  if (slot == 0) return slot_count;
  std::size_t w = (slot - 1) / 64;
  std::uint64_t left = words[w] & last_word_mask(slot);
  while (left == 0 && w > 0) left = words[--w];
  return left == 0 ? slot_count : 64 * w + 63 - static_cast<std::size_t>(std::countl_zero(left));
}

void SlotMask::clear_range(std::size_t first, std::size_t end) {
  for (std::size_t slot = first; slot < end && slot < slot_count;) {
    const std::size_t stop = std::min({end, (slot / 64 + 1) * 64, slot_count});
    words[slot / 64] &= ~(last_word_mask(stop) & ~std::uint64_t{0} << (slot % 64));
    slot = stop;
  }
}

GapSampler::GapSampler(double event_probability) {
  const auto weights = gap_weights(std::clamp(event_probability, 0.0, 1.0), overflow + 1);
  for (const AliasColumn& column : alias_columns(weights, overflow + 1, gap_mass)) {
    // A full column may say that it is never reached: its alias is itself.
    const std::uint64_t threshold = std::min(column.threshold, gap_mass - 1);
    columns_.push_back(threshold << 11 | column.alias);
  }
}

std::size_t GapSampler::draw_places(const CounterStream& stream, std::size_t slots,
                                    std::span<std::uint16_t> places) const {
  QUOIN_INVARIANT(slots <= SlotMask::slot_count && places.size() > slots, "gaps without room");
  alignas(64) std::array<std::uint64_t, 64> random;
  std::uint16_t* const out = places.data();
  std::size_t count = 0;
  std::size_t at = 0;
  for (std::uint64_t block = 0;; block += random.size() / 2) {
    fill_counter_words(stream, block, random);
    for (const std::uint64_t word : random) {
      const std::uint64_t gap = draw(word);
      at += gap;
      if (at >= slots) return count;
      // Written always and kept only if it was an event: no branch that the CPU could mispredict.
      out[count] = static_cast<std::uint16_t>(at);
      const std::size_t is_event = gap != overflow ? 1 : 0;
      count += is_event;
      at += is_event;
    }
  }
}

SlotSampler::SlotSampler(double event_probability)
    : threshold_(binary_fraction(event_probability)) {
  if (!(event_probability >= rare_below)) gaps_.emplace(event_probability);
}

std::size_t SlotSampler::draw_places(const SlotDraw& draw, std::span<std::uint16_t> places) const {
  QUOIN_INVARIANT(is_rare(), "frequent events drawn by their gaps");
  return gaps_->draw_places({draw.key, draw.domain, draw.index}, SlotMask::slot_count, places);
}

std::size_t SlotSampler::draw_mask(const SlotDraw& draw, SlotMask& mask) const {
  constexpr std::size_t masks_at_once = 32;
  constexpr std::size_t words_at_once = masks_at_once * 16;  // 16 bits per slot
  alignas(64) std::array<std::uint64_t, words_at_once> random;
  std::array<std::uint64_t, masks_at_once> equal;
  auto& words = mask.words;
  for (std::size_t at = 0; at < words.size(); at += masks_at_once) {
    fill_counter_words({draw.key, draw.domain, draw.index}, at * 8, random);
    sampling_bodies::mark_below_simd(random, static_cast<std::uint16_t>(threshold_ >> 48),
                                     &words[at], equal.data());
    std::uint64_t any = 0;
    for (const std::uint64_t word : equal) any |= word;
    for (std::size_t w = 0; any != 0 && w < masks_at_once; ++w)
      for (std::uint64_t left = equal[w]; left != 0; left &= left - 1) {
        const auto bit = static_cast<std::size_t>(std::countr_zero(left));
        if (deciding_word(draw, (at + w) * 64 + bit) < threshold_ << 16)
          words[at + w] |= std::uint64_t{1} << bit;
      }
  }
  return mask.count_ones();
}

CodeTable::CodeTable(std::span<const double> weights)
    : columns_(alias_columns(weights, size, code_mass)) {
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint64_t threshold = std::min(columns_[i].threshold, code_mass - 1);
    high_[i] = static_cast<std::uint8_t>(threshold >> 45);
    low_[i] = static_cast<std::uint8_t>(threshold >> 37);
    alias_[i] = static_cast<std::uint8_t>(columns_[i].alias);
  }
}

void CodeTable::draw(const SlotDraw& draw, std::span<std::uint8_t> out) const {
  constexpr std::size_t groups_at_once = 16;
  constexpr std::size_t words_per_group = 3 * codes_at_once / 8;
  alignas(64) std::array<std::uint64_t, groups_at_once * words_per_group> random;
  std::array<std::uint64_t, groups_at_once> undecided;
  const sampling_bodies::CodeColumns bytes{high_.data(), low_.data(), alias_.data()};
  for (std::size_t at = 0; at < out.size(); at += groups_at_once * codes_at_once) {
    const std::size_t codes = std::min(out.size() - at, groups_at_once * codes_at_once);
    const std::size_t groups = (codes + codes_at_once - 1) / codes_at_once;
    const std::span words = std::span(random).first(groups * words_per_group);
    fill_counter_words({draw.key, draw.domain, draw.index}, at * 3 / 16, words);
    sampling_bodies::draw_codes_simd(bytes, words, out.data() + at, undecided.data());
    for (std::size_t g = 0; g < groups; ++g)
      for (std::uint64_t left = undecided[g]; left != 0; left &= left - 1) {
        const std::size_t i =
            at + g * codes_at_once + static_cast<std::size_t>(std::countr_zero(left));
        // Still its own column's number: undecided draws are left at that.
        const AliasColumn& column = columns_[out.data()[i]];
        constexpr std::uint64_t rest = (std::uint64_t{1} << 37) - 1;
        if (deciding_word(draw, i) >> 27 >= (column.threshold & rest))
          out.data()[i] = static_cast<std::uint8_t>(column.alias);
      }
  }
}

double CodeTable::probability(std::size_t outcome) const {
  std::uint64_t mass = columns_[outcome].threshold;
  for (const AliasColumn& column : columns_)
    if (column.alias == outcome) mass += code_mass - column.threshold;
  return static_cast<double>(mass) / (static_cast<double>(size) * static_cast<double>(code_mass));
}

BinomialSampler::Table BinomialSampler::make_table(double p, unsigned log2_n) {
  const std::uint64_t n = std::uint64_t{1} << log2_n;
  Table table;
  if (!(p > 0 && p < 1)) {
    table.least = p > 0 ? static_cast<std::uint32_t>(n) : 0;
    table.columns = {binomial_mass - 1};
    table.columns[0] <<= 16;
    return table;
  }
  const double odds = p / (1 - p);
  const double trials = static_cast<double>(n);
  const std::uint64_t mode = std::min(n, static_cast<std::uint64_t>((trials + 1) * p));
  std::vector<double> below;
  std::uint64_t least = mode;
  for (double weight = 1; least > 0; --least) {
    const double k = static_cast<double>(least);
    weight *= k / ((trials - k + 1) * odds);
    if (weight < negligible) break;
    below.push_back(weight);
  }
  std::vector<double> weights(below.rbegin(), below.rend());
  double weight = 1;
  for (std::uint64_t k = mode; weight >= negligible && k <= n; ++k) {
    weights.push_back(weight);
    weight *= (trials - static_cast<double>(k)) / static_cast<double>(k + 1) * odds;
  }
  table.least = static_cast<std::uint32_t>(least);
  for (const AliasColumn& column :
       alias_columns(weights, std::bit_ceil(weights.size()), binomial_mass))
    table.columns.push_back(std::min(column.threshold, binomial_mass - 1) << 16 | column.alias);
  return table;
}

BinomialSampler::BinomialSampler(double p) {
  for (unsigned k = 0; k < tables; ++k) tables_[k] = make_table(p, k);
}

std::uint64_t BinomialSampler::draw(CounterRng& rng, std::uint64_t n) const {
  QUOIN_INVARIANT(n <= binomial_trials_max, "a binomial of too many trials");
  std::uint64_t sum = 0;
  const auto add = [&](const Table& table) {
    const std::uint64_t word = rng.next();
    const std::uint64_t own = word & (table.columns.size() - 1);
    const std::uint64_t column = table.columns[own];
    sum += table.least + (word >> 16 < column >> 16 ? own : column & 0xffff);
  };
  constexpr std::uint64_t largest = std::uint64_t{1} << (tables - 1);
  for (; n >= 2 * largest; n -= largest) add(tables_[tables - 1]);
  for (; n != 0; n &= n - 1) add(tables_[static_cast<std::size_t>(std::countr_zero(n))]);
  return sum;
}

MultinomialSampler::MultinomialSampler(std::span<const double> weights) {
  double rest = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    rest += weights[i];
    if (weights[i] > 0) last_ = i;
  }
  QUOIN_INVARIANT(rest > 0, "multinomial without weight");
  for (std::size_t i = 0; i < last_; ++i) {
    parts_.emplace_back(std::min(weights[i] / rest, 1.0));
    rest -= weights[i];
  }
}

void MultinomialSampler::draw(CounterRng& rng, std::uint64_t n,
                              std::span<std::uint64_t> counts) const {
  std::fill(counts.begin(), counts.end(), 0);
  for (std::size_t i = 0; i < last_ && n > 0; ++i) {
    counts[i] = parts_[i].draw(rng, n);
    n -= counts[i];
  }
  counts[last_] += n;
}

void spread_codes(const SlotMask& mask, const std::uint8_t* codes, SlotCodes& slots) {
  sampling_bodies::spread_codes_simd(mask.words, codes, slots.data());
}

std::size_t gather_events(const SlotMask& mask, const SlotCodes& slots, std::uint32_t first_offset,
                          std::uint32_t* offsets, std::uint8_t* codes) {
  return sampling_bodies::gather_events_simd(mask.words, slots.data(), first_offset, offsets,
                                             codes);
}

PlacePermutation::PlacePermutation(const CounterStream& stream, std::size_t n) : n_(n) {
  QUOIN_INVARIANT(n <= SlotMask::slot_count, "a permutation of too many places");
  std::array<std::uint64_t, rounds> words{};
  fill_counter_words(stream, 0, words);
  for (std::size_t i = 0; i < rounds; ++i)
    rounds_[i] = {static_cast<std::uint16_t>(words[i] | 1),
                  static_cast<std::uint16_t>(words[i] >> 16)};
}

std::uint16_t PlacePermutation::mix(std::uint16_t x) const {
  for (const Round& round : rounds_) x = mix_once(x, round);
  return x;
}

std::size_t PlacePermutation::operator()(std::size_t place) const {
  auto x = static_cast<std::uint16_t>(place);
  do x = mix(x);
  while (x >= n_);
  return x;
}

void PlacePermutation::apply_to_all(std::span<std::uint16_t> out) const {
  QUOIN_INVARIANT(out.size() == SlotMask::slot_count, "a permutation without room");
  std::vector<std::uint16_t> once(out.size());
  std::iota(once.begin(), once.end(), std::uint16_t{0});
  // Round by round, so that the compiler can take several places at a time.
  for (const Round& round : rounds_)
    for (std::uint16_t& x : once) x = mix_once(x, round);
  for (std::size_t i = 0; i < n_; ++i) {
    out[i] = once[i];
    while (out[i] >= n_) out[i] = once[out[i]];
  }
}

void count_low_nibbles(std::span<const std::uint8_t> codes, std::span<std::uint64_t, 16> counts) {
  sampling_bodies::count_low_nibbles_simd(codes, counts);
}

namespace sampling_bodies {

void draw_codes_scalar(const CodeColumns& columns, std::span<const std::uint64_t> random,
                       std::uint8_t* codes, std::uint64_t* undecided) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(random.data());
  for (std::size_t g = 0; g < random.size() / 24; ++g, bytes += 192) {
    undecided[g] = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      const std::uint8_t column = bytes[i] & 127;
      const unsigned drawn = unsigned{bytes[64 + i]} << 8 | bytes[128 + i];
      const unsigned threshold = unsigned{columns.high[column]} << 8 | columns.low[column];
      codes[64 * g + i] = drawn > threshold ? columns.alias[column] : column;
      undecided[g] |= std::uint64_t{drawn == threshold ? 1u : 0u} << i;
    }
  }
}

void mark_below_scalar(std::span<const std::uint64_t> random, std::uint16_t threshold,
                       std::uint64_t* below, std::uint64_t* equal) {
  for (std::size_t i = 0; i < random.size() * 4; ++i) {
    const auto drawn = static_cast<std::uint16_t>(random[i / 4] >> (i % 4 * 16));
    if (i % 64 == 0) below[i / 64] = equal[i / 64] = 0;
    below[i / 64] |= std::uint64_t{drawn < threshold ? 1u : 0u} << (i % 64);
    equal[i / 64] |= std::uint64_t{drawn == threshold ? 1u : 0u} << (i % 64);
  }
}

void spread_codes_scalar(std::span<const std::uint64_t> mask, const std::uint8_t* codes,
                         std::uint8_t* slots) {
  std::fill_n(slots, mask.size() * 64, std::uint8_t{0});
  for (std::size_t w = 0; w < mask.size(); ++w)
    for (std::uint64_t left = mask[w]; left != 0; left &= left - 1)
      slots[64 * w + static_cast<std::size_t>(std::countr_zero(left))] = *codes++;
}

std::size_t gather_events_scalar(std::span<const std::uint64_t> mask, const std::uint8_t* slots,
                                 std::uint32_t first_offset, std::uint32_t* offsets,
                                 std::uint8_t* codes) {
  std::size_t count = 0;
  for (std::size_t w = 0; w < mask.size(); ++w)
    for (std::uint64_t left = mask[w]; left != 0; left &= left - 1, ++count) {
      const auto place =
          static_cast<std::uint32_t>(64 * w) + static_cast<std::uint32_t>(std::countr_zero(left));
      offsets[count] = first_offset + place;
      codes[count] = slots[place];
    }
  return count;
}

}  // namespace sampling_bodies

}  // namespace quoin
