#include "distill/cascade_plan.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/public_expansion.hpp"

namespace quoin {

namespace {

constexpr std::size_t masks_per_frame = 10;
constexpr unsigned log2_third_block = 12;
constexpr unsigned log2_block_max = 16;
constexpr std::size_t covered_share = 16;

unsigned rounded_exponent(double exponent) {
  return static_cast<unsigned>(std::clamp(std::ceil(exponent), 0.0, double{log2_block_max}));
}

// Frames of equal length, in whole words unless there is but one.
void cut_into_frames(CascadePlan& plan, std::size_t key_bits, std::size_t frame_bits_max) {
  if (key_bits <= frame_bits_max) {
    plan.frame_bits = std::max<std::size_t>(key_bits, 1);
    plan.frames = key_bits == 0 ? 0 : 1;
    return;
  }
  const std::size_t frames = (key_bits + frame_bits_max - 1) / frame_bits_max;
  plan.frame_bits = 64 * words_for_bits((key_bits + frames - 1) / frames);
  plan.frames = (key_bits + plan.frame_bits - 1) / plan.frame_bits;
}

}  // namespace

CascadePlan make_cascade_plan(std::size_t key_bits, std::size_t frame_bits_max, double qber) {
  CascadePlan plan;
  cut_into_frames(plan, key_bits, frame_bits_max);
  const unsigned first = std::max(1U, rounded_exponent(-std::log2(qber) - 1.0));
  const unsigned second = std::max(first, rounded_exponent((first + 11.0) / 2));
  plan.block_bits = {1U << first, 1U << second, 1U << std::max(second, log2_third_block)};
  // A block as long as the frame would tell nothing new.
  while (plan.block_bits.size() > 1 && plan.block_bits.back() >= plan.frame_bits)
    plan.block_bits.pop_back();
  plan.masks = masks_per_frame;
  plan.covered_max = plan.frame_bits / covered_share;
  return plan;
}

CascadeLayout::CascadeLayout(const CascadePlan& plan, const std::array<std::byte, 32>& seed)
    : plan_(plan),
      position_of_(plan.block_bits.size()),
      place_of_(plan.block_bits.size()),
      masks_(plan.masks) {
  std::uint64_t stream = 0;
  for (std::size_t p = 1; p < passes(); ++p) {
    PublicExpansion source(seed, ++stream);
    position_of_[p].resize(frame_bits());
    draw_permutation(source, position_of_[p]);
    place_of_[p].resize(frame_bits());
    for (std::size_t i = 0; i < frame_bits(); ++i)
      place_of_[p][position_of_[p][i]] = static_cast<std::uint16_t>(i);
  }
  for (std::vector<std::uint64_t>& mask : masks_) {
    PublicExpansion source(seed, ++stream);
    mask.resize(frame_words());
    draw_mask(source, mask);
    mask.back() &= last_word_mask(frame_bits());
  }
}

}  // namespace quoin
