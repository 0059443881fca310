// The ledger of authentication key of one link: hash keys, control root and one-time pads that were
// made from QKD key, kept sealed in the Store. For src/link, from the site's one thread.
//
// Key comes in segments, one per block that feeds the ledger; both sides cut the same bits alike.
//   layout 1, first segment of a lineage: hash key A->B 16 | hash key B->A 16 | control root 48 |
//   pads layout 1, later segments: pads
// Pads have 16 bytes; the first half serves Alice to Bob, the second half Bob to Alice.
//
// Every change goes as rows into a batch of the caller and into memory at once. The caller makes
// the batch durable before anything of it is used; a failed write ends the site, and the next start
// knows only what is durable. So a pad is used at most once: its mark is on disk first, and what
// was in doubt at a crash is burnt.
//
// A mark is the first position of a direction that may still be used; below it all is spent. Within
// a lineage marks only grow. A segment that is committed after a mark has passed its block id is
// burnt unused. Segments spent in both directions are erased from the Store and from memory.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "auth/authenticator.hpp"
#include "core/ports.hpp"
#include "crypto/at_rest.hpp"

namespace quoin {

constexpr std::size_t control_root_bytes = 48;
// Hash keys and control root at the head of a lineage.
constexpr std::size_t lineage_root_bytes = 2 * poly_hash_bytes + control_root_bytes;
constexpr std::uint32_t segment_pads_max = 65536;  // per direction
constexpr std::size_t ledger_segments_max = 1024;
// Pads handed out for verification in one direction without a single success in between.
constexpr std::uint32_t verification_attempts_max = 1024;

struct DirectionMarks {
  PadPosition send_next;     // as sender
  PadPosition receive_next;  // as receiver
  bool operator==(const DirectionMarks&) const = default;
};

struct SegmentMark {
  BlockId block{};
  bool is_committed = false;
  bool operator==(const SegmentMark&) const = default;
};

// What the sides tell each other on every connection before any pad is spent (security-rules A4).
struct LedgerMarks {
  std::uint64_t lineage = 0;  // 0: no committed lineage
  std::array<DirectionMarks, direction_count> directions{};
  std::vector<SegmentMark> segments;  // ascending
  bool operator==(const LedgerMarks&) const = default;
};
Bytes encode(const LedgerMarks& marks);
Result<LedgerMarks> decode_ledger_marks(ByteSpan bytes);

class AuthLedger {
 public:
  // Reads the rows of `link_id` (1 to 64 bytes). `cipher` outlives the ledger. conflict: rows that
  // cannot be, such as a lineage without marks (a store that was put together from parts);
  // unauthenticated or configuration: rows sealed under another key, or altered.
  static Result<AuthLedger> load(const Store& store, const AtRestCipher& cipher,
                                 std::string_view link_id);

  // ---- Refill. ----
  // Bits to take from a block so that both directions reach `pads_target`, prepared segments
  // counted. 0 when they have it already. starts_lineage adds the root.
  std::size_t refill_bits_wanted(std::uint32_t pads_target, bool starts_lineage) const;
  // Bits of the segment that `bits` of key give: whole pads, the same number in both directions.
  static std::size_t segment_bits_for(std::size_t bits, bool starts_lineage);

  // Part of a first segment that is no pads.
  static constexpr std::uint64_t first_segment_fixed_bits = lineage_root_bytes * 8;

  // Durable on this side with the batch, not in use before commit_segment(); what peers prove under
  // it can already be verified. Surplus bits beyond whole pads are wiped. invalid_argument: too few
  // bits for the root and one pad each; conflict: block known already, or lineage not above (when
  // starting) or not equal to (otherwise) the present one; too_large.
  Status prepare_segment(StoreBatch& batch, BlockId block, SecretBytes&& key, bool starts_lineage,
                         std::uint64_t lineage);
  // From now on in use. Starting a lineage erases the one before. Once more is success; not_found:
  // never prepared here.
  Status commit_segment(StoreBatch& batch, BlockId block);
  // Nothing to discard is success. conflict: committed, or the peer has shown that it is in use.
  Status discard_segment(StoreBatch& batch, BlockId block);
  // Erases everything, marks included. Only on an operator's word: the other side has to do the
  // same, and the next block begins a new lineage from the trust anchor (security-rules A5).
  void abandon(StoreBatch& batch);
  // none: unknown, discarded or spent.
  std::optional<SegmentMark> segment(BlockId block) const;

  // ---- Use. ----
  // The next pad of the sender's own direction, from the earliest committed segment. The batch must
  // be durable before the pad is used. exhausted: no pad left.
  Result<Pad> take_pad(StoreBatch& batch, Direction direction);
  // The pad at a place that the peer named. Nothing advances. conflict: at or below the mark, so
  // the pad was used before; not_found: no such segment or index; exhausted: too many failed
  // attempts.
  Result<SecretBytes> pad_for_verification(Direction direction, const PadPosition& position);
  // Only after the tag under this pad has verified: burns it and all before it. The batch must be
  // durable before anything else is done with what was authenticated.
  Status advance_receive_mark(StoreBatch& batch, Direction direction, const PadPosition& position);

  // Keys of the lineage: the committed one, else one that is prepared. not_found: neither.
  Result<SecretBytes> hash_key(Direction direction) const;
  Result<SecretBytes> control_root() const;
  // 0 as long as none is committed.
  std::uint64_t lineage() const { return lineage_; }
  // A lineage is committed and a pad is left for sending in this direction.
  bool is_ready(Direction sending) const;

  // ---- Levels. ----
  std::uint64_t pads_left(Direction direction) const;  // committed, unspent
  // The same with prepared segments: what will be there when they commit.
  std::uint64_t pads_held(Direction direction) const;
  std::uint64_t bytes_left() const;  // pads of both directions

  // ---- Peer. ----
  LedgerMarks marks() const;
  // Compares what the peer says with what is known here; call before the first pad of a connection.
  // conflict when either side works from an old copy of its store (a pad would be used twice), or
  // when the lineages are different and neither is the start the other side has prepared.
  Status check_peer_marks(const LedgerMarks& peer, QuantumRole own_role) const;

 private:
  struct Segment {
    std::uint64_t lineage = 0;
    bool starts_lineage = false;
    bool is_committed = false;
    std::uint32_t pads = 0;  // per direction
    SecretBytes root;        // of a lineage that is not committed yet
    SecretBytes pad_key;     // 2 * pads * pad_bytes; a pad is zero here once it is spent
  };

  AuthLedger(const AtRestCipher& cipher, std::string_view link_id)
      : cipher_(&cipher), link_id_(link_id) {}

  // ledger_rows.cpp: what is on disk.
  enum class RowKind : std::uint8_t { segment = 1, root = 2, commit = 3 };
  Bytes row_key(RowKind kind, BlockId block) const;
  Bytes marks_key() const;
  Bytes segment_row(BlockId block, const Segment& segment) const;
  Bytes root_row(BlockId block, const Segment& segment) const;
  void put_marks(StoreBatch& batch) const;
  Status load_marks(const Store& store);
  template <class OnRow>
  Status for_each_row(const Store& store, RowKind kind, OnRow on_row) const;
  Status load_segment(BlockId block, ByteSpan value);
  Status load_root(BlockId block, ByteSpan value);
  Status check_loaded() const;

  const SecretBytes* lineage_root() const;
  bool is_prepared_lineage(std::uint64_t lineage) const;
  // The first position of a direction that was spent neither as sender nor as receiver.
  PadPosition spent_below(Direction direction) const;
  // First unspent index of a segment in a direction; its number of pads if none is left.
  std::uint32_t first_unspent(Direction direction, BlockId block, const Segment& segment) const;
  std::uint64_t count_pads(Direction direction, bool with_prepared) const;
  static MutableByteSpan pad_at(Segment& segment, Direction direction, std::uint32_t index);
  void begin_lineage(StoreBatch& batch, BlockId block, Segment& segment);
  void erase_segment(StoreBatch& batch, BlockId block, const Segment& segment) const;
  // Wipes what is spent in memory and erases segments that are spent in both directions.
  void drop_spent(StoreBatch& batch);
  // Neither here nor, by the marks of its other owner, spent: the segment was lost.
  static bool is_lost(BlockId block, const LedgerMarks& marks);

  const AtRestCipher* cipher_;
  std::string link_id_;
  std::uint64_t lineage_ = 0;
  BlockId root_block_{};  // the block that began the lineage
  SecretBytes root_;      // outlives its segment: hash keys serve the whole lineage
  std::array<DirectionMarks, direction_count> marks_{};
  std::array<std::uint32_t, direction_count> attempts_{};
  std::map<BlockId, Segment> segments_;
};

}  // namespace quoin
