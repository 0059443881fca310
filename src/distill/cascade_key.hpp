// The secret side of Cascade: one party's key, with a shuffled copy for every pass, so that the
// parity of a part is that of a few neighbouring words. Only for the cascade files.
#pragma once

#include "core/key_stages.hpp"
#include "distill/cascade_plan.hpp"

namespace quoin {

class CascadeKey {
 public:
  // `layout` outlives the object.
  CascadeKey(SiftedKey&& key, const CascadeLayout& layout);

  std::size_t size_bits() const { return key_.size_bits(); }
  // The bits of a frame in the order of a pass: as many words as a frame has and one more, zeros
  // past the end of the key. The first pass has natural order.
  const std::uint64_t* copy(std::size_t frame, std::size_t pass) const {
    return copies_.expose_secret().data() + offset_of(frame, pass);
  }
  WordSpan copy_words(std::size_t frame, std::size_t pass) const {
    return {copy(frame, pass), layout_->frame_words()};
  }
  // Flips a place of a copy. The key itself stays as it is until it is released.
  void flip(std::size_t frame, std::size_t pass, std::size_t place) {
    copy_mutable(frame, pass)[place / 64] ^= std::uint64_t{1} << (place % 64);
  }

  // The key with the bits flipped that differ; errors has a bit for every bit of the key.
  SecretBits release_corrected(const BitString& errors) &&;
  SecretBits release() && { return std::move(key_); }

 private:
  std::uint64_t* copy_mutable(std::size_t frame, std::size_t pass) {
    return copies_.expose_secret_mutable().data() + offset_of(frame, pass);
  }
  std::size_t offset_of(std::size_t frame, std::size_t pass) const {
    return (frame * passes_ + pass) * stride_;
  }
  void copy_group(std::size_t first_frame, std::size_t frames);

  const CascadeLayout* layout_;
  std::size_t passes_;
  std::size_t stride_;  // words from copy to copy, at least one more than a frame has
  SecretBits key_;
  SecretBits sliced_;  // while the copies are made: of a group of frames, a word per position
  SecretBits copies_;  // frame by frame, and in a frame pass by pass
};

// Parity of `size` places, 1 to 64, of a copy, without branches.
inline bool short_parity(const std::uint64_t* copy, std::size_t begin, std::size_t size) {
  const std::uint64_t* words = copy + begin / 64;
  const std::uint64_t bits = words[0] >> (begin % 64) | words[1] << 1 << (63 - begin % 64);
  // By folding: a count of ones may be a table lookup, whose timing tells the bits.
  return __builtin_parityll(bits << (64 - size)) != 0;
}

}  // namespace quoin
