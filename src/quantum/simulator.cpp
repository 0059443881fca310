#include "quantum/simulator.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <vector>

#include "kernels/bit_planes.hpp"
#include "quantum/slot_source.hpp"

namespace quoin {

namespace {

constexpr std::size_t eve_changes_max = 4096;
constexpr SlotIndex slots_of_a_run_max = SlotIndex{1} << 62;

// Who sat in the fibre when: the only state both devices share.
class FibreHistory {
 public:
  explicit FibreHistory(const LinkPhysics& physics) : physics_(physics) {
    periods_.push_back({0, std::make_shared<SlotStatistics>(physics, NoEve{})});
  }

  // Bob reads a chunk for the first time: nobody can change it any more.
  std::shared_ptr<const SlotStatistics> fix(std::uint64_t chunk) {
    const std::lock_guard lock(mutex_);
    first_open_chunk_ = std::max(first_open_chunk_, chunk + 1);
    return find(chunk);
  }
  std::shared_ptr<const SlotStatistics> at(std::uint64_t chunk) const {
    const std::lock_guard lock(mutex_);
    return find(chunk);
  }

  Result<SlotIndex> change(const Eve& eve, SlotIndex from) {
    auto statistics = std::make_shared<SlotStatistics>(physics_, eve);
    const std::lock_guard lock(mutex_);
    const std::uint64_t asked = from / chunk_slots + (from % chunk_slots != 0 ? 1 : 0);
    const std::uint64_t chunk = std::max(asked, first_open_chunk_);
    while (periods_.back().first_chunk >= chunk && periods_.size() > 1) periods_.pop_back();
    if (periods_.back().first_chunk == chunk) periods_.pop_back();
    if (periods_.size() >= eve_changes_max)
      return fail(ErrorCode::exhausted, "the simulated fibre was changed too often",
                  "start the link again");
    periods_.push_back({chunk, std::move(statistics)});
    return chunk * chunk_slots;
  }

 private:
  struct Period {
    std::uint64_t first_chunk;
    std::shared_ptr<const SlotStatistics> statistics;
  };

  std::shared_ptr<const SlotStatistics> find(std::uint64_t chunk) const {
    const auto after =
        std::upper_bound(periods_.begin(), periods_.end(), chunk,
                         [](std::uint64_t c, const Period& p) { return c < p.first_chunk; });
    return std::prev(after)->statistics;
  }

  const LinkPhysics physics_;
  mutable std::mutex mutex_;
  std::vector<Period> periods_;  // never empty, ascending
  std::uint64_t first_open_chunk_ = 0;
};

Status check_slot_count(std::uint64_t slot_count) {
  if (slot_count == 0) return fail(ErrorCode::invalid_argument, "a block has at least one slot");
  if (slot_count > block_slots_max)
    return fail(ErrorCode::too_large, "a block has at most 2^32 - 1 slots", "ask for fewer slots");
  return success();
}

BitString plane_of(std::span<const std::uint8_t> codes, unsigned plane) {
  BitString bits(codes.size());
  pack_bit_plane(codes, plane, bits.words());
  return bits;
}

class SimulatedAlice final : public AliceDevice {
 public:
  SimulatedAlice(const LinkPhysics& physics, std::uint64_t seed, const FibreHistory& history,
                 const std::atomic<SlotIndex>& emitted)
      : physics_(physics), seed_(seed), history_(history), emitted_(emitted) {}

  Result<DeviceCalibration> calibration() override { return physics_.calibration(); }
  Result<AliceAnswer> settings_for(SlotIndex first_slot, std::uint64_t slot_count,
                                   std::span<const std::uint32_t> offsets) override;

 private:
  // The part of the range that lies in one chunk: slots [low, high) of it.
  struct Piece {
    std::uint64_t chunk;
    std::uint64_t low;
    std::uint64_t high;
    bool is_whole() const { return low == 0 && high == chunk_slots; }
  };

  Status check(SlotIndex first_slot, std::uint64_t slot_count,
               std::span<const std::uint32_t> offsets) const;
  void answer_piece(const Piece& piece, std::uint64_t offset_of_chunk,
                    std::span<const std::uint32_t> offsets, std::uint8_t* codes);
  const std::vector<std::uint8_t>& all_settings(const SlotStatistics& statistics,
                                                std::uint64_t chunk);
  void add_sums(const SlotStatistics& statistics, const Piece& piece);
  void wipe();

  const LinkPhysics& physics_;
  std::uint64_t seed_;
  const FibreHistory& history_;
  const std::atomic<SlotIndex>& emitted_;
  HitChunk hits_;
  std::vector<std::uint8_t> all_;  // settings of every slot of the chunk, when is_all_derived_
  bool is_all_derived_ = false;
  std::array<std::uint64_t, setting_codes> sums_{};
};

Status SimulatedAlice::check(SlotIndex first_slot, std::uint64_t slot_count,
                             std::span<const std::uint32_t> offsets) const {
  QUOIN_TRY(check_slot_count(slot_count));
  if (offsets.size() > block_detections_max)
    return fail(ErrorCode::too_large, "settings were asked for too many slots at once",
                "ask in smaller blocks");
  const SlotIndex emitted = emitted_.load();
  if (slot_count > emitted || first_slot > emitted - slot_count)
    return fail(ErrorCode::not_found, "settings were asked for slots that are not emitted yet");
  if (emitted - first_slot > physics_.retention_slots())
    return fail(ErrorCode::not_found,
                "settings were asked for slots older than the retention window",
                "ask sooner or raise retention_s");
  std::uint64_t least = 0;
  for (const std::uint32_t offset : offsets) {
    if (offset < least || offset >= slot_count)
      return fail(ErrorCode::invalid_argument,
                  "slot offsets must increase and stay inside the block");
    least = std::uint64_t{offset} + 1;
  }
  return success();
}

const std::vector<std::uint8_t>& SimulatedAlice::all_settings(const SlotStatistics& statistics,
                                                              std::uint64_t chunk) {
  if (!is_all_derived_) derive_all_settings(statistics, seed_, chunk, hits_, all_);
  is_all_derived_ = true;
  return all_;
}

void SimulatedAlice::add_sums(const SlotStatistics& statistics, const Piece& piece) {
  if (!piece.is_whole()) {
    const auto& all = all_settings(statistics, piece.chunk);
    for (std::uint64_t slot = piece.low; slot < piece.high; ++slot) ++sums_[all[slot]];
    return;
  }
  const auto idle = derive_idle_counts(statistics, seed_, piece.chunk, hits_.count);
  for (std::size_t code = 0; code < setting_codes; ++code) sums_[code] += idle[code];
  for (std::size_t i = 0; i < hits_.count; ++i) ++sums_[hits_.codes[i] & setting_mask];
}

// `codes` takes one setting per offset. The offset of a slot is offset_of_chunk (modulo 2^64) plus
// its place in the chunk.
void SimulatedAlice::answer_piece(const Piece& piece, std::uint64_t offset_of_chunk,
                                  std::span<const std::uint32_t> offsets, std::uint8_t* codes) {
  const auto statistics = history_.at(piece.chunk);
  derive_hits(*statistics, seed_, piece.chunk, hits_);
  is_all_derived_ = false;
  const std::uint16_t* positions = hits_.positions.data();
  std::size_t hit = 0;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const std::uint64_t place = offsets[i] - offset_of_chunk;
    while (hit < hits_.count && positions[hit] < place) ++hit;
    const bool is_hit = hit < hits_.count && positions[hit] == place;
    codes[i] =
        is_hit ? hits_.codes[hit] & setting_mask : all_settings(*statistics, piece.chunk)[place];
  }
  add_sums(*statistics, piece);
}

void SimulatedAlice::wipe() {
  secure_wipe(std::as_writable_bytes(std::span(hits_.codes)));
  secure_wipe(std::as_writable_bytes(std::span(hits_.words)));
  secure_wipe(std::as_writable_bytes(std::span(all_)));
}

Result<AliceAnswer> SimulatedAlice::settings_for(SlotIndex first_slot, std::uint64_t slot_count,
                                                 std::span<const std::uint32_t> offsets) {
  QUOIN_TRY(check(first_slot, slot_count, offsets));
  SecretBytes code_memory = SecretBytes::zeroed(offsets.size(), SecretMemory::block);
  auto* const codes = reinterpret_cast<std::uint8_t*>(code_memory.expose_secret_mutable().data());
  sums_ = {};
  std::size_t done = 0;
  const SlotIndex end = first_slot + slot_count;
  for (SlotIndex slot = first_slot; slot < end;) {
    const std::uint64_t chunk = slot / chunk_slots;
    const SlotIndex start = chunk * chunk_slots;
    const Piece piece{chunk, slot - start, std::min(chunk_slots, end - start)};
    const auto beyond = std::lower_bound(offsets.begin() + static_cast<std::ptrdiff_t>(done),
                                         offsets.end(), start + piece.high - first_slot,
                                         [](std::uint32_t a, std::uint64_t b) { return a < b; });
    const auto next = static_cast<std::size_t>(beyond - offsets.begin());
    answer_piece(piece, start - first_slot, offsets.subspan(done, next - done), codes + done);
    done = next;
    slot = start + piece.high;
  }
  AliceAnswer answer;
  const std::span<const std::uint8_t> all(codes, offsets.size());
  answer.settings.bits = SecretBits::zeroed(offsets.size());
  if (!offsets.empty()) pack_bit_plane(all, 0, answer.settings.bits.expose_secret_mutable());
  answer.settings.basis_is_test = plane_of(all, 1);
  answer.settings.intensity_is_decoy = plane_of(all, 2);
  answer.settings.intensity_is_vacuum = plane_of(all, 3);
  for (std::size_t code = 0; code < setting_codes; ++code)
    answer.emitted.sent[code >> 1 & 1][code >> 2] += sums_[code];
  wipe();
  return answer;
}

class SimulatedBob final : public BobDevice {
 public:
  SimulatedBob(const LinkPhysics& physics, std::uint64_t seed, FibreHistory& history,
               std::atomic<SlotIndex>& emitted)
      : physics_(physics),
        dead_slots_(physics.dead_time_slots()),
        seed_(seed),
        history_(history),
        emitted_(emitted) {}

  Result<DeviceCalibration> calibration() override { return physics_.calibration(); }
  Result<DetectionEvents> next_block(std::uint64_t slot_count) override;
  void skip_to(SlotIndex slot);

 private:
  void load(std::uint64_t chunk);
  std::size_t likely_detections(std::uint64_t slot_count) const;
  std::size_t accept_live_hits(SlotIndex low, SlotIndex high);

  const LinkPhysics& physics_;
  std::uint64_t dead_slots_;
  std::uint64_t seed_;
  FibreHistory& history_;
  std::atomic<SlotIndex>& emitted_;
  SlotIndex position_ = 0;   // the next slot to hand over
  SlotIndex live_from_ = 0;  // the first slot in which all detectors are alive
  HitChunk hits_;
  std::uint64_t loaded_chunk_ = ~std::uint64_t{0};
  std::vector<std::uint16_t> accepted_ = std::vector<std::uint16_t>(chunk_slots);
  std::vector<std::uint8_t> accepted_codes_ = std::vector<std::uint8_t>(chunk_slots);
};

void SimulatedBob::load(std::uint64_t chunk) {
  if (chunk == loaded_chunk_) return;
  derive_hits(*history_.fix(chunk), seed_, chunk, hits_);
  loaded_chunk_ = chunk;
}

// Judged by the loaded chunk, with room to spare: how much to reserve.
std::size_t SimulatedBob::likely_detections(std::uint64_t slot_count) const {
  const std::uint64_t hits = slot_count * (hits_.count + 256) / chunk_slots;
  return std::min({hits + hits / 16, slot_count, block_detections_max});
}

// Hits of slots [low, high) of the loaded chunk that find the detectors alive, into accepted_; how
// many.
std::size_t SimulatedBob::accept_live_hits(SlotIndex low, SlotIndex high) {
  const SlotIndex start = loaded_chunk_ * chunk_slots;
  const auto first = hits_.positions.begin();
  const auto last = first + static_cast<std::ptrdiff_t>(hits_.count);
  const auto place = [&](SlotIndex slot) {
    const auto at = std::lower_bound(first, last, slot - start,
                                     [](std::uint16_t a, std::uint64_t b) { return a < b; });
    return static_cast<std::size_t>(at - first);
  };
  const std::size_t end = place(high);
  const std::uint16_t* positions = hits_.positions.data();
  const std::uint8_t* codes = hits_.codes.data();
  std::uint16_t* accepted = accepted_.data();
  std::uint8_t* accepted_codes = accepted_codes_.data();
  SlotIndex live_from = live_from_;
  std::size_t count = 0;
  for (std::size_t i = place(low); i < end; ++i) {
    const SlotIndex slot = start + positions[i];
    const bool is_live = slot >= live_from;
    accepted[count] = positions[i];
    accepted_codes[count] = codes[i];
    count += is_live ? 1 : 0;
    live_from = is_live ? slot + 1 + dead_slots_ : live_from;
  }
  live_from_ = live_from;
  return count;
}

Result<DetectionEvents> SimulatedBob::next_block(std::uint64_t slot_count) {
  QUOIN_TRY(check_slot_count(slot_count));
  if (position_ > slots_of_a_run_max)
    return fail(ErrorCode::exhausted, "the run of the device is over", "start the device again");
  const SlotIndex live_from_before = live_from_;
  const SlotIndex end = position_ + slot_count;
  DetectionEvents events;
  events.first_slot = position_;
  events.slot_count = slot_count;
  std::vector<std::uint8_t> codes;
  load(position_ / chunk_slots);
  events.offsets.reserve(likely_detections(slot_count));
  codes.reserve(events.offsets.capacity());
  for (SlotIndex slot = position_; slot < end;) {
    load(slot / chunk_slots);
    const SlotIndex start = loaded_chunk_ * chunk_slots;
    const SlotIndex high = std::min(end, start + chunk_slots);
    const std::size_t count = accept_live_hits(slot, high);
    const std::size_t before = events.offsets.size();
    if (before + count > block_detections_max) {
      live_from_ = live_from_before;
      return fail(ErrorCode::too_large, "the block has more than 2^25 detections",
                  "ask for fewer slots");
    }
    events.offsets.resize(before + count);
    const auto shift = static_cast<std::uint32_t>(start - position_);
    for (std::size_t i = 0; i < count; ++i)
      events.offsets[before + i] = static_cast<std::uint32_t>(accepted_[i] + shift);
    codes.insert(codes.end(), accepted_codes_.begin(),
                 accepted_codes_.begin() + static_cast<std::ptrdiff_t>(count));
    slot = high;
  }
  events.basis_is_test = plane_of(codes, bob_test_plane);
  events.clicked_0 = plane_of(codes, click_0_plane);
  events.clicked_1 = plane_of(codes, click_0_plane + 1);
  // A common dead time lets no click happen while it lasts, so every click is in an entry.
  events.singles = {events.clicked_0.count_ones(), events.clicked_1.count_ones()};
  const auto dead_after = [this](SlotIndex slot) {
    return live_from_ > slot ? live_from_ - slot : SlotIndex{0};
  };
  const std::uint64_t dead_before = live_from_before > position_ ? live_from_before - position_ : 0;
  events.slots_dropped_dead_time =
      dead_before + events.offsets.size() * dead_slots_ - dead_after(end);
  position_ = end;
  emitted_.store(end);
  return events;
}

void SimulatedBob::skip_to(SlotIndex slot) {
  if (slot <= position_ || slot > slots_of_a_run_max) return;
  // One chunk of history settles which slots are dead at `slot`, unless the dead time is longer.
  const std::uint64_t chunk = slot / chunk_slots;
  const SlotIndex start = chunk == 0 ? 0 : (chunk - 1) * chunk_slots;
  for (SlotIndex low = std::max(start, position_); low < slot;) {
    load(low / chunk_slots);
    const SlotIndex high = std::min(slot, (loaded_chunk_ + 1) * chunk_slots);
    accept_live_hits(low, high);
    low = high;
  }
  position_ = slot;
  emitted_.store(slot);
}

}  // namespace

struct SimulatedLink::State {
  State(const LinkPhysics& link_physics, std::uint64_t seed)
      : physics(link_physics),
        history(physics),
        alice(physics, seed, history, emitted),
        bob(physics, seed, history, emitted) {}

  const LinkPhysics physics;
  std::atomic<SlotIndex> emitted = 0;
  FibreHistory history;
  SimulatedAlice alice;
  SimulatedBob bob;
};

Result<std::unique_ptr<SimulatedLink>> SimulatedLink::make(const LinkPhysics& physics,
                                                           std::uint64_t seed) {
  QUOIN_TRY(validate(physics));
  return std::unique_ptr<SimulatedLink>(new SimulatedLink(std::make_unique<State>(physics, seed)));
}

SimulatedLink::SimulatedLink(std::unique_ptr<State> state) : state_(std::move(state)) {}
SimulatedLink::~SimulatedLink() = default;

AliceDevice& SimulatedLink::alice() { return state_->alice; }
BobDevice& SimulatedLink::bob() { return state_->bob; }
const LinkPhysics& SimulatedLink::physics() const { return state_->physics; }
SlotIndex SimulatedLink::emitted() const { return state_->emitted.load(); }

Result<SlotIndex> SimulatedLink::set_eve(std::shared_ptr<const Eve> eve, SlotIndex from) {
  if (eve == nullptr) return state_->history.change(NoEve{}, from);
  return state_->history.change(*eve, from);
}

void SimulatedLink::drop_backlog_before(SlotIndex slot) { state_->bob.skip_to(slot); }

}  // namespace quoin
