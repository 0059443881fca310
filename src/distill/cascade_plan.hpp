// What both sides of Cascade derive from public parameters: block sizes, permutations and masks.
// Only for the cascade files.
//
// Passes come in two kinds. A permuted pass shuffles the frame (the first one does not) and cuts it
// into blocks of k places. After these, each mask takes a random half of the frame in natural
// order; it costs one parity and halves the chance that errors remain unseen. At the end further
// masks, the same for all frames, do so for all frames together.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "distill/reconcile.hpp"

namespace quoin {

struct CascadePlan {
  std::size_t frame_bits = 0;  // of all frames; the last one may be cut short by the key
  std::size_t frames = 0;
  std::vector<std::uint32_t> block_bits;  // k of every permuted pass
  std::size_t masks = 0;                  // per frame
  std::size_t block_masks = 0;            // over all frames together
};

// Block sizes after Martinez-Mateo, Pacher, Peev, Ciurana, Martin, "Demystifying the information
// reconciliation protocol Cascade", QIC 15 (2015) 453, and trials of our own.
CascadePlan make_cascade_plan(std::size_t key_bits, const ReconcileParameters& parameters);

// The permutations and masks of a plan, shared by all frames.
class CascadeLayout {
 public:
  CascadeLayout(const CascadePlan& plan, const std::array<std::byte, 32>& seed);

  const CascadePlan& plan() const { return plan_; }
  std::size_t frame_bits() const { return plan_.frame_bits; }
  std::size_t frame_words() const { return words_for_bits(plan_.frame_bits); }
  std::size_t passes() const { return plan_.block_bits.size(); }
  std::size_t block_bits(std::size_t pass) const { return plan_.block_bits[pass]; }

  // position_of[i] = position in the frame of place i; empty for the first pass, which is in order.
  const std::vector<std::uint16_t>& position_of(std::size_t pass) const {
    return position_of_[pass];
  }
  std::size_t position(std::size_t pass, std::size_t place) const {
    return pass == 0 ? place : position_of_[pass][place];
  }
  std::size_t place(std::size_t pass, std::size_t position) const {
    return pass == 0 ? position : place_of_[pass][position];
  }
  // Those of frames first, then those of the block.
  WordSpan mask(std::size_t index) const { return masks_[index]; }

 private:
  CascadePlan plan_;
  std::vector<std::vector<std::uint16_t>> position_of_;
  std::vector<std::vector<std::uint16_t>> place_of_;
  std::vector<std::vector<std::uint64_t>> masks_;
};

}  // namespace quoin
