// The simulated quantum link: decoy-state BB84 with weak coherent pulses, biased active bases,
// fibre loss, misalignment, efficiency, dark counts, dead time, afterpulses and an optional Eve.
// One object per fibre; its two devices may be used from two threads. Equal physics, seed and calls
// of set_eve give equal results on any machine, however the slots are split into blocks.
//
// Randomness is counter-based, keyed by seed and chunk of 2^16 slots: slots without a detection are
// hardly drawn at all, and Alice's side derives settings again instead of storing them, so memory
// does not grow with retention.
#pragma once

#include <cstdint>
#include <memory>

#include "core/result.hpp"
#include "quantum/device.hpp"
#include "quantum/eve.hpp"
#include "quantum/link_physics.hpp"

namespace quoin {

class SimulatedLink {
 public:
  // Fails as validate(physics) does.
  static Result<std::unique_ptr<SimulatedLink>> make(const LinkPhysics& physics,
                                                     std::uint64_t seed);
  ~SimulatedLink();
  SimulatedLink(const SimulatedLink&) = delete;
  SimulatedLink& operator=(const SimulatedLink&) = delete;

  AliceDevice& alice();
  BobDevice& bob();
  const LinkPhysics& physics() const;

  // Slots handed over to Bob so far: at pace `max` these are the slots emitted so far.
  SlotIndex emitted() const;

  // Puts `eve` (null: nobody) into the fibre from slot `from` on, rounded up to the next slot at
  // which a change is possible, at most 2^16 slots after what Bob has fetched; returns that slot.
  // From any thread. exhausted after 4096 changes.
  Result<SlotIndex> set_eve(std::shared_ptr<const Eve> eve, SlotIndex from);

  // Drops what Bob has not fetched before `slot` (a backlog beyond the retention window). Called by
  // the fibre process on the thread that uses bob(). No effect on slots already handed over.
  void drop_backlog_before(SlotIndex slot);

 private:
  struct State;
  explicit SimulatedLink(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace quoin
