#include "kme/lease_messages.hpp"

#include <algorithm>

namespace quoin {

namespace {

enum class Kind : std::uint8_t { request = 1, offer = 2, ack = 3, refusal = 4 };

struct Encoder {
  ByteWriter out;

  void operator()(const LeaseRequest& message) {
    kind(Kind::request).u64(message.request).u32(message.key_count);
    write_association(out, message.association);
  }
  // The id key goes out with the terms. It is no key material: with it one can tell which key_IDs
  // belong together, and the channel under us is encrypted.
  void operator()(const LeaseOffer& message) {
    kind(Kind::offer).u64(message.request);
    out.prefixed(encode_terms(message.terms).expose_secret());
  }
  void operator()(const LeaseAck& message) { kind(Kind::ack).fixed(message.lease.bytes); }
  void operator()(const LeaseRefusal& message) {
    kind(Kind::refusal).u64(message.request).fixed(message.lease.bytes);
    out.u8(static_cast<std::uint8_t>(message.reason));
  }
  ByteWriter& kind(Kind kind) { return out.u8(static_cast<std::uint8_t>(kind)); }
};

LeaseId read_lease_id(ByteReader& reader) {
  LeaseId id;
  const ByteSpan bytes = reader.fixed(id.bytes.size());
  std::ranges::copy(bytes, id.bytes.begin());
  return id;
}

Result<LeaseMessage> decode_request(ByteReader reader) {
  LeaseRequest message;
  message.request = reader.u64();
  message.key_count = reader.u32();
  read_association(reader, message.association);
  QUOIN_TRY(reader.finish("a lease request"));
  if (!check_association(message.association) || message.request == 0 || message.key_count == 0)
    return fail(ErrorCode::malformed, "a lease request asks for what cannot be");
  return LeaseMessage(std::move(message));
}

Result<LeaseMessage> decode_offer(ByteReader reader) {
  LeaseOffer message;
  message.request = reader.u64();
  const ByteSpan terms = reader.prefixed(lease_message_bytes_max);
  QUOIN_TRY(reader.finish("a lease offer"));
  QUOIN_TAKE(decoded, decode_terms(terms));
  message.terms = std::move(decoded);
  return LeaseMessage(std::move(message));
}

Result<LeaseMessage> decode_refusal(ByteReader reader) {
  LeaseRefusal message;
  message.request = reader.u64();
  message.lease = read_lease_id(reader);
  const std::uint8_t reason = reader.u8();
  QUOIN_TRY(reader.finish("a lease refusal"));
  const bool names_lease = message.lease != LeaseId{};
  if (reason < 1 || reason > 6 || (message.request != 0) == names_lease)
    return fail(ErrorCode::malformed, "a lease refusal names no reason or no lease");
  message.reason = static_cast<RefusalReason>(reason);
  return LeaseMessage(std::move(message));
}

}  // namespace

const char* to_string(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::exhausted: return "no key to lease";
    case RefusalReason::unknown_sae: return "an SAE is not known at the peer site";
    case RefusalReason::not_allowed: return "the peer site does not allow this pair";
    case RefusalReason::unknown_block: return "the peer site does not hold this block";
    case RefusalReason::conflict: return "the range was leased before";
    case RefusalReason::limits: return "key size or count exceed the peer site's limits";
  }
  return "unknown";
}

Bytes encode(const LeaseMessage& message) {
  Encoder encoder;
  std::visit(encoder, message);
  return std::move(encoder.out).take();
}

Result<LeaseMessage> decode_lease_message(ByteSpan bytes) {
  if (bytes.size() > lease_message_bytes_max)
    return fail(ErrorCode::too_large, "a lease message exceeds 16 KiB");
  ByteReader reader(bytes);
  switch (static_cast<Kind>(reader.u8())) {
    case Kind::request: return decode_request(reader);
    case Kind::offer: return decode_offer(reader);
    case Kind::ack: {
      const LeaseAck message{read_lease_id(reader)};
      QUOIN_TRY(reader.finish("a lease acknowledgement"));
      return LeaseMessage(message);
    }
    case Kind::refusal: return decode_refusal(reader);
  }
  return fail(ErrorCode::malformed, "a lease message is of no known kind");
}

}  // namespace quoin
