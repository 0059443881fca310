#include "distill/cascade_plan.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/public_expansion.hpp"

namespace quoin {

namespace {

// A failure of verification costs the block: these masks leave one in 2^28 of those that keep an
// error.
constexpr std::size_t masks_per_block = 28;
constexpr double log2_block_max = 16;

// Larger blocks in the second pass make errors drag one another out in longer chains: fewer bits,
// more rounds. At 2 %, 1e7 bits: few_rounds 32 and 128, f 1.058 in 180 rounds; balanced 32 and 256,
// f 1.047 in 280; low_leak 64 and 512, f 1.040 in 800.
std::vector<std::uint32_t> block_sizes(double qber, ReconcileGoal goal) {
  const bool is_low_leak = goal == ReconcileGoal::low_leak;
  const double offset = is_low_leak && qber < 0.06 ? 0.5 : 1.0;
  const double first = std::clamp(std::ceil(-std::log2(qber) - offset), 1.0, log2_block_max);
  double second = is_low_leak ? std::floor((first + 12) / 2)
                              : std::ceil((first + (goal == ReconcileGoal::balanced ? 11 : 9)) / 2);
  second = std::clamp(second, first, log2_block_max);
  const double third = std::max(second, is_low_leak ? 13.0 : 12.0);
  std::vector<std::uint32_t> sizes;
  for (const double exponent : {first, second, third})
    sizes.push_back(std::uint32_t{1} << static_cast<unsigned>(exponent));
  return sizes;
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

CascadePlan make_cascade_plan(std::size_t key_bits, const ReconcileParameters& parameters) {
  CascadePlan plan;
  cut_into_frames(plan, key_bits, parameters.frame_bits);
  plan.block_bits = block_sizes(parameters.qber_estimate, parameters.goal);
  // A block as long as the frame would tell nothing new.
  while (plan.block_bits.size() > 1 && plan.block_bits.back() >= plan.frame_bits)
    plan.block_bits.pop_back();
  // About one frame in 30 keeps errors that the permuted passes cannot see. So many masks let a few
  // tenths of a frame per block through to the masks of the block, which find it one by one.
  const std::size_t share = parameters.goal == ReconcileGoal::low_leak ? 32 : 8;
  plan.masks = static_cast<std::size_t>(std::bit_width(plan.frames / share));
  plan.block_masks = std::min(masks_per_block, key_bits / 16);
  return plan;
}

CascadeLayout::CascadeLayout(const CascadePlan& plan, const std::array<std::byte, 32>& seed)
    : plan_(plan),
      position_of_(plan.block_bits.size()),
      place_of_(plan.block_bits.size()),
      masks_(plan.masks + plan.block_masks) {
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
