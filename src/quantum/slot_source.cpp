#include "quantum/slot_source.hpp"

#include <span>

namespace quoin {

namespace {

enum Domain : std::uint64_t { positions_domain = 1, codes_domain, idle_domain, order_domain };

// The codes of intensities 0, 1, 2 are 0, 4, 8: decoy and vacuum are a plane each.
std::size_t setting_code(std::size_t basis, std::size_t intensity, std::size_t bit) {
  return bit | basis << 1 | intensity << 2;
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
      w.idle[code] += both * masks[0];
      for (std::size_t mask = 1; mask < masks.size(); ++mask) {
        const double weight = both * masks[mask];
        w.hit[code | measured << bob_test_plane | mask << click_0_plane] = weight;
        w.hit_total += weight;
      }
    }
  }
  // A link without light and dark counts never draws a code, but its table must exist.
  if (w.hit_total == 0) w.hit[setting_code(0, 0, 0) | 1u << click_0_plane] = 1;
  return w;
}

SlotStatistics::SlotStatistics(const LinkPhysics& physics, const Eve& eve)
    : SlotStatistics(weigh(physics, eve)) {}

SlotStatistics::SlotStatistics(const Weights& weights)
    : weights_(weights),
      hit_probability_(weights.hit_total),
      gaps_(weights.hit_total),
      hit_codes_(weights.hit) {}

void derive_hits(const SlotStatistics& statistics, std::uint64_t seed, std::uint64_t chunk,
                 HitChunk& hits) {
  CounterRng positions({seed, positions_domain, chunk});
  hits.count = statistics.gaps().draw_positions(positions, chunk_slots, hits.positions);
  const std::span words = std::span(hits.words).first((hits.count + 3) / 4 * 4);
  fill_counter_words({seed, codes_domain, chunk}, 0, words);
  for (std::size_t i = 0; i < hits.count; ++i)
    hits.codes[i] = static_cast<std::uint8_t>(statistics.hit_codes().draw(words[i]));
}

std::vector<std::uint64_t> derive_idle_counts(const SlotStatistics& statistics, std::uint64_t seed,
                                              std::uint64_t chunk, std::size_t hit_count) {
  if (hit_count == chunk_slots) return std::vector<std::uint64_t>(setting_codes, 0);
  CounterRng rng({seed, idle_domain, chunk});
  return draw_multinomial(rng, chunk_slots - hit_count, statistics.idle_weights());
}

void derive_all_settings(const SlotStatistics& statistics, std::uint64_t seed, std::uint64_t chunk,
                         const HitChunk& hits, std::vector<std::uint8_t>& settings) {
  std::vector<std::uint64_t> left = derive_idle_counts(statistics, seed, chunk, hits.count);
  std::uint64_t idle = chunk_slots - hits.count;
  CounterRng rng({seed, order_domain, chunk});
  settings.resize(chunk_slots);
  std::size_t next_hit = 0;
  // Independent slots, given how often each setting occurs, are a random order of those settings:
  // drawing without replacement.
  for (std::size_t slot = 0; slot < chunk_slots; ++slot) {
    if (next_hit < hits.count && hits.positions[next_hit] == slot) {
      settings[slot] = hits.codes[next_hit++] & setting_mask;
      continue;
    }
    std::uint64_t pick = rng.below(idle--);
    std::size_t code = 0;
    while (pick >= left[code]) pick -= left[code++];
    --left[code];
    settings[slot] = static_cast<std::uint8_t>(code);
  }
}

}  // namespace quoin
