#include "quantum/receiver.hpp"

#include <algorithm>

#include "kernels/bit_planes.hpp"

namespace quoin {

namespace {

constexpr std::uint8_t click_mask = 3u << click_0_plane;
constexpr std::uint8_t trap_bit = 1u << trap_plane;
constexpr unsigned detector_choice_bit = 63;

}  // namespace

Receiver::Receiver(const LinkPhysics& physics, const CounterKey& key)
    : dead_time_(DeadTimeKind::non_paralysable, physics.dead_time_slots()),
      trap_threshold_(binary_fraction(physics.afterpulse_probability)),
      delays_(physics.release_probability()),
      key_(key) {}

std::size_t Receiver::receive(HitChunk& hits, std::uint64_t low, std::uint64_t high,
                              std::uint32_t first_offset, std::uint32_t* offsets,
                              std::uint8_t* codes) {
  idle_.reset();
  const SlotIndex first = hits.chunk * chunk_slots + low;
  std::erase_if(pending_, [first](const Release& release) { return release.slot < first; });
  Output out{first_offset, offsets, codes};
  if (hits.is_listed)
    receive_list(hits, low, high, out);
  else
    receive_mask(hits, low, high, out);
  return out.count;
}

Receiver::Memory Receiver::memory() const { return {live_from_, pending_}; }

void Receiver::restore(Memory memory) {
  live_from_ = memory.live_from;
  pending_ = std::move(memory.pending);
}

std::uint8_t Receiver::idle_code_at(const HitChunk& hits, std::size_t place) {
  if (!idle_) idle_.emplace(hits, key_);
  return idle_->code_at(place);
}

// The carrier's release, drawn from words of the slot of the click: a lifetime that starts when the
// dead time ends.
void Receiver::trap(SlotIndex slot, std::uint8_t code) {
  std::array<std::uint64_t, 8> words{};
  const CounterStream stream{&key_, release_domain, slot};
  fill_counter_words(stream, 0, words);
  std::uint8_t click = code & click_mask;
  if (click == click_mask)  // both clicked: one of them keeps the carrier
    click = static_cast<std::uint8_t>(1u << (click_0_plane + (words[0] >> detector_choice_bit)));
  SlotIndex release = slot + dead_time_.dead_slots() + 1;
  for (std::size_t i = 1;; ++i) {
    if (i % words.size() == 0) fill_counter_words(stream, i / 2, words);
    const std::uint64_t gap = delays_.draw(words[i % words.size()]);
    release += gap;
    if (gap != GapSampler::overflow) break;
  }
  const Release one{release, click};
  pending_.insert(std::upper_bound(pending_.begin(), pending_.end(), one), one);
}

// Whether an afterpulse leaves a carrier itself. Hits bring that with their code.
bool Receiver::does_release_trap(SlotIndex slot) const {
  std::array<std::uint64_t, 2> words{};
  fill_counter_words({&key_, release_domain, slot}, counter_blocks_max - 1, words);
  return words[0] < trap_threshold_;
}

// The first of the pending releases, behind all detections so far.
void Receiver::release_into_list(const HitChunk& hits, Output& out) {
  const Release release = pending_.front();
  pending_.erase(pending_.begin());
  if (release.slot < live_from_) return;
  const auto place = static_cast<std::size_t>(release.slot - hits.chunk * chunk_slots);
  out.offsets[out.count] = out.first_offset + static_cast<std::uint32_t>(place);
  out.codes[out.count++] = idle_code_at(hits, place) | release.click;
  live_from_ = release.slot + 1 + dead_time_.dead_slots();
  if (does_release_trap(release.slot)) trap(release.slot, release.click);
}

void Receiver::receive_list(const HitChunk& hits, std::uint64_t low, std::uint64_t high,
                            Output& out) {
  const SlotIndex start = hits.chunk * chunk_slots;
  const std::uint64_t step = dead_time_.dead_slots() + 1;
  const bool is_paralysable = dead_time_.kind() == DeadTimeKind::paralysable;
  const std::size_t end = hits.rank(high);
  for (std::size_t i = hits.rank(low); i < end; ++i) {
    const std::uint32_t place = hits.places[i];
    const SlotIndex slot = start + place;
    while (!pending_.empty() && pending_.front().slot < slot) release_into_list(hits, out);
    std::uint8_t code = hits.codes[i];
    const bool is_seen = slot >= live_from_;
    for (; !pending_.empty() && pending_.front().slot == slot; pending_.erase(pending_.begin()))
      code |= pending_.front().click;
    // Written always and kept only if it was seen: no branch that the CPU could mispredict.
    out.offsets[out.count] = out.first_offset + place;
    out.codes[out.count] = code;
    out.count += is_seen ? 1 : 0;
    live_from_ = is_seen || is_paralysable ? slot + step : live_from_;
    if (is_seen && (code & trap_bit) != 0) trap(slot, code);
  }
  while (!pending_.empty() && pending_.front().slot < start + high) release_into_list(hits, out);
}

bool Receiver::is_dead_at(const HitChunk& hits, std::uint64_t place, std::uint64_t low) const {
  const std::uint64_t dead = dead_time_.dead_slots();
  const auto is_near = [&](const SlotMask& mask) {
    const std::size_t last = mask.last_one_before(place);
    return last != SlotMask::slot_count && last >= low && last + dead >= place;
  };
  return is_near(seen_) || (dead_time_.kind() == DeadTimeKind::paralysable && is_near(hits.mask));
}

// Releases and new traps in the order of their slots: each may change what comes after it.
void Receiver::release_into_mask(HitChunk& hits, std::uint64_t low, std::uint64_t high) {
  const SlotIndex start = hits.chunk * chunk_slots;
  const SlotIndex live_before = live_from_;
  pack_bit_plane(hits.slots, trap_plane, trapped_.words);
  std::size_t trap_place = trapped_.next_one(low);
  while (true) {
    const bool is_release = !pending_.empty() && pending_.front().slot < start + high &&
                            pending_.front().slot <= start + trap_place;
    if (!is_release) {
      if (trap_place >= high) return;
      if (seen_[trap_place]) trap(start + trap_place, hits.slots[trap_place]);
      trap_place = trapped_.next_one(trap_place + 1);
      continue;
    }
    const Release release = pending_.front();
    pending_.erase(pending_.begin());
    const auto place = static_cast<std::size_t>(release.slot - start);
    if (seen_[place]) {
      hits.slots[place] |= release.click;
      continue;
    }
    if (release.slot < live_before || is_dead_at(hits, place, low)) continue;
    hits.slots[place] = idle_code_at(hits, place) | release.click;
    seen_.set(place);
    dead_time_.mend(hits.mask, place, high, seen_);
    if (does_release_trap(release.slot)) trap(release.slot, release.click);
  }
}

void Receiver::receive_mask(HitChunk& hits, std::uint64_t low, std::uint64_t high, Output& out) {
  const SlotIndex start = hits.chunk * chunk_slots;
  const std::uint64_t live_from = live_from_ > start ? live_from_ - start : 0;
  const std::uint64_t live_after = dead_time_.apply(hits.mask, low, high, live_from, seen_);
  if (trap_threshold_ != 0) release_into_mask(hits, low, high);
  live_from_ = start + live_after;
  if (trap_threshold_ != 0) {
    // The last detection may be another one now.
    const std::size_t last = seen_.last_one_before(high);
    const SlotIndex live = last == SlotMask::slot_count
                               ? start + live_from
                               : start + last + 1 + dead_time_.dead_slots();
    const bool is_paralysable = dead_time_.kind() == DeadTimeKind::paralysable;
    live_from_ = is_paralysable ? std::max(live_from_, live) : live;
  }
  out.count = gather_events(seen_, hits.slots, out.first_offset, out.offsets, out.codes);
}

}  // namespace quoin
