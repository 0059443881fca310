// What the sides tell each other of their ledgers, and what follows from it.
#include <algorithm>

#include "auth/ledger.hpp"

namespace quoin {

namespace {

constexpr std::uint8_t marks_version = 1;

PadPosition spent_of(const DirectionMarks& marks) {
  return std::max(marks.send_next, marks.receive_next);
}

bool lists(const LedgerMarks& marks, BlockId block) {
  return std::ranges::any_of(marks.segments,
                             [block](const SegmentMark& mark) { return mark.block == block; });
}

bool lists_committed(const LedgerMarks& marks, BlockId block) {
  return std::ranges::find(marks.segments, SegmentMark{block, true}) != marks.segments.end();
}

// One side has committed the start of a lineage, the other has it prepared and will follow.
bool is_following(const LedgerMarks& ahead, const LedgerMarks& behind) {
  return ahead.lineage > behind.lineage &&
         std::ranges::any_of(behind.segments, [&](const SegmentMark& mark) {
           return !mark.is_committed && lists_committed(ahead, mark.block);
         });
}

Failure old_copy(const char* whose, Direction direction) {
  return fail(ErrorCode::conflict,
              std::string("the authentication ledger of ") + whose +
                  " is older than what the other side has seen (" + to_string(direction) +
                  "): it comes from a backup or a snapshot, and would use pads twice",
              "keep the link down, and start a new lineage on both sites");
}

}  // namespace

Bytes encode(const LedgerMarks& marks) {
  ByteWriter out;
  out.u8(marks_version).u64(marks.lineage);
  for (const DirectionMarks& direction : marks.directions) {
    for (const PadPosition& position : {direction.send_next, direction.receive_next})
      out.u64(to_u64(position.segment)).u32(position.index);
  }
  out.u32(static_cast<std::uint32_t>(marks.segments.size()));
  for (const SegmentMark& segment : marks.segments)
    out.u64(to_u64(segment.block)).u8(segment.is_committed ? 1 : 0);
  return std::move(out).take();
}

Result<LedgerMarks> decode_ledger_marks(ByteSpan bytes) {
  ByteReader in(bytes);
  if (in.u8() != marks_version)
    return fail(ErrorCode::malformed, "ledger marks of an unknown version");
  LedgerMarks marks;
  marks.lineage = in.u64();
  for (DirectionMarks& direction : marks.directions) {
    for (PadPosition* position : {&direction.send_next, &direction.receive_next}) {
      position->segment = static_cast<BlockId>(in.u64());
      position->index = in.u32();
      if (position->index > segment_pads_max) in.mark_failed();
    }
  }
  const std::uint32_t count = in.u32();
  if (count > ledger_segments_max) in.mark_failed();
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    const auto block = static_cast<BlockId>(in.u64());
    const std::uint8_t state = in.u8();
    if (state > 1 || (!marks.segments.empty() && marks.segments.back().block >= block))
      in.mark_failed();
    marks.segments.push_back({block, state == 1});
  }
  QUOIN_TRY(in.finish("ledger marks"));
  return marks;
}

LedgerMarks AuthLedger::marks() const {
  LedgerMarks marks;
  marks.lineage = lineage_;
  marks.directions = marks_;
  for (const auto& [block, segment] : segments_)
    marks.segments.push_back({block, segment.is_committed});
  return marks;
}

bool AuthLedger::is_lost(BlockId block, const LedgerMarks& marks) {
  return !lists(marks, block) &&
         std::ranges::any_of(marks.directions, [block](const DirectionMarks& direction) {
           return spent_of(direction).segment < block;
         });
}

Status AuthLedger::check_peer_marks(const LedgerMarks& peer, QuantumRole own_role) const {
  const LedgerMarks own = marks();
  if (own.lineage != peer.lineage) {
    if (is_following(own, peer) || is_following(peer, own)) return success();
    return fail(ErrorCode::conflict,
                "the sites hold authentication key of different lineages (here " +
                    std::to_string(own.lineage) + ", there " + std::to_string(peer.lineage) + ")",
                "start a new lineage on both sites");
  }
  const Direction sending = sending_direction(own_role);
  const Direction receiving = receiving_direction(own_role);
  const auto spent = [](const LedgerMarks& marks, Direction direction) {
    return spent_of(marks.directions[index_of(direction)]);
  };
  if (spent(peer, sending) > spent(own, sending)) return old_copy("this site", sending);
  if (spent(own, receiving) > spent(peer, receiving)) return old_copy("the peer", receiving);
  for (const SegmentMark& segment : own.segments)
    if (segment.is_committed && is_lost(segment.block, peer)) return old_copy("the peer", sending);
  for (const SegmentMark& segment : peer.segments)
    if (segment.is_committed && is_lost(segment.block, own)) return old_copy("this site", sending);
  return success();
}

}  // namespace quoin
