// The device interface: what Alice's and Bob's optical hardware hand over. Pulled and blocking,
// called from a device thread of the site; nothing moves one record per pulse. Implemented by the
// simulator (in-process), by the fibre process's client in src/adapters, later by vendor equipment.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "core/passport.hpp"
#include "core/quantum_vocabulary.hpp"
#include "core/result.hpp"

namespace quoin {

// Bounds of one call. Devices refuse more with ErrorCode::too_large; decoders refuse it as
// malformed. slot_count fits the u32 offsets of DetectionEvents.
constexpr std::uint64_t block_slots_max = 0xffff'ffff;
constexpr std::uint64_t block_detections_max = std::uint64_t{1} << 25;
constexpr std::size_t device_description_max = 256;

// One entry of `settings` per offset asked for, in order; `emitted` sums over the whole range of
// slots.
struct AliceAnswer {
  SettingPlanes settings;
  EmissionSums emitted;
};

// What the device says of itself, for parameter agreement and monitors. Nominal values: no proof
// may trust more of it than its assumptions print.
struct DeviceCalibration {
  double slot_rate_hz = 0;
  std::array<double, intensity_count> mu{};  // mean photon numbers: signal, decoy, vacuum
  std::array<double, intensity_count> intensity_probability{};
  double key_basis_probability = 0;   // the same on both sides, chosen actively
  double dark_count_probability = 0;  // per detector and slot, mean over the detectors
  double detector_efficiency = 0;     // mean over the detectors, receiver loss excluded
  std::uint64_t dead_time_slots = 0;  // slots dropped after a click, whatever their basis
  std::uint64_t retention_slots = 0;  // how far back settings_for can look
  KeySource source = KeySource::simulated;
  std::string description;  // for people, at most device_description_max bytes
  bool operator==(const DeviceCalibration&) const = default;
};

class AliceDevice {
 public:
  virtual ~AliceDevice() = default;
  virtual Result<DeviceCalibration> calibration() = 0;
  // Settings of the pulses at first_slot + offsets[i], and sums over [first_slot, first_slot +
  // slot_count). `offsets` strictly increasing and below slot_count, else invalid_argument;
  // not_found: the range is older than the retention window or not emitted yet; too_large: over the
  // bounds above; unavailable: the device does not answer. Asking again gives the same answer.
  virtual Result<AliceAnswer> settings_for(SlotIndex first_slot, std::uint64_t slot_count,
                                           std::span<const std::uint32_t> offsets) = 0;
};

class BobDevice {
 public:
  virtual ~BobDevice() = default;
  virtual Result<DeviceCalibration> calibration() = 0;
  // The next `slot_count` slots not handed over yet: exactly that many, from the end of the block
  // before, or from a later slot when the device dropped a backlog older than its retention window
  // (first_slot says so; slots never go back). Double clicks come as both bits of the mask. A slot
  // in which any detector was dead has no entry. too_large: over the bounds above, nothing was
  // handed over; unavailable: the device does not answer.
  virtual Result<DetectionEvents> next_block(std::uint64_t slot_count) = 0;
};

}  // namespace quoin
