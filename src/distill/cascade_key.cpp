#include "distill/cascade_key.hpp"

#include <algorithm>

#include "kernels/bit_ops.hpp"
#include "kernels/block_parity.hpp"

namespace quoin {

namespace {

// Copies start 64 bytes off a multiple of 4 KiB: else the same word of all frames falls into one
// set of the cache. One word more lets short parities read past the last word.
constexpr std::size_t stride_padding_words = 8;
// Fewer frames than this are shuffled one by one.
constexpr std::size_t group_frames_min = 4;

}  // namespace

CascadeKey::CascadeKey(SiftedKey&& key, const CascadeLayout& layout)
    : layout_(&layout),
      passes_(layout.passes()),
      stride_(layout.frame_words() + stride_padding_words),
      key_(std::move(key).release()) {
  const std::size_t frames = layout.plan().frames;
  copies_ = SecretBits::zeroed(frames * passes_ * stride_ * 64);
  for (std::size_t first = 0; first < frames; first += 64)
    copy_group(first, std::min<std::size_t>(64, frames - first));
  sliced_.wipe();
}

// Turns up to 64 frames into rows of one word per position, picks rows in the order of a pass, and
// turns them back: a bit of 64 frames moves with one load.
void CascadeKey::copy_group(std::size_t first_frame, std::size_t frames) {
  const std::size_t words = layout_->frame_words();
  const WordSpan key = key_.expose_secret();
  const MutableWordSpan copies = copies_.expose_secret_mutable();
  for (std::size_t f = first_frame; f < first_frame + frames; ++f) {
    const WordSpan own = key.subspan(f * words, std::min(words, key.size() - f * words));
    std::copy(own.begin(), own.end(), copies.data() + offset_of(f, 0));
  }
  if (passes_ == 1) return;
  if (frames < group_frames_min) {
    for (std::size_t f = first_frame; f < first_frame + frames; ++f)
      for (std::size_t p = 1; p < passes_; ++p)
        gather_bits(copy_words(f, 0), layout_->position_of(p),
                    copies.subspan(offset_of(f, p), words));
    return;
  }
  if (sliced_.empty()) sliced_ = SecretBits::zeroed(words * 64 * 64);
  const MutableWordSpan sliced = sliced_.expose_secret_mutable();
  std::array<std::uint64_t, 64> rows{};
  for (std::size_t w = 0; w < words; ++w) {
    rows.fill(0);
    for (std::size_t f = 0; f < frames; ++f) rows[f] = copies[offset_of(first_frame + f, 0) + w];
    transpose_64x64_simd(rows);
    std::copy(rows.begin(), rows.end(), sliced.data() + w * 64);
  }
  for (std::size_t p = 1; p < passes_; ++p) {
    const std::vector<std::uint16_t>& position_of = layout_->position_of(p);
    for (std::size_t w = 0; w < words; ++w) {
      const std::size_t used = std::min<std::size_t>(64, position_of.size() - w * 64);
      rows.fill(0);
      for (std::size_t i = 0; i < used; ++i) rows[i] = sliced[position_of[w * 64 + i]];
      transpose_64x64_simd(rows);
      for (std::size_t f = 0; f < frames; ++f) copies[offset_of(first_frame + f, p) + w] = rows[f];
    }
  }
  secure_wipe(std::as_writable_bytes(std::span(rows)));
}

SecretBits CascadeKey::release_corrected(const BitString& errors) && {
  const MutableWordSpan words = key_.expose_secret_mutable();
  QUOIN_INVARIANT(words.size() == errors.words().size(), "error positions of another key");
  for (std::size_t w = 0; w < words.size(); ++w) words[w] ^= errors.words()[w];
  return std::move(key_);
}

}  // namespace quoin
