// Dead time: which of the events that a receiver could see it does see. Sequential by nature, and
// run over every click of the simulator, hence fast for short dead times.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/sampling.hpp"

namespace quoin {

enum class DeadTimeKind : std::uint8_t {
  non_paralysable,  // dead after an event that was seen
  paralysable,      // dead after any event, seen or not: dead times prolong each other
};

class DeadTimeFilter {
 public:
  // Every event makes the `dead_slots` slots behind it dead.
  DeadTimeFilter(DeadTimeKind kind, std::uint64_t dead_slots);

  std::uint64_t dead_slots() const { return dead_slots_; }
  DeadTimeKind kind() const { return kind_; }
  // Sets `seen` to the events of slots [low, high) that find the receiver alive, for a receiver
  // that is alive from slot `live_from` on; returns from when on it is alive afterwards.
  // low < high <= 2^16; live times count from the mask's first slot and may lie beyond it.
  std::uint64_t apply(const SlotMask& events, std::uint64_t low, std::uint64_t high,
                      std::uint64_t live_from, SlotMask& seen) const;
  // Mends `seen` after one more event at `slot` was seen, which it holds already: what follows in
  // [slot + 1, high) may be dead now, or alive again.
  void mend(const SlotMask& events, std::uint64_t slot, std::uint64_t high, SlotMask& seen) const;

 private:
  std::uint64_t walk(const SlotMask& events, std::uint64_t low, std::uint64_t high,
                     std::uint64_t live_from, SlotMask& seen) const;
  std::uint64_t walk_paralysed(const SlotMask& events, std::uint64_t low, std::uint64_t high,
                               std::uint64_t live_from, SlotMask& seen) const;
  std::uint64_t step_whole(const SlotMask& events, std::uint64_t live_from, SlotMask& seen) const;
  std::uint32_t state_before(const SlotMask& events, std::size_t word) const;

  DeadTimeKind kind_;
  std::uint64_t dead_slots_;
  // For dead times below a byte: (slots still dead, the next eight slots' events) -> what is seen
  // of them, in the low byte, and the slots still dead behind them, in the high byte.
  std::vector<std::uint16_t> steps_;
};

}  // namespace quoin
