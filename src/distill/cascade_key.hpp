// The secret side of Cascade: one party's key, with a shuffled copy for every permuted pass, so
// that the parity of a block is that of a few neighbouring words. Only for the cascade files.
#pragma once

#include <vector>

#include "core/key_stages.hpp"
#include "distill/cascade_plan.hpp"

namespace quoin {

class CascadeKey {
 public:
  // Frames have `full` layout's length, the last one `last` layout's. Both outlive the object.
  CascadeKey(SiftedKey&& key, const CascadeLayout& full, const CascadeLayout& last);

  std::size_t frames() const { return frames_; }
  const CascadeLayout& layout(std::size_t frame) const {
    return frame + 1 == frames_ ? *last_ : *full_;
  }
  bool parity(std::size_t frame, std::size_t pass, CascadeNode node) const;
  // The frame's bits in natural order.
  WordSpan frame_words(std::size_t frame) const;
  MutableWordSpan frame_words_mutable(std::size_t frame);
  // Flips a bit in the key and in its shuffled copies.
  void flip(std::size_t frame, std::size_t position);

  SecretBits release() && { return std::move(key_); }

 private:
  void shuffle(std::size_t pass);
  void shuffle_group(std::size_t pass, std::size_t first_frame, std::size_t frames);

  const CascadeLayout* full_;
  const CascadeLayout* last_;
  std::size_t frames_ = 0;
  std::size_t frame_words_ = 0;
  std::size_t stride_ = 0;  // words from frame to frame in a shuffled copy
  SecretBits key_;
  std::vector<SecretBits> shuffled_;  // per permuted pass; empty for the first, which is the key
};

}  // namespace quoin
