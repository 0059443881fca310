// Control messages between the two ends of a link (commits, leases, alarms): each under its own
// HMAC-SHA-384, with a counter per direction. For src/link; carries what src/kme says as well.
//
// Frame: counter 8 bytes | payload with its length in 4 bytes in front | tag 48 bytes. The tag also
// covers a label and the direction.
#pragma once

#include <string_view>

#include "auth/tag_frame.hpp"
#include "core/secret.hpp"
#include "crypto/mac.hpp"

namespace quoin {

constexpr std::size_t control_payload_max = std::size_t{1} << 20;
constexpr std::size_t control_overhead_bytes = 8 + 4 + hmac_sha384_bytes;

// One HMAC key of 48 bytes per direction.
struct DirectionKeys {
  SecretBytes alice_to_bob;
  SecretBytes bob_to_alice;
  const SecretBytes& of(Direction direction) const {
    return direction == Direction::alice_to_bob ? alice_to_bob : bob_to_alice;
  }
};

// What the first blocks run on before the ledger holds key: HMAC keys of the transcript and of the
// control channel, from the TLS exporter (64 bytes, RFC 8446, 7.5).
struct BootstrapKeys {
  DirectionKeys transcript;
  DirectionKeys control;
};
// `session_id`: fresh from both sides. invalid_argument: exporter shorter than 32 bytes (a plain
// transport has none: it cannot bootstrap this way).
Result<BootstrapKeys> derive_bootstrap_keys(const SecretBytes& exporter, std::string_view link_id,
                                            ByteSpan session_id);
// Control keys of a session from the control root of the ledger; `epoch` counts re-keyings within
// the session.
DirectionKeys derive_control_keys(const SecretBytes& control_root, std::string_view link_id,
                                  ByteSpan session_id, std::uint32_t epoch);

// One direction of the channel at one end: either protects or accepts. A frame that is not accepted
// changes nothing here; the link ends the session on it.
class ControlChannel {
 public:
  // `key` has hmac_sha384_bytes, is wiped here, and serves this direction alone.
  ControlChannel(SecretBytes&& key, Direction direction);

  // Sender. too_large: payload above control_payload_max.
  Result<Bytes> protect(ByteSpan payload);
  // Receiver: the payload. unauthenticated: wrong tag, which a frame of the other direction has as
  // well; conflict: right tag, but a counter not above the last one (replayed or reordered);
  // malformed.
  Result<Bytes> accept(ByteSpan frame);

  // Of the last frame protected or accepted; the first frame has 1.
  std::uint64_t counter() const { return counter_; }

 private:
  Hmac384Value tag_of(ByteSpan body);

  HmacSha384 mac_;
  Direction direction_;
  std::uint64_t counter_ = 0;
};

}  // namespace quoin
