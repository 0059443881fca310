#include "auth/control_channel.hpp"

#include "crypto/kdf.hpp"

namespace quoin {

namespace {

constexpr std::string_view control_label = "quoin control 1";
constexpr std::size_t exporter_bytes_min = 32;

DirectionKeys derive_direction_keys(ByteSpan root, std::string_view label, std::string_view link_id,
                                    ByteSpan session_id, std::uint32_t epoch) {
  ByteWriter epoch_bytes;
  epoch_bytes.u32(epoch);
  const auto derive = [&](std::string_view direction) {
    return hkdf_sha384(root, {}, label,
                       {as_bytes(link_id), session_id, epoch_bytes.bytes(), as_bytes(direction)},
                       hmac_sha384_bytes);
  };
  return {derive("alice to bob"), derive("bob to alice")};
}

}  // namespace

Result<BootstrapKeys> derive_bootstrap_keys(const SecretBytes& exporter, std::string_view link_id,
                                            ByteSpan session_id) {
  if (exporter.size_bytes() < exporter_bytes_min)
    return fail(ErrorCode::invalid_argument,
                "this transport exports no key, so it cannot bootstrap authentication",
                "use TLS between the sites");
  const ByteSpan root = exporter.expose_secret();
  return BootstrapKeys{derive_direction_keys(root, "bootstrap transcript", link_id, session_id, 0),
                       derive_direction_keys(root, "bootstrap control", link_id, session_id, 0)};
}

DirectionKeys derive_control_keys(const SecretBytes& control_root, std::string_view link_id,
                                  ByteSpan session_id, std::uint32_t epoch) {
  QUOIN_INVARIANT(!control_root.empty(), "a control root");
  return derive_direction_keys(control_root.expose_secret(), "ledger control", link_id, session_id,
                               epoch);
}

ControlChannel::ControlChannel(SecretBytes&& key, Direction direction)
    : mac_(key.expose_secret()), direction_(direction) {
  QUOIN_INVARIANT(key.size_bytes() == hmac_sha384_bytes, "a control key of 48 bytes");
  key.wipe();
}

Hmac384Value ControlChannel::tag_of(ByteSpan body) {
  ByteWriter head;
  head.text(control_label).u8(static_cast<std::uint8_t>(direction_));
  return mac_.update(head.bytes()).update(body).finish();
}

Result<Bytes> ControlChannel::protect(ByteSpan payload) {
  if (payload.size() > control_payload_max)
    return fail(ErrorCode::too_large, "a control message exceeds 1 MiB");
  ByteWriter body;
  body.u64(++counter_).prefixed(payload);
  const Hmac384Value tag = tag_of(body.bytes());
  return std::move(body.fixed(tag)).take();
}

Result<Bytes> ControlChannel::accept(ByteSpan frame) {
  ByteReader in(frame);
  const std::uint64_t counter = in.u64();
  const ByteSpan payload = in.prefixed(control_payload_max);
  const ByteSpan tag = in.fixed(hmac_sha384_bytes);
  QUOIN_TRY(in.finish("control message"));
  if (!equal_constant_time(tag_of(frame.first(frame.size() - hmac_sha384_bytes)), tag))
    return fail(ErrorCode::unauthenticated, "the tag of a control message does not verify");
  if (counter <= counter_)
    return fail(ErrorCode::conflict, "control message " + std::to_string(counter) + " came after " +
                                         std::to_string(counter_));
  counter_ = counter;
  return Bytes(payload.begin(), payload.end());
}

}  // namespace quoin
