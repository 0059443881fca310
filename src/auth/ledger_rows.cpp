// The ledger's rows in the Store.
//   ledger_segments: link id | kind | block id
//     segment: version | layout | lineage | starts lineage | pads per direction | sealed pads
//     root:    version | layout | lineage | sealed hash keys and control root
//     commit:  empty; its presence says that the segment is committed
//   ledger_marks: link id -> version | lineage | block that began it | four marks
// Sealed parts are bound to their row's key and to what stands in front of them.
#include <algorithm>

#include "auth/ledger.hpp"

namespace quoin {

namespace {

constexpr std::uint8_t row_version = 1;
constexpr std::uint8_t segment_layout = 1;
constexpr std::size_t link_id_max = 64;
constexpr std::size_t scan_rows = 256;
constexpr std::size_t sealed_segment_max =
    std::size_t{segment_pads_max} * direction_count * pad_bytes + at_rest_overhead_bytes;

Bytes associate(ByteSpan row_key, ByteSpan head) {
  ByteWriter out;
  out.text("auth ledger").prefixed(row_key).fixed(head);
  return std::move(out).take();
}

Failure impossible(std::string what) {
  return fail(ErrorCode::conflict, "the authentication ledger is damaged: " + std::move(what),
              "restore nothing; start a new lineage on both sites");
}

void put_position(ByteWriter& out, const PadPosition& position) {
  out.u64(to_u64(position.segment)).u32(position.index);
}

PadPosition take_position(ByteReader& in) {
  const auto segment = static_cast<BlockId>(in.u64());
  return {segment, in.u32()};
}

ByteWriter segment_head(std::uint64_t lineage, bool starts_lineage, std::uint32_t pads) {
  ByteWriter head;
  head.u8(row_version).u8(segment_layout).u64(lineage).u8(starts_lineage ? 1 : 0).u32(pads);
  return head;
}

ByteWriter root_head(std::uint64_t lineage) {
  ByteWriter head;
  head.u8(row_version).u8(segment_layout).u64(lineage);
  return head;
}

}  // namespace

Bytes AuthLedger::row_key(RowKind kind, BlockId block) const {
  ByteWriter key;
  key.text(link_id_).u8(static_cast<std::uint8_t>(kind)).u64(to_u64(block));
  return std::move(key).take();
}

Bytes AuthLedger::marks_key() const {
  ByteWriter key;
  key.text(link_id_);
  return std::move(key).take();
}

Bytes AuthLedger::segment_row(BlockId block, const Segment& segment) const {
  ByteWriter row = segment_head(segment.lineage, segment.starts_lineage, segment.pads);
  const Bytes sealed = cipher_->seal(segment.pad_key.expose_secret(),
                                     associate(row_key(RowKind::segment, block), row.bytes()));
  return std::move(row.prefixed(sealed)).take();
}

Bytes AuthLedger::root_row(BlockId block, const Segment& segment) const {
  ByteWriter row = root_head(segment.lineage);
  const Bytes sealed = cipher_->seal(segment.root.expose_secret(),
                                     associate(row_key(RowKind::root, block), row.bytes()));
  return std::move(row.prefixed(sealed)).take();
}

void AuthLedger::put_marks(StoreBatch& batch) const {
  ByteWriter row;
  row.u8(row_version).u64(lineage_).u64(to_u64(root_block_));
  for (const DirectionMarks& marks : marks_) {
    put_position(row, marks.send_next);
    put_position(row, marks.receive_next);
  }
  batch.put(Table::ledger_marks, marks_key(), row.bytes());
}

Status AuthLedger::load_marks(const Store& store) {
  QUOIN_TAKE(row, store.get(Table::ledger_marks, marks_key()));
  if (!row) return success();
  ByteReader in(*row);
  if (in.u8() != row_version) return impossible("marks of an unknown version");
  lineage_ = in.u64();
  root_block_ = static_cast<BlockId>(in.u64());
  for (DirectionMarks& marks : marks_) {
    marks.send_next = take_position(in);
    marks.receive_next = take_position(in);
  }
  return in.finish("row of ledger marks");
}

// Rows of one kind, by block. `on_row(block, value)` gives a Status.
template <class OnRow>
Status AuthLedger::for_each_row(const Store& store, RowKind kind, OnRow on_row) const {
  Bytes first = row_key(kind, BlockId{});
  const std::size_t prefix = first.size() - 8;
  const Bytes start = first;
  while (true) {
    QUOIN_TAKE(rows, store.scan(Table::ledger_segments, first, scan_rows));
    for (const StoreRow& row : rows) {
      if (row.key.size() != start.size() ||
          !std::equal(start.begin(), start.begin() + static_cast<std::ptrdiff_t>(prefix),
                      row.key.begin()))
        return success();
      ByteReader block(ByteSpan(row.key).subspan(prefix));
      QUOIN_TRY(on_row(static_cast<BlockId>(block.u64()), ByteSpan(row.value)));
    }
    if (rows.size() < scan_rows) return success();
    first = rows.back().key;
    first.push_back(std::byte{0});
  }
}

Status AuthLedger::load_segment(BlockId block, ByteSpan value) {
  if (segments_.size() >= ledger_segments_max) return impossible("more than 1024 segments");
  ByteReader in(value);
  const std::uint8_t version = in.u8();
  const std::uint8_t layout = in.u8();
  Segment segment;
  segment.lineage = in.u64();
  segment.starts_lineage = in.u8() == 1;
  segment.pads = in.u32();
  const ByteSpan sealed = in.prefixed(sealed_segment_max);
  QUOIN_TRY(in.finish("row of authentication key"));
  if (version != row_version || layout != segment_layout)
    return impossible("a segment of an unknown version");
  const ByteWriter head = segment_head(segment.lineage, segment.starts_lineage, segment.pads);
  QUOIN_TAKE(opened,
             cipher_->open(sealed, associate(row_key(RowKind::segment, block), head.bytes())));
  segment.pad_key = std::move(opened);
  if (segment.pads == 0 ||
      segment.pad_key.size_bytes() != std::size_t{segment.pads} * direction_count * pad_bytes)
    return impossible("a segment of another size than it says");
  segments_.emplace(block, std::move(segment));
  return success();
}

Status AuthLedger::load_root(BlockId block, ByteSpan value) {
  ByteReader in(value);
  const std::uint8_t version = in.u8();
  const std::uint8_t layout = in.u8();
  const std::uint64_t lineage = in.u64();
  const ByteSpan sealed = in.prefixed(sealed_segment_max);
  QUOIN_TRY(in.finish("row of hash keys"));
  if (version != row_version || layout != segment_layout)
    return impossible("hash keys of an unknown version");
  QUOIN_TAKE(opened, cipher_->open(sealed, associate(row_key(RowKind::root, block),
                                                     root_head(lineage).bytes())));
  if (opened.size_bytes() != lineage_root_bytes) return impossible("hash keys of another size");
  if (lineage_ > 0 && block == root_block_) {
    root_ = std::move(opened);
    return success();
  }
  const auto at = segments_.find(block);
  if (at == segments_.end() || !at->second.starts_lineage || at->second.lineage != lineage)
    return impossible("hash keys without their segment");
  at->second.root = std::move(opened);
  return success();
}

Status AuthLedger::check_loaded() const {
  if (lineage_ > 0 && root_.empty()) return impossible("a lineage without its hash keys");
  for (const auto& [block, segment] : segments_) {
    if (segment.is_committed && segment.lineage != lineage_)
      return impossible("committed key of a lineage that has no marks");
    if (!segment.is_committed && segment.starts_lineage && segment.root.empty())
      return impossible("the start of a lineage without its hash keys");
  }
  return success();
}

Result<AuthLedger> AuthLedger::load(const Store& store, const AtRestCipher& cipher,
                                    std::string_view link_id) {
  if (link_id.empty() || link_id.size() > link_id_max)
    return fail(ErrorCode::invalid_argument, "a link id has 1 to 64 bytes");
  AuthLedger ledger(cipher, link_id);
  QUOIN_TRY(ledger.load_marks(store));
  QUOIN_TRY(ledger.for_each_row(store, RowKind::segment, [&](BlockId block, ByteSpan value) {
    return ledger.load_segment(block, value);
  }));
  QUOIN_TRY(ledger.for_each_row(store, RowKind::root, [&](BlockId block, ByteSpan value) {
    return ledger.load_root(block, value);
  }));
  QUOIN_TRY(ledger.for_each_row(store, RowKind::commit, [&](BlockId block, ByteSpan) -> Status {
    const auto at = ledger.segments_.find(block);
    if (at == ledger.segments_.end()) return impossible("a commit without its segment");
    at->second.is_committed = true;
    return success();
  }));
  QUOIN_TRY(ledger.check_loaded());
  StoreBatch nothing;  // rows that are spent went with the mark that spent them
  ledger.drop_spent(nothing);
  return ledger;
}

}  // namespace quoin
