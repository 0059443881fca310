// Inside of the simulator: what happened in a chunk of 2^16 slots, as a pure function of tables,
// seed and chunk number. Hits are slots in which a detector that is alive would click; what dead
// time and afterpulses make of them comes later, on Bob's side (receiver.hpp).
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
static_assert(chunk_slots == SlotMask::slot_count);

// A slot's code. Alice's setting: bit 0 her bit, bit 1 test basis, bit 2 decoy, bit 3 vacuum.
constexpr std::size_t setting_codes = 12;
constexpr std::uint8_t setting_mask = 0x0f;
// Bob's side: bit 4 his test basis, bits 5 and 6 the click mask, which a hit has and an idle slot
// has not. Bit 7: the hit leaves a trapped carrier, which makes an afterpulse if the hit is seen.
constexpr unsigned bob_test_plane = 4;
constexpr unsigned click_0_plane = 5;
constexpr unsigned trap_plane = 7;

// What a stream of random words is for. Sampled slots and codes take two domains each.
enum SlotDomain : std::uint16_t {
  positions_domain = 1,
  codes_domain = 3,
  traps_domain = 5,
  idle_domain,
  order_domain,
  idle_basis_domain,
  release_domain
};

using SettingCounts = std::array<std::uint64_t, 16>;  // by setting

// The distribution of one slot under one Eve.
class SlotStatistics {
 public:
  SlotStatistics(const LinkPhysics& physics, const Eve& eve);

  double hit_probability() const { return hit_probability_; }
  const SlotSampler& hits() const { return hits_; }
  const CodeTable& hit_codes() const { return hit_codes_; }
  // Which hits leave a trapped carrier.
  bool are_traps_possible() const { return are_traps_possible_; }
  const GapSampler& traps() const { return traps_; }
  // Settings of slots without a hit, and how likely Bob then measured in the test basis (of 2^64).
  const MultinomialSampler& idle_settings() const { return idle_settings_; }
  std::uint64_t idle_test_basis(std::size_t setting) const { return idle_test_basis_[setting]; }

 private:
  struct Weights {
    std::array<double, CodeTable::size> hit{};
    std::array<std::array<double, setting_codes>, basis_count> idle{};  // by Bob's basis
    double hit_total = 0;
  };
  static Weights weigh(const LinkPhysics& physics, const Eve& eve);
  SlotStatistics(const LinkPhysics& physics, const Weights& weights);

  double hit_probability_;
  SlotSampler hits_;
  CodeTable hit_codes_;
  bool are_traps_possible_;
  GapSampler traps_;
  std::array<std::uint64_t, setting_codes> idle_test_basis_{};
  MultinomialSampler idle_settings_;
};

// A chunk's hits: where they are rare as a list of places, else as a mask with a code per slot.
struct HitChunk {
  static constexpr std::size_t room = 64;  // beyond the end, for vectors

  std::uint64_t chunk = 0;
  std::shared_ptr<const SlotStatistics> statistics;  // null: nothing derived yet
  std::size_t count = 0;
  std::array<std::uint8_t, chunk_slots + room> codes{};  // in order
  bool is_listed = false;
  std::array<std::uint16_t, chunk_slots + room> places{};  // when listed
  SlotMask mask;                                           // when not
  SlotCodes slots{};                                       // when not; 0: no hit
  std::array<std::uint16_t, chunk_slots + 1> trapped{};    // scratch: hits that leave a carrier

  // The hit's code, or 0.
  std::uint8_t code_at(std::size_t place) const;
  // Hits before `place`, of a listed chunk.
  std::size_t rank(std::size_t place) const;
  void wipe();
};

void derive_hits(std::shared_ptr<const SlotStatistics> statistics, const CounterKey& key,
                 std::uint64_t chunk, HitChunk& hits);

// The slots of a chunk that have no hit: how often they have which code, and which has which.
class IdleSlots {
 public:
  // `hits` outlives it and stays as it is.
  IdleSlots(const HitChunk& hits, const CounterKey& key);
  // Adds how often each setting was sent in them.
  void add_settings(SettingCounts& counts) const;
  // Setting and Bob's basis of a slot without a hit.
  std::uint8_t code_at(std::size_t place) const;
  // The setting of every slot of the chunk, hits included.
  void all_settings(SlotCodes& settings) const;

 private:
  void prepare() const;
  std::size_t hits_before(std::size_t place) const;

  const HitChunk& hits_;
  const CounterKey& key_;
  std::array<std::uint64_t, setting_codes> counts_{};
  // Made when first asked for a slot.
  mutable std::optional<PlacePermutation> order_;
  mutable std::vector<std::uint16_t> hits_before_word_;
};

}  // namespace quoin
