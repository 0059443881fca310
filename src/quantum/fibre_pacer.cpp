#include "quantum/fibre_pacer.hpp"

namespace quoin {

namespace {

__extension__ using Wide = unsigned __int128;
constexpr Wide ns_times_millihertz = 1'000'000'000'000;  // slots * this = elapsed ns * millihertz

}  // namespace

FibrePacer::FibrePacer(double slot_rate_hz, std::uint64_t retention_slots, Instant start)
    : slot_rate_millihertz_(static_cast<std::uint64_t>(slot_rate_hz * 1000)),
      retention_slots_(retention_slots),
      start_(start) {}

SlotIndex FibrePacer::emitted(Instant now) const {
  if (now <= start_) return 0;
  const Wide elapsed_ns = static_cast<std::uint64_t>(now.ns - start_.ns);
  return static_cast<SlotIndex>(elapsed_ns * slot_rate_millihertz_ / ns_times_millihertz);
}

SlotIndex FibrePacer::oldest_kept(Instant now) const {
  const SlotIndex head = emitted(now);
  return head > retention_slots_ ? head - retention_slots_ : 0;
}

Instant FibrePacer::when_emitted(SlotIndex end) const {
  const Wide elapsed_ns =
      (Wide{end} * ns_times_millihertz + slot_rate_millihertz_ - 1) / slot_rate_millihertz_;
  return {start_.ns + static_cast<std::int64_t>(elapsed_ns)};
}

}  // namespace quoin
