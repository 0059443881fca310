// Every message between the two ends of a link: layout, bounds, encoding. Encoding is canonical:
// what is hashed and tagged is exactly what was sent. See docs/protocol.md for the order and the
// meaning.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "core/quantum_vocabulary.hpp"
#include "distill/reconcile.hpp"

namespace quoin {

// Bounds, checked before sending and after receiving.
constexpr std::size_t frame_bytes_max = std::size_t{16} << 20;
constexpr std::size_t reason_bytes_max = 256;
constexpr std::size_t resolve_blocks_max = 1024;
constexpr std::size_t secret_bits_max = std::size_t{1} << 27;

enum class FrameType : std::uint8_t {
  // Opening.
  hello = 1,
  // The transcript that influences key, absorbed by the running authenticator of its direction.
  commitment = 10,             // Bob: slots, bases, double clicks counted; never outcomes
  sift = 11,                   // Alice: matching bases, intensities, her test bits
  estimate = 12,               // Bob: errors of the test basis per intensity
  reconcile_start = 13,        // Alice: family, goal, permutation seed, estimate
  reconcile = 14,              // both: parities and differences
  verify = 15,                 // Alice: hash seed, tag, leak
  verify_result = 16,          // Bob: equal or not, leak
  amplify = 17,                // Alice: length, split, seed
  abort_block = 18,            // both
  switch_authentication = 19,  // both: from the next tag on, Wegman-Carter
  // The check on the transcript, not part of it.
  tag = 30,
  // Single messages under their own HMAC.
  control = 40,
};
const char* to_string(FrameType type);
bool is_transcript(FrameType type);

struct FrameHeader {
  FrameType type{};
  std::uint64_t counter = 0;  // of this direction, from 1, no gaps
  std::uint64_t peer_counter =
      0;  // last frame of the other direction that was processed before this one was made
  BlockId block{};
};
constexpr std::size_t frame_header_bytes = 1 + 8 + 8 + 8;

Bytes encode_frame(const FrameHeader& header, ByteSpan payload);
struct FrameView {
  FrameHeader header;
  ByteSpan payload;
};
Result<FrameView> decode_frame(ByteSpan frame);

struct Hello {
  std::uint16_t protocol_version = 0;
  std::string software_version;
  std::string site;
  QuantumRole role{};
  std::uint32_t next_session = 0;
  std::array<std::byte, 32> nonce{};
  Bytes parameters;           // encode(LinkParameters)
  std::uint64_t lineage = 0;  // 0: no ledger yet
};
Bytes encode(const Hello& hello);
Result<Hello> decode_hello(ByteSpan payload);

struct EstimateMessage {
  std::array<std::uint64_t, intensity_count> test_errors{};
  std::uint32_t qber_estimate_ppm = 0;
};
Bytes encode(const EstimateMessage& estimate);
Result<EstimateMessage> decode_estimate_message(ByteSpan payload);

struct ReconcileStart {
  ReconcileFamily family = ReconcileFamily::cascade;
  ReconcileGoal goal = ReconcileGoal::balanced;
  std::array<std::byte, 32> permutation_seed{};
  std::uint32_t qber_estimate_ppm = 0;
};
Bytes encode(const ReconcileStart& start);
Result<ReconcileStart> decode_reconcile_start(ByteSpan payload);

struct Verify {
  std::array<std::byte, 16> seed{};
  std::array<std::byte, 16> tag{};
  std::uint64_t leak_bits = 0;
  std::uint64_t reverse_bits = 0;
  std::uint64_t errors = 0;
};
Bytes encode(const Verify& verify);
Result<Verify> decode_verify(ByteSpan payload);

struct VerifyResult {
  std::array<std::byte, 16> tag{};  // Bob's own; equal to Alice's, or the block is dead
  std::uint64_t leak_bits = 0;
  std::uint64_t reverse_bits = 0;
  std::uint64_t errors = 0;
};
Bytes encode(const VerifyResult& result);
Result<VerifyResult> decode_verify_result(ByteSpan payload);

struct Amplify {
  std::uint64_t secret_bits = 0;
  std::uint64_t ledger_bits = 0;
  std::uint64_t lineage = 0;
  bool starts_lineage = false;
  BitString seed;
};
Bytes encode(const Amplify& amplify);
Result<Amplify> decode_amplify(ByteSpan payload);

struct AbortBlock {
  bool is_no_key = false;           // the proof gives nothing; otherwise something went wrong
  std::uint32_t qber_test_ppm = 0;  // as far as the sender knows it; for people, decides nothing
  std::string reason;
};
Bytes encode(const AbortBlock& abort);
Result<AbortBlock> decode_abort_block(ByteSpan payload);

struct SwitchAuthentication {
  std::uint64_t lineage = 0;
};
Bytes encode(const SwitchAuthentication& message);
Result<SwitchAuthentication> decode_switch_authentication(ByteSpan payload);

// Inside control frames.
enum class ControlType : std::uint8_t {
  resolve_query = 1,   // blocks prepared here, not known to be committed
  resolve_answer = 2,  // what the other side has of each
  ready = 3,           // ledger marks; both ready = running
  prepared = 4,
  rekey = 5,        // the next control frame of this direction is under key from the ledger
  key_manager = 6,  // opaque to the link
  goodbye = 7,
  abandoned = 8,  // the sender has given a block up and will never hold it
  keepalive = 9,
};
enum class PeerBlockState : std::uint8_t { none = 0, prepared = 1, committed = 2 };

struct ResolveQuery {
  std::vector<BlockId> blocks;
};
struct ResolveAnswer {
  std::vector<std::pair<BlockId, PeerBlockState>> blocks;
};
Bytes encode(const ResolveQuery& query);
Result<ResolveQuery> decode_resolve_query(ByteSpan payload);
Bytes encode(const ResolveAnswer& answer);
Result<ResolveAnswer> decode_resolve_answer(ByteSpan payload);

Bytes encode_control(ControlType type, ByteSpan payload);
struct ControlView {
  ControlType type;
  ByteSpan payload;
};
Result<ControlView> decode_control(ByteSpan message);

}  // namespace quoin
