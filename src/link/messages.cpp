#include "link/messages.hpp"

#include <algorithm>

namespace quoin {

namespace {

template <std::size_t size>
std::array<std::byte, size> take_array(ByteReader& in) {
  std::array<std::byte, size> out{};
  const ByteSpan bytes = in.fixed(size);
  std::copy(bytes.begin(), bytes.end(), out.begin());
  return out;
}

bool take_bool(ByteReader& in) {
  const std::uint8_t value = in.u8();
  if (value > 1) in.mark_failed();
  return value == 1;
}

constexpr std::size_t site_name_max = 64;
constexpr std::size_t parameters_max = 1024;

}  // namespace

const char* to_string(FrameType type) {
  switch (type) {
    case FrameType::hello: return "hello";
    case FrameType::commitment: return "commitment";
    case FrameType::sift: return "sift";
    case FrameType::estimate: return "estimate";
    case FrameType::reconcile_start: return "reconcile_start";
    case FrameType::reconcile: return "reconcile";
    case FrameType::verify: return "verify";
    case FrameType::verify_result: return "verify_result";
    case FrameType::amplify: return "amplify";
    case FrameType::abort_block: return "abort_block";
    case FrameType::switch_authentication: return "switch_authentication";
    case FrameType::tag: return "tag";
    case FrameType::control: return "control";
  }
  return "unknown";
}

bool is_transcript(FrameType type) { return type != FrameType::tag && type != FrameType::control; }

Bytes encode_frame(const FrameHeader& header, ByteSpan payload) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(header.type)).u64(header.counter).u64(header.peer_counter);
  out.u64(to_u64(header.block)).fixed(payload);
  return std::move(out).take();
}

Result<FrameView> decode_frame(ByteSpan frame) {
  if (frame.size() > frame_bytes_max)
    return fail(ErrorCode::too_large, "link frame exceeds 16 MiB");
  if (frame.size() < frame_header_bytes)
    return fail(ErrorCode::malformed, "link frame is truncated");
  ByteReader in(frame);
  FrameView view;
  const auto type = static_cast<FrameType>(in.u8());
  if (std::string_view(to_string(type)) == "unknown")
    return fail(ErrorCode::malformed, "link frame of an unknown type");
  view.header.type = type;
  view.header.counter = in.u64();
  view.header.peer_counter = in.u64();
  view.header.block = static_cast<BlockId>(in.u64());
  view.payload = in.remaining();
  return view;
}

Bytes encode(const Hello& m) {
  ByteWriter out;
  out.u16(m.protocol_version)
      .text(m.software_version)
      .text(m.site)
      .u8(static_cast<std::uint8_t>(m.role));
  out.u32(m.next_session).fixed(m.nonce).prefixed(m.parameters).u64(m.lineage);
  return std::move(out).take();
}

Result<Hello> decode_hello(ByteSpan payload) {
  ByteReader in(payload);
  Hello m;
  m.protocol_version = in.u16();
  // A peer of another version may lay out the rest in its own way; say so before anything else is
  // read.
  if (!in.failed() && m.protocol_version != 1) return m;
  m.software_version = in.text(site_name_max);
  m.site = in.text(site_name_max);
  const std::uint8_t role = in.u8();
  if (role > 1) in.mark_failed();
  m.role = static_cast<QuantumRole>(role);
  m.next_session = in.u32();
  m.nonce = take_array<32>(in);
  const ByteSpan parameters = in.prefixed(parameters_max);
  m.parameters.assign(parameters.begin(), parameters.end());
  m.lineage = in.u64();
  QUOIN_TRY(in.finish("hello"));
  return m;
}

Bytes encode(const EstimateMessage& m) {
  ByteWriter out;
  for (const std::uint64_t errors : m.test_errors) out.u64(errors);
  return std::move(out.u32(m.qber_estimate_ppm)).take();
}

Result<EstimateMessage> decode_estimate_message(ByteSpan payload) {
  ByteReader in(payload);
  EstimateMessage m;
  for (std::uint64_t& errors : m.test_errors) errors = in.u64();
  m.qber_estimate_ppm = in.u32();
  if (m.qber_estimate_ppm > 500'000) in.mark_failed();
  QUOIN_TRY(in.finish("estimate"));
  return m;
}

Bytes encode(const ReconcileStart& m) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(m.family)).u8(static_cast<std::uint8_t>(m.goal));
  return std::move(out.fixed(m.permutation_seed).u32(m.qber_estimate_ppm)).take();
}

Result<ReconcileStart> decode_reconcile_start(ByteSpan payload) {
  ByteReader in(payload);
  ReconcileStart m;
  const std::uint8_t family = in.u8();
  const std::uint8_t goal = in.u8();
  m.permutation_seed = take_array<32>(in);
  m.qber_estimate_ppm = in.u32();
  if (m.qber_estimate_ppm > 500'000) in.mark_failed();
  QUOIN_TRY(in.finish("reconcile_start"));
  QUOIN_TAKE(known_family, reconcile_family(family));
  QUOIN_TAKE(known_goal, reconcile_goal(goal));
  m.family = known_family;
  m.goal = known_goal;
  return m;
}

Bytes encode(const Verify& m) {
  ByteWriter out;
  out.fixed(m.seed).fixed(m.tag).u64(m.leak_bits).u64(m.reverse_bits).u64(m.errors);
  return std::move(out).take();
}

Result<Verify> decode_verify(ByteSpan payload) {
  ByteReader in(payload);
  Verify m;
  m.seed = take_array<16>(in);
  m.tag = take_array<16>(in);
  m.leak_bits = in.u64();
  m.reverse_bits = in.u64();
  m.errors = in.u64();
  QUOIN_TRY(in.finish("verify"));
  return m;
}

Bytes encode(const VerifyResult& m) {
  ByteWriter out;
  out.fixed(m.tag).u64(m.leak_bits).u64(m.reverse_bits).u64(m.errors);
  return std::move(out).take();
}

Result<VerifyResult> decode_verify_result(ByteSpan payload) {
  ByteReader in(payload);
  VerifyResult m;
  m.tag = take_array<16>(in);
  m.leak_bits = in.u64();
  m.reverse_bits = in.u64();
  m.errors = in.u64();
  QUOIN_TRY(in.finish("verify_result"));
  return m;
}

Bytes encode(const Amplify& m) {
  ByteWriter out;
  out.u64(m.secret_bits)
      .u64(m.ledger_bits)
      .u64(m.lineage)
      .u8(m.starts_lineage ? 1 : 0)
      .bits(m.seed);
  return std::move(out).take();
}

Result<Amplify> decode_amplify(ByteSpan payload) {
  ByteReader in(payload);
  Amplify m;
  m.secret_bits = in.u64();
  m.ledger_bits = in.u64();
  m.lineage = in.u64();
  m.starts_lineage = take_bool(in);
  m.seed = in.bits(secret_bits_max);
  if (m.secret_bits > secret_bits_max || m.ledger_bits > m.secret_bits || m.ledger_bits % 8 != 0)
    in.mark_failed();
  QUOIN_TRY(in.finish("amplify"));
  return m;
}

Bytes encode(const AbortBlock& m) {
  ByteWriter out;
  const std::string_view reason = std::string_view(m.reason).substr(0, reason_bytes_max);
  return std::move(out.u8(m.is_no_key ? 1 : 0).u32(m.qber_test_ppm).text(reason)).take();
}

Result<AbortBlock> decode_abort_block(ByteSpan payload) {
  ByteReader in(payload);
  AbortBlock m;
  m.is_no_key = take_bool(in);
  m.qber_test_ppm = in.u32();
  if (m.qber_test_ppm > 1'000'000) in.mark_failed();
  m.reason = in.text(reason_bytes_max);
  // The text ends up in logs and on terminals: printable ASCII only.
  for (char& c : m.reason)
    if (c < ' ' || c > '~') c = '?';
  QUOIN_TRY(in.finish("abort_block"));
  return m;
}

Bytes encode(const SwitchAuthentication& m) {
  ByteWriter out;
  return std::move(out.u64(m.lineage)).take();
}

Result<SwitchAuthentication> decode_switch_authentication(ByteSpan payload) {
  ByteReader in(payload);
  SwitchAuthentication m;
  m.lineage = in.u64();
  QUOIN_TRY(in.finish("switch_authentication"));
  return m;
}

Bytes encode(const ResolveQuery& m) {
  ByteWriter out;
  out.u32(static_cast<std::uint32_t>(m.blocks.size()));
  for (const BlockId block : m.blocks) out.u64(to_u64(block));
  return std::move(out).take();
}

Result<ResolveQuery> decode_resolve_query(ByteSpan payload) {
  ByteReader in(payload);
  ResolveQuery m;
  const std::uint32_t count = in.u32();
  if (count > resolve_blocks_max) in.mark_failed();
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i)
    m.blocks.push_back(static_cast<BlockId>(in.u64()));
  QUOIN_TRY(in.finish("resolve_query"));
  return m;
}

Bytes encode(const ResolveAnswer& m) {
  ByteWriter out;
  out.u32(static_cast<std::uint32_t>(m.blocks.size()));
  for (const auto& [block, state] : m.blocks)
    out.u64(to_u64(block)).u8(static_cast<std::uint8_t>(state));
  return std::move(out).take();
}

Result<ResolveAnswer> decode_resolve_answer(ByteSpan payload) {
  ByteReader in(payload);
  ResolveAnswer m;
  const std::uint32_t count = in.u32();
  if (count > resolve_blocks_max) in.mark_failed();
  for (std::uint32_t i = 0; i < count && !in.failed(); ++i) {
    const auto block = static_cast<BlockId>(in.u64());
    const std::uint8_t state = in.u8();
    if (state > 2) in.mark_failed();
    m.blocks.emplace_back(block, static_cast<PeerBlockState>(state));
  }
  QUOIN_TRY(in.finish("resolve_answer"));
  return m;
}

Bytes encode_control(ControlType type, ByteSpan payload) {
  ByteWriter out;
  return std::move(out.u8(static_cast<std::uint8_t>(type)).fixed(payload)).take();
}

Result<ControlView> decode_control(ByteSpan message) {
  ByteReader in(message);
  const std::uint8_t type = in.u8();
  if (in.failed() || type < 1 || type > 9)
    return fail(ErrorCode::malformed, "control message of an unknown type");
  return ControlView{static_cast<ControlType>(type), in.remaining()};
}

}  // namespace quoin
