#include "kernels/dead_time.hpp"

#include <algorithm>
#include <bit>

#include "core/bits.hpp"
#include "core/check.hpp"

namespace quoin {

namespace {

constexpr std::uint64_t tabled_dead_slots_max = 7;
constexpr std::size_t lanes = 4;
constexpr std::size_t words_per_lane = SlotMask::word_count / lanes;
constexpr std::uint32_t unknown_state = ~std::uint32_t{0};

std::vector<std::uint16_t> make_steps(std::uint64_t dead_slots) {
  std::vector<std::uint16_t> steps((dead_slots + 1) * 256);
  for (std::uint64_t dead = 0; dead <= dead_slots; ++dead)
    for (unsigned events = 0; events < 256; ++events) {
      std::uint64_t left = dead;
      unsigned seen = 0;
      for (unsigned bit = 0; bit < 8; ++bit) {
        const bool is_seen = left == 0 && (events >> bit & 1) != 0;
        if (is_seen) seen |= 1u << bit;
        left = is_seen ? dead_slots : left - (left > 0 ? 1 : 0);
      }
      steps[dead << 8 | events] = static_cast<std::uint16_t>(left << 8 | seen);
    }
  return steps;
}

// Eight steps, one per byte of `word`. `state` is the slots still dead, times 256.
inline std::uint64_t step_word(const std::uint16_t* steps, std::uint64_t word,
                               std::uint32_t& state) {
  std::uint64_t seen = 0;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    const std::uint16_t step = steps[state | (word >> shift & 0xff)];
    seen |= std::uint64_t{step & 0xffu} << shift;
    state = step & 0xff00u;
  }
  return seen;
}

}  // namespace

DeadTimeFilter::DeadTimeFilter(DeadTimeKind kind, std::uint64_t dead_slots)
    : kind_(kind), dead_slots_(dead_slots) {
  if (kind == DeadTimeKind::non_paralysable && dead_slots <= tabled_dead_slots_max)
    steps_ = make_steps(dead_slots);
}

std::uint64_t DeadTimeFilter::apply(const SlotMask& events, std::uint64_t low, std::uint64_t high,
                                    std::uint64_t live_from, SlotMask& seen) const {
  QUOIN_INVARIANT(low < high && high <= SlotMask::slot_count, "dead time outside of a mask");
  if (kind_ == DeadTimeKind::paralysable) return walk_paralysed(events, low, high, live_from, seen);
  const bool is_whole = low == 0 && high == SlotMask::slot_count;
  if (!steps_.empty() && is_whole && live_from < 64) return step_whole(events, live_from, seen);
  return walk(events, low, high, live_from, seen);
}

void DeadTimeFilter::mend(const SlotMask& events, std::uint64_t slot, std::uint64_t high,
                          SlotMask& seen) const {
  while (true) {
    const std::uint64_t live_from = slot + 1 + dead_slots_;
    seen.clear_range(slot + 1, std::min(live_from, high));
    // Of a paralysable receiver what follows is dead or alive by the events alone.
    if (kind_ == DeadTimeKind::paralysable) return;
    slot = events.next_one(live_from);
    // What was seen anyway is the end of the disturbance.
    if (slot >= high || seen[slot]) return;
    seen.set(slot);
  }
}

// Event by event.
std::uint64_t DeadTimeFilter::walk(const SlotMask& events, std::uint64_t low, std::uint64_t high,
                                   std::uint64_t live_from, SlotMask& seen) const {
  const std::uint64_t step = dead_slots_ + 1;
  const std::uint64_t start = std::max(low, live_from);
  std::uint64_t next = start;
  seen.words.fill(0);
  for (std::size_t w = start / 64; w * 64 < high; ++w) {
    const std::uint64_t base = 64 * w;
    if (base + 64 <= next) continue;
    std::uint64_t left = events.words[w];
    if (base < next) left &= ~std::uint64_t{0} << (next % 64);
    if (base + 64 > high) left &= last_word_mask(high);
    std::uint64_t word = 0;
    while (left != 0) {
      const auto bit = static_cast<unsigned>(std::countr_zero(left));
      word |= std::uint64_t{1} << bit;
      next = base + bit + step;
      left &= step + bit < 64 ? ~std::uint64_t{0} << (step + bit) : 0;
    }
    seen.words[w] = word;
  }
  return next > start ? next : live_from;
}

std::uint64_t DeadTimeFilter::walk_paralysed(const SlotMask& events, std::uint64_t low,
                                             std::uint64_t high, std::uint64_t live_from,
                                             SlotMask& seen) const {
  seen.words.fill(0);
  for (std::size_t slot = events.next_one(low); slot < high; slot = events.next_one(slot + 1)) {
    if (slot >= live_from) seen.set(slot);
    live_from = std::max(live_from, slot + 1 + dead_slots_);
  }
  return live_from;
}

// A receiver's past is soon forgotten: the state before a word, if the words before it lead there
// from any state.
std::uint32_t DeadTimeFilter::state_before(const SlotMask& events, std::size_t word) const {
  constexpr std::size_t look_back = 4;
  for (std::size_t back = 1; back <= look_back; ++back) {
    std::uint32_t agreed = unknown_state;
    bool do_agree = true;
    for (std::uint32_t dead = 0; dead <= dead_slots_; ++dead) {
      std::uint32_t state = dead << 8;
      for (std::size_t w = word - back; w < word; ++w)
        (void)step_word(steps_.data(), events.words[w], state);
      do_agree = do_agree && (agreed == unknown_state || agreed == state);
      agreed = state;
    }
    if (do_agree) return agreed;
  }
  return unknown_state;
}

// A whole mask in four lanes side by side, since each step of a lane waits for the one before.
std::uint64_t DeadTimeFilter::step_whole(const SlotMask& events, std::uint64_t live_from,
                                         SlotMask& seen) const {
  std::array<std::uint32_t, lanes> state{};
  for (std::size_t lane = 1; lane < lanes; ++lane) {
    state[lane] = state_before(events, lane * words_per_lane);
    if (state[lane] == unknown_state) return walk(events, 0, SlotMask::slot_count, live_from, seen);
  }
  // Nothing is seen before live_from: as if there was nothing and the receiver alive.
  const std::uint64_t alive = ~std::uint64_t{0} << live_from;
  for (std::size_t w = 0; w < words_per_lane; ++w)
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const std::size_t at = lane * words_per_lane + w;
      const std::uint64_t word = at == 0 ? events.words[0] & alive : events.words[at];
      seen.words[at] = step_word(steps_.data(), word, state[lane]);
    }
  const std::uint64_t dead = state[lanes - 1] >> 8;
  return dead > 0 ? SlotMask::slot_count + dead : live_from;
}

}  // namespace quoin
