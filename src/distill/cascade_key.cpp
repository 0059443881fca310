#include "distill/cascade_key.hpp"

#include <algorithm>

#include "kernels/bit_ops.hpp"

namespace quoin {

namespace {

// Rows of a shuffled copy start 64 bytes off a multiple of 4 KiB: else the same word of all frames
// falls into one set of the cache.
constexpr std::size_t stride_padding_words = 8;
// Fewer frames than this are shuffled one by one.
constexpr std::size_t group_frames_min = 8;

}  // namespace

CascadeKey::CascadeKey(SiftedKey&& key, const CascadeLayout& full, const CascadeLayout& last)
    : full_(&full), last_(&last), key_(std::move(key).release()) {
  frames_ = (key_.size_bits() + full.frame_bits - 1) / full.frame_bits;
  frame_words_ = words_for_bits(full.frame_bits);
  stride_ = frame_words_ + stride_padding_words;
  shuffled_.resize(full.permuted_passes);
  for (std::size_t p = 1; p < full.permuted_passes; ++p) shuffle(p);
}

void CascadeKey::shuffle(std::size_t pass) {
  shuffled_[pass] = SecretBits::zeroed(frames_ * stride_ * 64);
  if (frames_ == 0) return;
  const std::size_t alike = frames_ - 1;  // the last frame has a permutation of its own
  std::size_t frame = 0;
  for (; alike - frame >= group_frames_min;) {
    const std::size_t group = std::min<std::size_t>(64, alike - frame);
    shuffle_group(pass, frame, group);
    frame += group;
  }
  const MutableWordSpan out = shuffled_[pass].expose_secret_mutable();
  for (; frame < frames_; ++frame)
    gather_bits(frame_words(frame), layout(frame).passes[pass].order, out.subspan(frame * stride_));
}

// Turns 64 frames into rows of one word per position, picks rows in the order of the pass, and
// turns them back: a bit of 64 frames moves with one load.
void CascadeKey::shuffle_group(std::size_t pass, std::size_t first_frame, std::size_t frames) {
  SecretBits sliced_bits = SecretBits::zeroed(frame_words_ * 64 * 64);
  const MutableWordSpan sliced = sliced_bits.expose_secret_mutable();
  const WordSpan key = key_.expose_secret();
  std::array<std::uint64_t, 64> rows{};
  for (std::size_t w = 0; w < frame_words_; ++w) {
    rows.fill(0);
    for (std::size_t f = 0; f < frames; ++f) rows[f] = key[(first_frame + f) * frame_words_ + w];
    transpose_64x64(rows);
    std::copy(rows.begin(), rows.end(), sliced.begin() + static_cast<std::ptrdiff_t>(w * 64));
  }
  const std::vector<std::uint16_t>& order = full_->passes[pass].order;
  const MutableWordSpan out = shuffled_[pass].expose_secret_mutable();
  for (std::size_t w = 0; w < frame_words_; ++w) {
    for (std::size_t i = 0; i < 64; ++i) rows[i] = sliced[order[w * 64 + i]];
    transpose_64x64(rows);
    for (std::size_t f = 0; f < frames; ++f) out[(first_frame + f) * stride_ + w] = rows[f];
  }
  secure_wipe(std::as_writable_bytes(std::span(rows)));
}

WordSpan CascadeKey::frame_words(std::size_t frame) const {
  return key_.expose_secret().subspan(frame * frame_words_,
                                      words_for_bits(layout(frame).frame_bits));
}

MutableWordSpan CascadeKey::frame_words_mutable(std::size_t frame) {
  return key_.expose_secret_mutable().subspan(frame * frame_words_,
                                              words_for_bits(layout(frame).frame_bits));
}

bool CascadeKey::parity(std::size_t frame, std::size_t pass_index, CascadeNode node) const {
  const CascadeLayout& own = layout(frame);
  const CascadePass& pass = own.passes[pass_index];
  const CascadePass::Range range = pass.range_of(node);
  const std::size_t end = std::min(range.end, own.frame_bits);
  if (pass_index == 0) return range_parity(frame_words(frame), range.begin, end);
  if (!pass.is_masked)
    return range_parity(shuffled_[pass_index].expose_secret().subspan(frame * stride_, stride_),
                        range.begin, end);
  const WordSpan words = frame_words(frame);
  const bool under_mask = masked_range_parity(words, pass.mask, range.begin, end);
  // Block 1 holds the bits outside the mask.
  return pass.block_of(node) == 0 ? under_mask : under_mask ^ range_parity(words, range.begin, end);
}

void CascadeKey::flip(std::size_t frame, std::size_t position) {
  const CascadeLayout& own = layout(frame);
  frame_words_mutable(frame)[position / 64] ^= std::uint64_t{1} << (position % 64);
  for (std::size_t p = 1; p < own.permuted_passes; ++p) {
    const std::size_t place = own.passes[p].place[position];
    shuffled_[p].expose_secret_mutable()[frame * stride_ + place / 64] ^= std::uint64_t{1}
                                                                          << (place % 64);
  }
}

}  // namespace quoin
