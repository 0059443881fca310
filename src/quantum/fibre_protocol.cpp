#include "quantum/fibre_protocol.hpp"

#include <bit>

#include "quantum/rice_code.hpp"

namespace quoin {

namespace {

// Numbers on the wire: never change or reuse one.
enum class MessageType : std::uint8_t {
  hello = 1,
  calibration_request = 2,
  next_block_request = 3,
  settings_request = 4,
  set_eve_request = 5,
  welcome = 64,
  calibration = 65,
  detections = 66,
  settings = 67,
  eve_set = 68,
  error = 127,
};

constexpr std::size_t error_text_max = 1024;

ByteWriter begin(MessageType type) {
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(type));
  return out;
}

void put_real(ByteWriter& out, double value) { out.u64(std::bit_cast<std::uint64_t>(value)); }
double take_real(ByteReader& in) { return std::bit_cast<double>(in.u64()); }

// The frame of a body, and of secret bits after it. Reserved whole, so that no copy of the secret
// stays behind in memory that the vector grew out of.
Result<Bytes> frame(const ByteWriter& body, ByteSpan secret = {}) {
  const std::size_t length = body.size() + secret.size();
  if (length > fibre_frame_max)
    return fail(ErrorCode::too_large, "a message of the fibre exceeds 64 MiB",
                "use smaller blocks");
  Bytes out;
  out.reserve(fibre_frame_header_bytes + length);
  ByteWriter header;
  header.u32(static_cast<std::uint32_t>(length));
  out.insert(out.end(), header.bytes().begin(), header.bytes().end());
  out.insert(out.end(), body.bytes().begin(), body.bytes().end());
  out.insert(out.end(), secret.begin(), secret.end());
  return out;
}

Status check_bounds(std::uint64_t slot_count, std::size_t detections) {
  if (slot_count > block_slots_max || detections > block_detections_max)
    return fail(ErrorCode::too_large, "a block exceeds 2^32 - 1 slots or 2^25 detections",
                "use smaller blocks");
  return success();
}

// Offsets that would not survive the journey.
Status check_offsets(std::uint64_t slot_count, std::span<const std::uint32_t> offsets) {
  QUOIN_TRY(check_bounds(slot_count, offsets.size()));
  std::uint64_t least = 0;
  for (const std::uint32_t offset : offsets) {
    if (offset < least || offset >= slot_count)
      return fail(ErrorCode::invalid_argument,
                  "slot offsets must increase and stay inside the block");
    least = std::uint64_t{offset} + 1;
  }
  return success();
}

std::uint64_t take_slot_count(ByteReader& in) {
  const std::uint64_t slot_count = in.u64();
  if (slot_count == 0 || slot_count > block_slots_max) in.mark_failed();
  return slot_count;
}

BitString take_plane(ByteReader& in, std::size_t entries) {
  BitString plane = in.bits(entries);
  if (plane.size_bits() != entries) in.mark_failed();
  return plane;
}

// As BitString travels: length and bytes.
void put_secret_bits(ByteWriter& out, const SecretBits& bits) {
  out.u32(static_cast<std::uint32_t>(bits.size_bits()));
  if (!bits.empty()) out.fixed(bits.expose_secret_bytes());
}
SecretBits take_secret_bits(ByteReader& in, std::size_t entries) {
  const std::uint32_t size_bits = in.u32();
  if (size_bits != entries) in.mark_failed();
  const ByteSpan bytes = in.fixed(bytes_for_bits(size_bits));
  if (in.failed() || size_bits == 0) return {};
  SecretBits bits = SecretBits::zeroed(size_bits);
  std::memcpy(bits.expose_secret_mutable().data(), bytes.data(), bytes.size());
  if ((bits.expose_secret().back() & ~last_word_mask(size_bits)) != 0) in.mark_failed();
  return bits;
}

// Requests, encode and decode side by side.

Result<Bytes> encode_one(const FibreHello& hello) {
  ByteWriter out = begin(MessageType::hello);
  out.u16(hello.version).u8(static_cast<std::uint8_t>(hello.role));
  return frame(out);
}
FibreHello take_hello(ByteReader& in) {
  FibreHello hello;
  hello.version = in.u16();
  const std::uint8_t role = in.u8();
  if (role > static_cast<std::uint8_t>(FibreRole::control)) in.mark_failed();
  hello.role = static_cast<FibreRole>(role);
  return hello;
}

Result<Bytes> encode_one(const CalibrationRequest&) {
  return frame(begin(MessageType::calibration_request));
}

Result<Bytes> encode_one(const NextBlockRequest& request) {
  QUOIN_TRY(check_bounds(request.slot_count, 0));
  ByteWriter out = begin(MessageType::next_block_request);
  out.u64(request.slot_count);
  return frame(out);
}
NextBlockRequest take_next_block(ByteReader& in) { return {.slot_count = take_slot_count(in)}; }

Result<Bytes> encode_one(const SettingsRequest& request) {
  return encode_settings_request(request.first_slot, request.slot_count, request.offsets);
}
SettingsRequest take_settings_request(ByteReader& in) {
  SettingsRequest request;
  request.first_slot = in.u64();
  request.slot_count = take_slot_count(in);
  request.offsets = take_offsets(in, request.slot_count, block_detections_max);
  return request;
}

Result<Bytes> encode_one(const SetEveRequest& request) {
  ByteWriter out = begin(MessageType::set_eve_request);
  out.u8(static_cast<std::uint8_t>(request.kind));
  put_real(out, request.fraction);
  out.u64(request.from_slot);
  return frame(out);
}
SetEveRequest take_set_eve(ByteReader& in) {
  SetEveRequest request;
  const std::uint8_t kind = in.u8();
  if (kind > static_cast<std::uint8_t>(EveKind::intercept_resend)) in.mark_failed();
  request.kind = static_cast<EveKind>(kind);
  request.fraction = take_real(in);
  if (!(request.fraction >= 0 && request.fraction <= 1)) in.mark_failed();
  request.from_slot = in.u64();
  return request;
}

// Answers.

Result<Bytes> encode_one(const FibreWelcome& welcome) {
  ByteWriter out = begin(MessageType::welcome);
  out.u16(welcome.version);
  return frame(out);
}
FibreWelcome take_welcome(ByteReader& in) { return {.version = in.u16()}; }

Result<Bytes> encode_one(const DeviceCalibration& c) {
  ByteWriter out = begin(MessageType::calibration);
  put_real(out, c.slot_rate_hz);
  for (const double mu : c.mu) put_real(out, mu);
  for (const double probability : c.intensity_probability) put_real(out, probability);
  put_real(out, c.key_basis_probability);
  put_real(out, c.dark_count_probability);
  put_real(out, c.detector_efficiency);
  out.u64(c.dead_time_slots).u64(c.retention_slots);
  out.u8(static_cast<std::uint8_t>(c.source)).text(c.description.substr(0, device_description_max));
  return frame(out);
}
DeviceCalibration take_calibration(ByteReader& in) {
  DeviceCalibration c;
  c.slot_rate_hz = take_real(in);
  for (double& mu : c.mu) mu = take_real(in);
  for (double& probability : c.intensity_probability) probability = take_real(in);
  c.key_basis_probability = take_real(in);
  c.dark_count_probability = take_real(in);
  c.detector_efficiency = take_real(in);
  c.dead_time_slots = in.u64();
  c.retention_slots = in.u64();
  const std::uint8_t source = in.u8();
  if (source < static_cast<std::uint8_t>(KeySource::hardware) ||
      source > static_cast<std::uint8_t>(KeySource::replayed))
    in.mark_failed();
  c.source = static_cast<KeySource>(source);
  c.description = in.text(device_description_max);
  return c;
}

Result<Bytes> encode_one(const DetectionEvents& events) {
  QUOIN_TRY(check_offsets(events.slot_count, events.offsets));
  ByteWriter out = begin(MessageType::detections);
  out.u64(events.first_slot).u64(events.slot_count);
  put_offsets(out, events.offsets, events.slot_count);
  out.bits(events.basis_is_test);
  put_secret_bits(out, events.clicked_0);
  put_secret_bits(out, events.clicked_1);
  out.u64(events.singles[0]).u64(events.singles[1]).u64(events.slots_dropped_dead_time);
  return frame(out);
}
DetectionEvents take_detections(ByteReader& in) {
  DetectionEvents events;
  events.first_slot = in.u64();
  events.slot_count = take_slot_count(in);
  events.offsets = take_offsets(in, events.slot_count, block_detections_max);
  events.basis_is_test = take_plane(in, events.offsets.size());
  events.clicked_0 = take_secret_bits(in, events.offsets.size());
  events.clicked_1 = take_secret_bits(in, events.offsets.size());
  for (std::uint64_t& singles : events.singles) singles = in.u64();
  events.slots_dropped_dead_time = in.u64();
  if (in.failed()) return events;
  for (std::size_t w = 0; w < words_for_bits(events.offsets.size()); ++w) {
    // Every entry is a click.
    const std::uint64_t clicked =
        events.clicked_0.expose_secret()[w] | events.clicked_1.expose_secret()[w];
    const bool is_last = w + 1 == words_for_bits(events.offsets.size());
    if (clicked != (is_last ? last_word_mask(events.offsets.size()) : ~std::uint64_t{0}))
      in.mark_failed();
  }
  return events;
}

Result<Bytes> encode_one(const AliceAnswer& answer) {
  const SettingPlanes& s = answer.settings;
  QUOIN_TRY(check_bounds(0, s.bits.size_bits()));
  ByteWriter out = begin(MessageType::settings);
  for (const auto& basis : answer.emitted.sent)
    for (const std::uint64_t sent : basis) out.u64(sent);
  out.bits(s.basis_is_test).bits(s.intensity_is_decoy).bits(s.intensity_is_vacuum);
  out.u32(static_cast<std::uint32_t>(s.bits.size_bits()));
  return frame(out, s.bits.empty() ? ByteSpan{} : s.bits.expose_secret_bytes());
}

AliceAnswer take_settings(ByteReader& in) {
  AliceAnswer answer;
  for (auto& basis : answer.emitted.sent)
    for (std::uint64_t& sent : basis) {
      sent = in.u64();
      if (sent > block_slots_max) in.mark_failed();
    }
  SettingPlanes& s = answer.settings;
  s.basis_is_test = in.bits(block_detections_max);
  const std::size_t entries = s.basis_is_test.size_bits();
  s.intensity_is_decoy = take_plane(in, entries);
  s.intensity_is_vacuum = take_plane(in, entries);
  s.bits = take_secret_bits(in, entries);
  if (in.failed()) return answer;
  for (std::size_t w = 0; w < words_for_bits(entries); ++w)
    if ((s.intensity_is_decoy.words()[w] & s.intensity_is_vacuum.words()[w]) != 0) in.mark_failed();
  return answer;
}

Result<Bytes> encode_one(const EveSet& set) {
  ByteWriter out = begin(MessageType::eve_set);
  out.u64(set.from_slot);
  return frame(out);
}
EveSet take_eve_set(ByteReader& in) { return {.from_slot = in.u64()}; }

Result<Bytes> encode_one(const Error& error) {
  ByteWriter out = begin(MessageType::error);
  out.u8(static_cast<std::uint8_t>(error.code));
  out.text(error.message.substr(0, error_text_max)).text(error.cure.substr(0, error_text_max));
  return frame(out);
}
Error take_error(ByteReader& in) {
  Error error;
  const std::uint8_t code = in.u8();
  if (code > static_cast<std::uint8_t>(ErrorCode::internal)) in.mark_failed();
  error.code = static_cast<ErrorCode>(code);
  error.message = in.text(error_text_max);
  error.cure = in.text(error_text_max);
  return error;
}

template <class Message>
Result<Message> finish(ByteReader& in, Message message, const char* what) {
  QUOIN_TRY(in.finish(what));
  return message;
}

}  // namespace

const char* to_string(FibreRole role) {
  switch (role) {
    case FibreRole::alice: return "alice";
    case FibreRole::bob: return "bob";
    case FibreRole::control: return "control";
  }
  return "unknown";
}

Result<std::size_t> fibre_frame_length(ByteSpan header) {
  QUOIN_INVARIANT(header.size() == fibre_frame_header_bytes, "frame header of a wrong size");
  const std::size_t length = ByteReader(header).u32();
  if (length == 0 || length > fibre_frame_max)
    return fail(ErrorCode::malformed, "a message of the fibre is empty or exceeds 64 MiB",
                "check that the other side is a fibre of this version");
  return length;
}

Result<Bytes> encode_request(const FibreRequest& request) {
  return std::visit([](const auto& one) { return encode_one(one); }, request);
}

Result<Bytes> encode_settings_request(SlotIndex first_slot, std::uint64_t slot_count,
                                      std::span<const std::uint32_t> offsets) {
  QUOIN_TRY(check_offsets(slot_count, offsets));
  ByteWriter out = begin(MessageType::settings_request);
  out.u64(first_slot).u64(slot_count);
  put_offsets(out, offsets, slot_count);
  return frame(out);
}

Result<Bytes> encode_answer(const FibreAnswer& answer) {
  return std::visit([](const auto& one) { return encode_one(one); }, answer);
}

Result<FibreRequest> decode_request(ByteSpan body) {
  ByteReader in(body);
  const char* const what = "the request to the fibre";
  switch (static_cast<MessageType>(in.u8())) {
    case MessageType::hello: return finish<FibreRequest>(in, take_hello(in), what);
    case MessageType::calibration_request:
      return finish<FibreRequest>(in, CalibrationRequest{}, what);
    case MessageType::next_block_request:
      return finish<FibreRequest>(in, take_next_block(in), what);
    case MessageType::settings_request:
      return finish<FibreRequest>(in, take_settings_request(in), what);
    case MessageType::set_eve_request: return finish<FibreRequest>(in, take_set_eve(in), what);
    default: return fail(ErrorCode::malformed, "a request to the fibre has an unknown type");
  }
}

Result<FibreAnswer> decode_answer(ByteSpan body) {
  ByteReader in(body);
  const char* const what = "the answer of the fibre";
  switch (static_cast<MessageType>(in.u8())) {
    case MessageType::welcome: return finish<FibreAnswer>(in, take_welcome(in), what);
    case MessageType::calibration: return finish<FibreAnswer>(in, take_calibration(in), what);
    case MessageType::detections: return finish<FibreAnswer>(in, take_detections(in), what);
    case MessageType::settings: return finish<FibreAnswer>(in, take_settings(in), what);
    case MessageType::eve_set: return finish<FibreAnswer>(in, take_eve_set(in), what);
    case MessageType::error: return finish<FibreAnswer>(in, take_error(in), what);
    default: return fail(ErrorCode::malformed, "an answer of the fibre has an unknown type");
  }
}

}  // namespace quoin
