// The first search of Cascade: all blocks of the first pass that differ, in all frames, halved in
// step, where blocks are 64 bits or fewer. A block's bits are one word and a step treats them in
// vectors; the parts it makes known are written to the frame's MarkedParts once, at the end. Only
// for the cascade files.
#pragma once

#include <vector>

#include "distill/cascade_bits.hpp"
#include "distill/cascade_key.hpp"

namespace quoin {

class CascadeFirstSearch {
 public:
  CascadeFirstSearch(std::size_t frames, unsigned log2_block)
      : frames_(frames), log2_block_(log2_block) {}

  // First, frame by frame in ascending order: the numbers of the blocks that differ.
  void add_block(std::size_t f, std::size_t block) {
    Frame& frame = frames_[f];
    if (frame.count++ == 0) frame.first = begin_group();
    blocks_.push_back(static_cast<std::uint16_t>(block));
  }
  // Then, and again when all frames have taken the differences of a level: takes the bits of these
  // blocks, or goes on to the next level.
  void step(const CascadeKey& key);
  // All levels are taken, or there never was a block.
  bool is_done() const { return is_loaded_ && (level_ == log2_block_ || blocks_.empty()); }

  // Parities of the left halves of the frame's blocks.
  void append_answers(std::size_t f, BitAppender& out);
  // Takes the differences of all left halves of the frame.
  void take(std::size_t f, BitCursor& differences);
  // When done: Status visit(block, place of the error in the block), until it fails.
  template <class Visit>
  Status for_each_found(std::size_t f, Visit visit) const {
    for (std::size_t i = frames_[f].first; i < frames_[f].first + frames_[f].count; ++i) {
      std::size_t offset = 0;
      for (std::size_t at = i / 64; at < planes_.size(); at += plane_words())
        offset = offset * 2 + (~planes_[at] >> (i % 64) & 1);
      QUOIN_TRY(visit(std::size_t{blocks_[i]}, offset));
    }
    return success();
  }
  // Bit i is set when the search for an error at `offset` begins a part at place i of the block.
  std::uint64_t begins_of_search(std::size_t offset) const;

 private:
  struct Frame {
    std::size_t first = 0;  // a multiple of 64
    std::size_t count = 0;
  };

  std::size_t begin_group() {
    blocks_.resize(words_for_bits(blocks_.size()) * 64);
    return blocks_.size();
  }
  void load(const CascadeKey& key);
  std::size_t plane_words() const { return words_for_bits(blocks_.size()); }
  unsigned half_bits() const { return 1U << (log2_block_ - 1 - level_); }

  std::vector<Frame> frames_;
  unsigned log2_block_;
  unsigned level_ = 0;
  bool is_loaded_ = false;
  std::vector<std::uint16_t> blocks_;
  SecretBits values_;                  // a word per block: what is left of it, from the lowest bit
  std::vector<std::uint64_t> planes_;  // per level, a bit per block: the left half differs
  std::vector<std::uint64_t> parities_;
};

}  // namespace quoin
