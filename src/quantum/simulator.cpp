#include "quantum/simulator.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <vector>

#include "kernels/bit_planes.hpp"
#include "quantum/receiver.hpp"

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

SecretBits secret_plane_of(std::span<const std::uint8_t> codes, unsigned plane) {
  SecretBits bits = SecretBits::zeroed(codes.size());
  if (!codes.empty()) pack_bit_plane(codes, plane, bits.expose_secret_mutable());
  return bits;
}

class SimulatedAlice final : public AliceDevice {
 public:
  SimulatedAlice(const LinkPhysics& physics, std::uint64_t seed, const FibreHistory& history,
                 const std::atomic<SlotIndex>& emitted)
      : physics_(physics), key_(seed), history_(history), emitted_(emitted) {}

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
  void look_up(std::uint64_t offset_of_chunk, std::span<const std::uint32_t> offsets,
               std::uint8_t* codes) const;
  void add_sums(const Piece& piece, const IdleSlots& idle);
  void wipe();

  const LinkPhysics& physics_;
  CounterKey key_;
  const FibreHistory& history_;
  const std::atomic<SlotIndex>& emitted_;
  HitChunk hits_;
  SlotCodes all_{};    // scratch: the setting of every slot of a chunk
  SecretBytes codes_;  // scratch, wiped after each answer
  SettingCounts sums_{};
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
  bool is_ordered = offsets.empty() || offsets.back() < slot_count;
  for (std::size_t i = 1; i < offsets.size(); ++i) is_ordered &= offsets[i - 1] < offsets[i];
  if (!is_ordered)
    return fail(ErrorCode::invalid_argument,
                "slot offsets must increase and stay inside the block");
  return success();
}

void SimulatedAlice::add_sums(const Piece& piece, const IdleSlots& idle) {
  if (!piece.is_whole()) {
    idle.all_settings(all_);
    const std::span all(all_);
    return count_low_nibbles(all.subspan(piece.low, piece.high - piece.low), sums_);
  }
  idle.add_settings(sums_);
  count_low_nibbles(std::span(hits_.codes).first(hits_.count), sums_);
}

// Codes of hits at the offsets, zero for others.
void SimulatedAlice::look_up(std::uint64_t offset_of_chunk, std::span<const std::uint32_t> offsets,
                             std::uint8_t* codes) const {
  if (!hits_.is_listed) {
    const std::uint8_t* const slots = hits_.slots.data();
    const auto base = static_cast<std::uint32_t>(offset_of_chunk);
    for (std::size_t i = 0; i < offsets.size(); ++i) codes[i] = slots[offsets[i] - base];
    return;
  }
  std::size_t hit = 0;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const std::uint64_t place = offsets[i] - offset_of_chunk;
    while (hit < hits_.count && hits_.places[hit] < place) ++hit;
    const bool is_hit = hit < hits_.count && hits_.places[hit] == place;
    codes[i] = is_hit ? hits_.codes[hit] : std::uint8_t{0};
  }
}

// `codes` takes one code per offset, whose low bits are Alice's setting. The offset of a slot is
// offset_of_chunk (modulo 2^64) plus its place in the chunk.
void SimulatedAlice::answer_piece(const Piece& piece, std::uint64_t offset_of_chunk,
                                  std::span<const std::uint32_t> offsets, std::uint8_t* codes) {
  derive_hits(history_.at(piece.chunk), key_, piece.chunk, hits_);
  const IdleSlots idle(hits_, key_);
  look_up(offset_of_chunk, offsets, codes);
  const std::span looked_up(codes, offsets.size());
  for (auto at = looked_up.begin(); (at = std::find(at, looked_up.end(), 0)) != looked_up.end();
       ++at) {
    const auto i = static_cast<std::size_t>(at - looked_up.begin());
    // Marked as looked up by a bit that is not the setting's.
    *at = idle.code_at(offsets[i] - offset_of_chunk) | 1u << trap_plane;
  }
  add_sums(piece, idle);
}

void SimulatedAlice::wipe() {
  hits_.wipe();
  secure_wipe(std::as_writable_bytes(std::span(all_)));
}

Result<AliceAnswer> SimulatedAlice::settings_for(SlotIndex first_slot, std::uint64_t slot_count,
                                                 std::span<const std::uint32_t> offsets) {
  QUOIN_TRY(check(first_slot, slot_count, offsets));
  if (codes_.size_bytes() < offsets.size())
    codes_ = SecretBytes::zeroed(offsets.size(), SecretMemory::block);
  auto* const codes = reinterpret_cast<std::uint8_t*>(codes_.expose_secret_mutable().data());
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
  answer.settings.bits = secret_plane_of(all, 0);
  answer.settings.basis_is_test = plane_of(all, 1);
  answer.settings.intensity_is_decoy = plane_of(all, 2);
  answer.settings.intensity_is_vacuum = plane_of(all, 3);
  for (std::size_t code = 0; code < setting_codes; ++code)
    answer.emitted.sent[code >> 1 & 1][code >> 2] += sums_[code];
  secure_wipe(codes_.expose_secret_mutable().first(offsets.size()));
  wipe();
  return answer;
}

class SimulatedBob final : public BobDevice {
 public:
  SimulatedBob(const LinkPhysics& physics, std::uint64_t seed, FibreHistory& history,
               std::atomic<SlotIndex>& emitted)
      : physics_(physics),
        key_(seed),
        history_(history),
        emitted_(emitted),
        receiver_(physics, key_) {}

  Result<DeviceCalibration> calibration() override { return physics_.calibration(); }
  Result<DetectionEvents> next_block(std::uint64_t slot_count) override;
  void skip_to(SlotIndex slot);

 private:
  void load(std::uint64_t chunk);
  std::size_t likely_detections(std::uint64_t slot_count) const;
  std::size_t receive(SlotIndex low, SlotIndex high, SlotIndex first_slot);
  Result<std::size_t> receive_all(SlotIndex end, DetectionEvents& events);

  const LinkPhysics& physics_;
  CounterKey key_;
  FibreHistory& history_;
  std::atomic<SlotIndex>& emitted_;
  SlotIndex position_ = 0;  // the next slot to hand over
  HitChunk hits_;
  Receiver receiver_;
  std::vector<std::uint32_t> offsets_ =
      std::vector<std::uint32_t>(chunk_slots + HitChunk::room);  // of the chunk at hand
  std::vector<std::uint8_t> chunk_codes_ = std::vector<std::uint8_t>(chunk_slots + HitChunk::room);
  std::vector<std::uint8_t> codes_;  // of the block at hand
};

void SimulatedBob::load(std::uint64_t chunk) {
  if (hits_.statistics != nullptr && hits_.chunk == chunk) return;
  derive_hits(history_.fix(chunk), key_, chunk, hits_);
}

// What a block should bring by the loaded chunk's probability, with five sigma to spare.
std::size_t SimulatedBob::likely_detections(std::uint64_t slot_count) const {
  const double p = hits_.statistics->hit_probability();
  const double likely = static_cast<double>(slot_count) * p /
                        (1 + p * static_cast<double>(receiver_.dead_slots())) *
                        (1 + physics_.afterpulse_probability);
  const auto bound = static_cast<std::uint64_t>(likely + 5 * std::sqrt(likely)) + HitChunk::room;
  return std::min({bound, slot_count, block_detections_max});
}

// Detections of slots [low, high), all of one chunk, into offsets_ and chunk_codes_; how many.
std::size_t SimulatedBob::receive(SlotIndex low, SlotIndex high, SlotIndex first_slot) {
  load(low / chunk_slots);
  const SlotIndex start = hits_.chunk * chunk_slots;
  // Modulo 2^32: what is added to a place in the chunk brings it back into the block.
  const auto first_offset = static_cast<std::uint32_t>(start - first_slot);
  return receiver_.receive(hits_, low - start, high - start, first_offset, offsets_.data(),
                           chunk_codes_.data());
}

// Slots [position_, end): offsets into `events`, codes into codes_.
Result<std::size_t> SimulatedBob::receive_all(SlotIndex end, DetectionEvents& events) {
  load(position_ / chunk_slots);
  events.offsets.reserve(likely_detections(end - position_));
  codes_.clear();
  for (SlotIndex slot = position_; slot < end;) {
    const SlotIndex high = std::min(end, (slot / chunk_slots + 1) * chunk_slots);
    const std::size_t count = receive(slot, high, position_);
    if (codes_.size() + count > block_detections_max)
      return fail(ErrorCode::too_large, "the block has more than 2^25 detections",
                  "ask for fewer slots");
    const auto added = static_cast<std::ptrdiff_t>(count);
    events.offsets.insert(events.offsets.end(), offsets_.begin(), offsets_.begin() + added);
    codes_.insert(codes_.end(), chunk_codes_.begin(), chunk_codes_.begin() + added);
    slot = high;
  }
  return codes_.size();
}

Result<DetectionEvents> SimulatedBob::next_block(std::uint64_t slot_count) {
  QUOIN_TRY(check_slot_count(slot_count));
  if (position_ > slots_of_a_run_max)
    return fail(ErrorCode::exhausted, "the run of the device is over", "start the device again");
  Receiver::Memory before = receiver_.memory();
  const SlotIndex live_from_before = before.live_from;
  const SlotIndex end = position_ + slot_count;
  DetectionEvents events;
  events.first_slot = position_;
  events.slot_count = slot_count;
  const auto received = receive_all(end, events);
  if (!received) {
    receiver_.restore(std::move(before));
    hits_.statistics.reset();
    return received.failure();
  }
  events.basis_is_test = plane_of(codes_, bob_test_plane);
  events.clicked_0 = secret_plane_of(codes_, click_0_plane);
  events.clicked_1 = secret_plane_of(codes_, click_0_plane + 1);
  // A common dead time lets no click happen while it lasts, so every click is in an entry.
  events.singles = {popcount(events.clicked_0.expose_secret()),
                    popcount(events.clicked_1.expose_secret())};
  const auto dead_after = [this](SlotIndex slot) {
    return receiver_.live_from() > slot ? receiver_.live_from() - slot : SlotIndex{0};
  };
  const std::uint64_t dead_before = live_from_before > position_ ? live_from_before - position_ : 0;
  events.slots_dropped_dead_time =
      dead_before + events.offsets.size() * receiver_.dead_slots() - dead_after(end);
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
    const SlotIndex high = std::min(slot, (low / chunk_slots + 1) * chunk_slots);
    receive(low, high, low);
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
