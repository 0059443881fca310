// Turns time into slots for a fibre that runs in real time. Sans-I/O: the caller brings the
// instant. Used by FibreStation; the adapter only sleeps until wake_at().
#pragma once

#include <cstdint>

#include "core/ports.hpp"
#include "core/quantum_vocabulary.hpp"

namespace quoin {

enum class Pace : std::uint8_t { realtime, max };

class FibrePacer {
 public:
  // Slot 0 leaves at `start`. slot_rate_hz as validated by LinkPhysics.
  FibrePacer(double slot_rate_hz, std::uint64_t retention_slots, Instant start);

  // Slots [0, emitted) have left by `now`. Zero before the start.
  SlotIndex emitted(Instant now) const;
  // The first slot still kept at `now` for a Bob who has not fetched it; older ones are dropped.
  SlotIndex oldest_kept(Instant now) const;
  // The earliest instant at which emitted() reaches `end`.
  Instant when_emitted(SlotIndex end) const;

 private:
  std::uint64_t slot_rate_millihertz_;
  std::uint64_t retention_slots_;
  Instant start_;
};

}  // namespace quoin
