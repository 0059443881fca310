// Inside of the simulator: what happened in a chunk of 2^16 slots, as a pure function of tables,
// seed and chunk number. Hits are slots in which a detector that is alive would click; dead time
// comes later, on Bob's side.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/sampling.hpp"
#include "quantum/eve.hpp"
#include "quantum/link_physics.hpp"

namespace quoin {

constexpr std::uint64_t chunk_slots = std::uint64_t{1} << 16;

// Alice's setting of a slot: bit 0 her bit, bit 1 test basis, bit 2 decoy, bit 3 vacuum.
constexpr std::size_t setting_codes = 12;
constexpr std::uint8_t setting_mask = 0x0f;
// A hit adds Bob's side: bit 4 his test basis, bits 5 and 6 the click mask.
constexpr unsigned bob_test_plane = 4;
constexpr unsigned click_0_plane = 5;

// The distribution of one slot under one Eve.
class SlotStatistics {
 public:
  SlotStatistics(const LinkPhysics& physics, const Eve& eve);

  double hit_probability() const { return hit_probability_; }
  const GapSampler& gaps() const { return gaps_; }
  const AliasTable<7>& hit_codes() const { return hit_codes_; }
  // Of the settings, joint with "no hit".
  const std::array<double, setting_codes>& idle_weights() const { return weights_.idle; }

 private:
  struct Weights {
    std::array<double, 128> hit{};
    std::array<double, setting_codes> idle{};
    double hit_total = 0;
  };
  static Weights weigh(const LinkPhysics& physics, const Eve& eve);
  explicit SlotStatistics(const Weights& weights);

  Weights weights_;
  double hit_probability_;
  GapSampler gaps_;
  AliasTable<7> hit_codes_;
};

// Room for a chunk's hits, in slot order.
struct HitChunk {
  std::vector<std::uint16_t> positions = std::vector<std::uint16_t>(chunk_slots);
  std::vector<std::uint8_t> codes = std::vector<std::uint8_t>(chunk_slots);
  std::vector<std::uint64_t> words = std::vector<std::uint64_t>(chunk_slots);  // scratch
  std::size_t count = 0;
};

void derive_hits(const SlotStatistics& statistics, std::uint64_t seed, std::uint64_t chunk,
                 HitChunk& hits);

// How often each setting was sent in the chunk's slots without a hit.
std::vector<std::uint64_t> derive_idle_counts(const SlotStatistics& statistics, std::uint64_t seed,
                                              std::uint64_t chunk, std::size_t hit_count);

// The setting of every slot of the chunk, hits included, agreeing with derive_idle_counts.
void derive_all_settings(const SlotStatistics& statistics, std::uint64_t seed, std::uint64_t chunk,
                         const HitChunk& hits, std::vector<std::uint8_t>& settings);

}  // namespace quoin
