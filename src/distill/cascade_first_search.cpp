#include "distill/cascade_first_search.hpp"

#include <algorithm>

#include "kernels/block_parity.hpp"

namespace quoin {

void CascadeFirstSearch::step(const CascadeKey& key) {
  if (is_loaded_) {
    ++level_;
  } else {
    load(key);
  }
}

void CascadeFirstSearch::load(const CascadeKey& key) {
  is_loaded_ = true;
  values_ = SecretBits::zeroed(blocks_.size() * 64);
  planes_.resize(plane_words() * log2_block_);
  std::uint64_t* values = values_.expose_secret_mutable().data();
  const std::uint64_t low = last_word_mask(std::size_t{1} << log2_block_);
  for (std::size_t f = 0; f < frames_.size(); ++f) {
    const Frame& frame = frames_[f];
    if (frame.count == 0) continue;
    const std::uint64_t* words = key.copy(f, 0);
    for (std::size_t i = frame.first; i < frame.first + frame.count; ++i) {
      const std::size_t at = std::size_t{blocks_[i]} << log2_block_;
      values[i] = words[at / 64] >> (at % 64) & low;
    }
  }
}

void CascadeFirstSearch::append_answers(std::size_t f, BitAppender& out) {
  const Frame& frame = frames_[f];
  if (frame.count == 0) return;
  parities_.resize(words_for_bits(frame.count));
  left_parities(values_.expose_secret().subspan(frame.first, frame.count), half_bits(), parities_);
  out.append_words(parities_, frame.count);
}

void CascadeFirstSearch::take(std::size_t f, BitCursor& differences) {
  const Frame& frame = frames_[f];
  if (frame.count == 0) return;
  const MutableWordSpan plane = MutableWordSpan(planes_).subspan(
      level_ * plane_words() + frame.first / 64, words_for_bits(frame.count));
  for (std::size_t at = 0; at < frame.count; at += 64)
    plane[at / 64] = differences.next_bits(std::min<std::size_t>(64, frame.count - at));
  if (level_ + 1 < log2_block_)
    keep_halves(values_.expose_secret_mutable().subspan(frame.first, frame.count), half_bits(),
                plane);
}

std::uint64_t CascadeFirstSearch::begins_of_search(std::size_t offset) const {
  std::uint64_t begins = 1;
  std::size_t start = 0;
  for (std::size_t half = std::size_t{1} << log2_block_ >> 1; half > 0; half /= 2) {
    begins |= std::uint64_t{1} << (start + half);
    if (offset >= start + half) start += half;
  }
  return begins;
}

}  // namespace quoin
