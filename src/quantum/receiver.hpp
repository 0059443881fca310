// Inside of the simulator: Bob's receiver from hits to detections, slot after slot. Dead time
// (common to all detectors) decides which hits are seen; an avalanche may leave a trapped carrier
// whose release makes its detector click once more, if the receiver is alive then.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/dead_time.hpp"
#include "quantum/slot_source.hpp"

namespace quoin {

class Receiver {
 public:
  // `key` outlives it.
  Receiver(const LinkPhysics& physics, const CounterKey& key);

  // Detections of slots [low, high) of the chunk whose hits are given; slots never go back.
  // Offsets are first_offset (modulo 2^32) plus the place in the chunk. Both outputs have room for
  // chunk_slots + HitChunk::room entries; returns how many were written. Changes codes in `hits`.
  std::size_t receive(HitChunk& hits, std::uint64_t low, std::uint64_t high,
                      std::uint32_t first_offset, std::uint32_t* offsets, std::uint8_t* codes);

  // What it remembers of the past, to go back to.
  struct Memory;
  Memory memory() const;
  void restore(Memory memory);

  // The first slot in which all detectors are alive, given the slots received so far.
  SlotIndex live_from() const { return live_from_; }
  std::uint64_t dead_slots() const { return dead_time_.dead_slots(); }

 private:
  struct Release {
    SlotIndex slot;
    std::uint8_t click;  // the detector's bit of the click mask, at its place in a code
    bool operator<(const Release& other) const { return slot < other.slot; }
  };
  struct Output {
    std::uint32_t first_offset;
    std::uint32_t* offsets;
    std::uint8_t* codes;
    std::size_t count = 0;
  };

  void receive_list(const HitChunk& hits, std::uint64_t low, std::uint64_t high, Output& out);
  void receive_mask(HitChunk& hits, std::uint64_t low, std::uint64_t high, Output& out);
  void release_into_list(const HitChunk& hits, Output& out);
  void release_into_mask(HitChunk& hits, std::uint64_t low, std::uint64_t high);
  bool is_dead_at(const HitChunk& hits, std::uint64_t place, std::uint64_t low) const;
  std::uint8_t idle_code_at(const HitChunk& hits, std::size_t place);
  void trap(SlotIndex slot, std::uint8_t code);
  bool does_release_trap(SlotIndex slot) const;

  DeadTimeFilter dead_time_;
  std::uint64_t trap_threshold_;  // afterpulse probability of 2^64
  GapSampler delays_;
  const CounterKey& key_;
  SlotIndex live_from_ = 0;
  std::vector<Release> pending_;   // in order
  std::optional<IdleSlots> idle_;  // of the chunk at hand, when needed
  SlotMask seen_;
  SlotMask trapped_;
};

struct Receiver::Memory {
  SlotIndex live_from;
  std::vector<Release> pending;
};

}  // namespace quoin
