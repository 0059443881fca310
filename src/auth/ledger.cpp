#include "auth/ledger.hpp"

#include <algorithm>

namespace quoin {

namespace {

SecretBytes copy_of(ByteSpan bytes, SecretMemory memory = SecretMemory::locked) {
  SecretBytes copy = SecretBytes::zeroed(bytes.size(), memory);
  std::copy(bytes.begin(), bytes.end(), copy.expose_secret_mutable().begin());
  return copy;
}

std::size_t root_bytes(bool starts_lineage) { return starts_lineage ? lineage_root_bytes : 0; }

std::string name_of(const PadPosition& position) {
  return "pad " + std::to_string(position.index) + " of block " +
         std::to_string(to_u64(position.segment));
}

}  // namespace

// ---- Refill. ----

std::size_t AuthLedger::refill_bits_wanted(std::uint32_t pads_target, bool starts_lineage) const {
  const std::uint64_t held = starts_lineage ? 0
                                            : std::min(pads_held(Direction::alice_to_bob),
                                                       pads_held(Direction::bob_to_alice));
  if (held >= pads_target) return 0;
  return (root_bytes(starts_lineage) + (pads_target - held) * direction_count * pad_bytes) * 8;
}

std::size_t AuthLedger::segment_bits_for(std::size_t bits, bool starts_lineage) {
  const std::size_t root = root_bytes(starts_lineage) * 8;
  constexpr std::size_t step = direction_count * pad_bytes * 8;
  if (bits < root + step) return 0;
  return root + std::min<std::size_t>((bits - root) / step, segment_pads_max) * step;
}

bool AuthLedger::is_prepared_lineage(std::uint64_t lineage) const {
  return std::ranges::any_of(segments_, [lineage](const auto& entry) {
    return entry.second.starts_lineage && !entry.second.is_committed &&
           entry.second.lineage == lineage;
  });
}

Status AuthLedger::prepare_segment(StoreBatch& batch, BlockId block, SecretBytes&& key,
                                   bool starts_lineage, std::uint64_t lineage) {
  const std::size_t used = segment_bits_for(key.size_bytes() * 8, starts_lineage) / 8;
  if (used == 0)
    return fail(ErrorCode::invalid_argument,
                "a segment of " + std::to_string(key.size_bytes()) + " bytes has no pad in it");
  if (segments_.contains(block))
    return fail(ErrorCode::conflict,
                "block " + std::to_string(to_u64(block)) + " has given authentication key before");
  if (segments_.size() >= ledger_segments_max)
    return fail(ErrorCode::too_large, "the ledger holds 1024 segments already");
  const bool fits = starts_lineage
                        ? lineage > lineage_
                        : lineage > 0 && (lineage == lineage_ || is_prepared_lineage(lineage));
  if (!fits)
    return fail(ErrorCode::conflict, "authentication key of lineage " + std::to_string(lineage) +
                                         " does not follow lineage " + std::to_string(lineage_));
  const ByteSpan bits = key.expose_secret().first(used);
  const std::size_t root = root_bytes(starts_lineage);
  Segment segment;
  segment.lineage = lineage;
  segment.starts_lineage = starts_lineage;
  segment.pads = static_cast<std::uint32_t>((used - root) / (direction_count * pad_bytes));
  segment.root = copy_of(bits.first(root));
  segment.pad_key = copy_of(bits.subspan(root), SecretMemory::block);
  key.wipe();
  batch.put(Table::ledger_segments, row_key(RowKind::segment, block), segment_row(block, segment));
  if (starts_lineage)
    batch.put(Table::ledger_segments, row_key(RowKind::root, block), root_row(block, segment));
  segments_.emplace(block, std::move(segment));
  return success();
}

Status AuthLedger::commit_segment(StoreBatch& batch, BlockId block) {
  const auto at = segments_.find(block);
  if (at == segments_.end())
    return fail(ErrorCode::not_found, "block " + std::to_string(to_u64(block)) +
                                          " has no prepared authentication key here");
  Segment& segment = at->second;
  if (segment.is_committed) return success();
  const bool fits =
      segment.starts_lineage ? segment.lineage > lineage_ : segment.lineage == lineage_;
  if (!fits)
    return fail(ErrorCode::conflict, "lineage " + std::to_string(segment.lineage) +
                                         " cannot be committed while lineage " +
                                         std::to_string(lineage_) + " is in use");
  if (segment.starts_lineage) begin_lineage(batch, block, segment);
  segment.is_committed = true;
  batch.put(Table::ledger_segments, row_key(RowKind::commit, block), {});
  drop_spent(batch);
  return success();
}

// The rows of every other lineage go; marks stay where they point into the new one.
void AuthLedger::begin_lineage(StoreBatch& batch, BlockId block, Segment& segment) {
  if (lineage_ > 0) batch.erase(Table::ledger_segments, row_key(RowKind::root, root_block_));
  lineage_ = segment.lineage;
  root_block_ = block;
  root_ = std::move(segment.root);
  std::erase_if(segments_, [&](const auto& entry) {
    const bool stays =
        entry.first == block || (entry.second.lineage == lineage_ && !entry.second.starts_lineage);
    if (!stays) erase_segment(batch, entry.first, entry.second);
    return !stays;
  });
  for (DirectionMarks& marks : marks_) {
    if (!segments_.contains(marks.send_next.segment)) marks.send_next = {};
    if (!segments_.contains(marks.receive_next.segment)) marks.receive_next = {};
  }
  put_marks(batch);
}

Status AuthLedger::discard_segment(StoreBatch& batch, BlockId block) {
  const auto at = segments_.find(block);
  if (at == segments_.end()) return success();
  const bool is_in_use =
      at->second.is_committed || std::ranges::any_of(marks_, [block](const DirectionMarks& marks) {
        return marks.receive_next.segment == block;
      });
  if (is_in_use)
    return fail(ErrorCode::conflict, "authentication key of block " +
                                         std::to_string(to_u64(block)) +
                                         " is in use and cannot be discarded");
  erase_segment(batch, block, at->second);
  segments_.erase(at);
  return success();
}

void AuthLedger::abandon(StoreBatch& batch) {
  for (const auto& [block, segment] : segments_) erase_segment(batch, block, segment);
  if (lineage_ > 0) batch.erase(Table::ledger_segments, row_key(RowKind::root, root_block_));
  batch.erase(Table::ledger_marks, marks_key());
  segments_.clear();
  root_.wipe();
  lineage_ = 0;
  root_block_ = {};
  marks_ = {};
  attempts_ = {};
}

std::optional<SegmentMark> AuthLedger::segment(BlockId block) const {
  const auto at = segments_.find(block);
  if (at == segments_.end()) return std::nullopt;
  return SegmentMark{block, at->second.is_committed};
}

void AuthLedger::erase_segment(StoreBatch& batch, BlockId block, const Segment& segment) const {
  batch.erase(Table::ledger_segments, row_key(RowKind::segment, block));
  if (segment.is_committed)
    batch.erase(Table::ledger_segments, row_key(RowKind::commit, block));
  else if (segment.starts_lineage)
    batch.erase(Table::ledger_segments, row_key(RowKind::root, block));
}

// ---- Use. ----

PadPosition AuthLedger::spent_below(Direction direction) const {
  const DirectionMarks& marks = marks_[index_of(direction)];
  return std::max(marks.send_next, marks.receive_next);
}

std::uint32_t AuthLedger::first_unspent(Direction direction, BlockId block,
                                        const Segment& segment) const {
  const PadPosition mark = spent_below(direction);
  if (mark.segment < block) return 0;
  return mark.segment > block ? segment.pads : std::min(mark.index, segment.pads);
}

MutableByteSpan AuthLedger::pad_at(Segment& segment, Direction direction, std::uint32_t index) {
  const std::size_t at = index_of(direction) * segment.pads + index;
  return segment.pad_key.expose_secret_mutable().subspan(at * pad_bytes, pad_bytes);
}

Result<Pad> AuthLedger::take_pad(StoreBatch& batch, Direction direction) {
  for (auto& [block, segment] : segments_) {
    if (!segment.is_committed) continue;
    const std::uint32_t index = first_unspent(direction, block, segment);
    if (index == segment.pads) continue;
    Pad pad{{block, index}, copy_of(pad_at(segment, direction, index))};
    marks_[index_of(direction)].send_next = {block, index + 1};
    put_marks(batch);
    drop_spent(batch);
    return pad;
  }
  return fail(ErrorCode::exhausted,
              std::string("the ledger has no pad left for ") + to_string(direction),
              "let the link make key under its bootstrap again, which needs an operator's word");
}

Result<SecretBytes> AuthLedger::pad_for_verification(Direction direction,
                                                     const PadPosition& position) {
  const auto at = segments_.find(position.segment);
  if (position < spent_below(direction))
    return fail(ErrorCode::conflict, name_of(position) + " was used before");
  if (at == segments_.end() || position.index >= at->second.pads)
    return fail(ErrorCode::not_found, name_of(position) + " is not in the ledger");
  if (attempts_[index_of(direction)] >= verification_attempts_max)
    return fail(ErrorCode::exhausted,
                "1024 tags in a row have failed from " + std::string(to_string(direction)),
                "find out who sends them, then restart the node");
  ++attempts_[index_of(direction)];
  return copy_of(pad_at(at->second, direction, position.index));
}

Status AuthLedger::advance_receive_mark(StoreBatch& batch, Direction direction,
                                        const PadPosition& position) {
  const auto at = segments_.find(position.segment);
  if (position < spent_below(direction))
    return fail(ErrorCode::conflict, name_of(position) + " was used before");
  if (at == segments_.end() || position.index >= at->second.pads)
    return fail(ErrorCode::not_found, name_of(position) + " is not in the ledger");
  marks_[index_of(direction)].receive_next = {position.segment, position.index + 1};
  attempts_[index_of(direction)] = 0;
  put_marks(batch);
  drop_spent(batch);
  return success();
}

void AuthLedger::drop_spent(StoreBatch& batch) {
  std::erase_if(segments_, [&](auto& entry) {
    auto& [block, segment] = entry;
    bool is_spent = segment.is_committed;
    for (const Direction direction : {Direction::alice_to_bob, Direction::bob_to_alice}) {
      const std::uint32_t unspent = first_unspent(direction, block, segment);
      const std::size_t first = index_of(direction) * segment.pads;
      secure_wipe(
          segment.pad_key.expose_secret_mutable().subspan(first * pad_bytes, unspent * pad_bytes));
      is_spent = is_spent && unspent == segment.pads;
    }
    if (is_spent) erase_segment(batch, block, segment);
    return is_spent;
  });
}

const SecretBytes* AuthLedger::lineage_root() const {
  if (lineage_ > 0) return &root_;
  const SecretBytes* found = nullptr;
  for (const auto& [block, segment] : segments_)
    if (segment.starts_lineage) found = &segment.root;
  return found;
}

Result<SecretBytes> AuthLedger::hash_key(Direction direction) const {
  const SecretBytes* root = lineage_root();
  if (root == nullptr) return fail(ErrorCode::not_found, "the ledger holds no hash key yet");
  return copy_of(
      root->expose_secret().subspan(index_of(direction) * poly_hash_bytes, poly_hash_bytes));
}

Result<SecretBytes> AuthLedger::control_root() const {
  const SecretBytes* root = lineage_root();
  if (root == nullptr) return fail(ErrorCode::not_found, "the ledger holds no control root yet");
  return copy_of(root->expose_secret().last(control_root_bytes));
}

bool AuthLedger::is_ready(Direction sending) const {
  return lineage_ > 0 && pads_left(sending) > 0;
}

// ---- Levels. ----

std::uint64_t AuthLedger::count_pads(Direction direction, bool with_prepared) const {
  std::uint64_t left = 0;
  for (const auto& [block, segment] : segments_)
    if (segment.is_committed || with_prepared)
      left += segment.pads - first_unspent(direction, block, segment);
  return left;
}

std::uint64_t AuthLedger::pads_left(Direction direction) const {
  return count_pads(direction, false);
}

std::uint64_t AuthLedger::pads_held(Direction direction) const {
  return count_pads(direction, true);
}

std::uint64_t AuthLedger::bytes_left() const {
  return (pads_left(Direction::alice_to_bob) + pads_left(Direction::bob_to_alice)) * pad_bytes;
}

}  // namespace quoin
