// The words of the quantum link that every layer shares: roles, bases, intensities, what the
// devices hand over, and counts.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/bits.hpp"

namespace quoin {

// Who prepares and who measures on the quantum channel. Independent of who opened the classical
// connection.
enum class QuantumRole : std::uint8_t { alice = 0, bob = 1 };
enum class ConnectionRole : std::uint8_t { initiator = 0, responder = 1 };
constexpr QuantumRole other(QuantumRole role) {
  return role == QuantumRole::alice ? QuantumRole::bob : QuantumRole::alice;
}
inline const char* to_string(QuantumRole role) {
  return role == QuantumRole::alice ? "alice" : "bob";
}

// The biased protocol makes key from the X basis and bounds the phase error from the Z basis (Lim
// 2014).
enum class Basis : std::uint8_t { key_x = 0, test_z = 1 };
enum class Intensity : std::uint8_t { signal = 0, decoy = 1, vacuum = 2 };
constexpr std::size_t basis_count = 2;
constexpr std::size_t intensity_count = 3;

// Position of a pulse since the start of the device run; never reused within a run.
using SlotIndex = std::uint64_t;

// Session number in the upper half, running number in the lower half: unique over restarts.
enum class BlockId : std::uint64_t {};
constexpr BlockId make_block_id(std::uint32_t session, std::uint32_t index) {
  return static_cast<BlockId>(std::uint64_t{session} << 32 | index);
}
constexpr std::uint64_t to_u64(BlockId id) { return static_cast<std::uint64_t>(id); }

// What Bob's device hands over for the slots [first_slot, first_slot + slot_count): one entry per
// slot with a click, in order.
struct DetectionEvents {
  SlotIndex first_slot = 0;
  std::uint64_t slot_count = 0;
  std::vector<std::uint32_t> offsets;  // slot - first_slot, strictly increasing
  BitString basis_is_test;             // Bob's basis choice, per entry
  SecretBits clicked_0;                // click mask: detector of outcome 0, per entry
  SecretBits clicked_1;                // click mask: detector of outcome 1; both set = double click
  std::array<std::uint64_t, 2> singles{};     // all clicks per detector, dead-time drops included
  std::uint64_t slots_dropped_dead_time = 0;  // slots left out since any detector was dead
  DetectionEvents clone_secret() const {
    return {first_slot,
            slot_count,
            offsets,
            basis_is_test,
            clicked_0.clone_secret(),
            clicked_1.clone_secret(),
            singles,
            slots_dropped_dead_time};
  }
};

// What Alice's device answers for slots that were detected: one entry per slot asked for, in order.
struct SettingPlanes {
  BitString basis_is_test;
  BitString intensity_is_decoy;
  BitString intensity_is_vacuum;  // neither = signal; both set is invalid
  SecretBits bits;
  SettingPlanes clone_secret() const {
    return {basis_is_test, intensity_is_decoy, intensity_is_vacuum, bits.clone_secret()};
  }
};

// Pulses emitted per basis and intensity over a range of slots.
struct EmissionSums {
  std::array<std::array<std::uint64_t, intensity_count>, basis_count> sent{};
  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const auto& basis : sent)
      for (const std::uint64_t n : basis) sum += n;
    return sum;
  }
  bool operator==(const EmissionSums&) const = default;
};

// Detections with equal basis, and errors among them, per intensity.
struct BasisCounts {
  std::array<std::uint64_t, intensity_count> detected{};
  std::array<std::uint64_t, intensity_count> errors{};
  std::uint64_t detected_total() const { return detected[0] + detected[1] + detected[2]; }
  std::uint64_t errors_total() const { return errors[0] + errors[1] + errors[2]; }
  bool operator==(const BasisCounts&) const = default;
};

// All that a proof may look at. Integers; rates are derived late.
struct BlockCounts {
  BasisCounts key;   // X basis
  BasisCounts test;  // Z basis
  EmissionSums emitted;
  std::uint64_t slots = 0;       // N, the number of emitted slots, fixed in advance
  std::uint64_t detections = 0;  // all entries of Bob's commitment
  std::uint64_t double_clicks = 0;
  bool operator==(const BlockCounts&) const = default;
};

}  // namespace quoin
