#include "quantum/slot_source.hpp"

#include <algorithm>
#include <bit>
#include <span>

namespace quoin {

namespace {

// The codes of intensities 0, 1, 2 are 0, 4, 8: decoy and vacuum are a plane each.
std::size_t setting_code(std::size_t basis, std::size_t intensity, std::size_t bit) {
  return bit | basis << 1 | intensity << 2;
}

using IdleWeights = std::array<double, setting_codes>;
IdleWeights sum_of(const std::array<IdleWeights, basis_count>& parts) {
  IdleWeights sum = parts[0];
  for (std::size_t code = 0; code < setting_codes; ++code) sum[code] += parts[1][code];
  return sum;
}

}  // namespace

SlotStatistics::Weights SlotStatistics::weigh(const LinkPhysics& physics, const Eve& eve) {
  const OpticalChannel channel(physics);
  const double q = physics.key_basis_probability;
  const std::array<double, basis_count> basis_probability{q, 1 - q};
  Weights w;
  for (std::size_t code = 0; code < setting_codes; ++code) {
    const PulseSetting sent{.basis = static_cast<Basis>(code >> 1 & 1),
                            .intensity = static_cast<Intensity>(code >> 2),
                            .bit = (code & 1) != 0};
    const double sent_probability =
        basis_probability[code >> 1 & 1] * physics.intensity_probability[code >> 2] / 2;
    for (std::size_t measured = 0; measured < basis_count; ++measured) {
      const auto masks = eve.click_masks(channel, sent, static_cast<Basis>(measured));
      const double both = sent_probability * basis_probability[measured];
      w.idle[measured][code] = both * masks[0];
      for (std::size_t mask = 1; mask < masks.size(); ++mask) {
        const double weight = both * masks[mask];
        w.hit[code | measured << bob_test_plane | mask << click_0_plane] = weight;
        w.hit_total += weight;
      }
    }
  }
  // A link without light and dark counts never draws a code, one that always clicks no idle
  // setting, but their tables must exist.
  if (w.hit_total == 0) w.hit[setting_code(0, 0, 0) | 1u << click_0_plane] = 1;
  if (w.hit_total >= 1) w.idle[0][setting_code(0, 0, 0)] = 1;
  return w;
}

SlotStatistics::SlotStatistics(const LinkPhysics& physics, const Eve& eve)
    : SlotStatistics(physics, weigh(physics, eve)) {}

SlotStatistics::SlotStatistics(const LinkPhysics& physics, const Weights& weights)
    : hit_probability_(weights.hit_total),
      hits_(weights.hit_total),
      hit_codes_(weights.hit),
      are_traps_possible_(physics.afterpulse_probability > 0),
      traps_(physics.afterpulse_probability),
      idle_settings_(sum_of(weights.idle)) {
  for (std::size_t code = 0; code < setting_codes; ++code) {
    const double both = weights.idle[0][code] + weights.idle[1][code];
    idle_test_basis_[code] = both > 0 ? binary_fraction(weights.idle[1][code] / both) : 0;
  }
}

std::uint8_t HitChunk::code_at(std::size_t place) const {
  if (!is_listed) return slots[place];
  const std::size_t at = rank(place);
  return at < count && places[at] == place ? codes[at] : std::uint8_t{0};
}

std::size_t HitChunk::rank(std::size_t place) const {
  const auto end = places.begin() + static_cast<std::ptrdiff_t>(count);
  return static_cast<std::size_t>(std::lower_bound(places.begin(), end, place) - places.begin());
}

void HitChunk::wipe() {
  secure_wipe(std::as_writable_bytes(std::span(codes).first(count)));
  if (!is_listed) secure_wipe(std::as_writable_bytes(std::span(slots)));
  statistics.reset();
}

namespace {

void mark_traps(const GapSampler& traps, const CounterStream& stream, HitChunk& hits) {
  const std::size_t count = traps.draw_places(stream, hits.count, hits.trapped);
  for (std::size_t i = 0; i < count; ++i) hits.codes[hits.trapped[i]] |= 1u << trap_plane;
}

}  // namespace

void derive_hits(std::shared_ptr<const SlotStatistics> statistics, const CounterKey& key,
                 std::uint64_t chunk, HitChunk& hits) {
  const SlotStatistics& s = *statistics;
  hits.chunk = chunk;
  hits.is_listed = s.hits().is_rare();
  const SlotDraw positions{&key, positions_domain, chunk};
  hits.count = hits.is_listed ? s.hits().draw_places(positions, hits.places)
                              : s.hits().draw_mask(positions, hits.mask);
  s.hit_codes().draw({&key, codes_domain, chunk}, std::span(hits.codes).first(hits.count));
  if (s.are_traps_possible()) mark_traps(s.traps(), {&key, traps_domain, chunk}, hits);
  if (!hits.is_listed) spread_codes(hits.mask, hits.codes.data(), hits.slots);
  hits.statistics = std::move(statistics);
}

IdleSlots::IdleSlots(const HitChunk& hits, const CounterKey& key) : hits_(hits), key_(key) {
  CounterRng rng({&key, idle_domain, hits.chunk});
  hits.statistics->idle_settings().draw(rng, chunk_slots - hits.count, counts_);
}

void IdleSlots::prepare() const {
  if (order_) return;
  order_.emplace(CounterStream{&key_, order_domain, hits_.chunk}, chunk_slots - hits_.count);
  if (hits_.is_listed) return;
  hits_before_word_.resize(SlotMask::word_count);
  hits_.mask.count_before(hits_before_word_);
}

std::size_t IdleSlots::hits_before(std::size_t place) const {
  if (hits_.is_listed) return hits_.rank(place);
  const std::uint64_t before = hits_.mask.words[place / 64] & ~(~std::uint64_t{0} << (place % 64));
  return hits_before_word_[place / 64] + static_cast<std::size_t>(std::popcount(before));
}

void IdleSlots::add_settings(SettingCounts& counts) const {
  for (std::size_t code = 0; code < setting_codes; ++code) counts[code] += counts_[code];
}

// Independent slots, given how often each setting occurs, are a random order of those settings.
std::uint8_t IdleSlots::code_at(std::size_t place) const {
  prepare();
  std::size_t left = (*order_)(place - hits_before(place));
  std::size_t setting = 0;
  while (left >= counts_[setting]) left -= counts_[setting++];
  std::array<std::uint64_t, 2> words{};
  fill_counter_words({&key_, idle_basis_domain, hits_.chunk * chunk_slots + place}, 0, words);
  const bool is_test = words[0] < hits_.statistics->idle_test_basis(setting);
  return static_cast<std::uint8_t>(setting | (is_test ? 1u << bob_test_plane : 0u));
}

void IdleSlots::all_settings(SlotCodes& settings) const {
  std::vector<std::uint8_t> sorted;
  sorted.reserve(chunk_slots);
  for (std::size_t code = 0; code < setting_codes; ++code)
    sorted.insert(sorted.end(), counts_[code], static_cast<std::uint8_t>(code));
  std::vector<std::uint16_t> order_of_all(chunk_slots);
  prepare();
  order_->apply_to_all(order_of_all);
  std::size_t idle = 0;
  std::size_t hit = 0;
  for (std::size_t place = 0; place < chunk_slots; ++place) {
    const bool is_hit =
        hits_.is_listed ? hit < hits_.count && hits_.places[hit] == place : hits_.mask[place];
    settings[place] = is_hit ? hits_.codes[hit++] & setting_mask : sorted[order_of_all[idle++]];
  }
  secure_wipe(std::as_writable_bytes(std::span(sorted)));
}

}  // namespace quoin
