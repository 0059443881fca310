// A tag on its way, and the words that go with it: direction, scheme, place of a pad. For src/auth
// and src/link.
#pragma once

#include <compare>
#include <cstdint>

#include "core/bytes.hpp"
#include "core/quantum_vocabulary.hpp"

namespace quoin {

// Keys and pads belong to a direction of the quantum link, never to initiator or responder: a
// reconnection that swaps those would use pads twice (security-rules A4). The numbers are on the
// wire and on disk.
enum class Direction : std::uint8_t { alice_to_bob = 0, bob_to_alice = 1 };
constexpr std::size_t direction_count = 2;
constexpr std::size_t index_of(Direction direction) { return static_cast<std::size_t>(direction); }
constexpr Direction sending_direction(QuantumRole own) {
  return own == QuantumRole::alice ? Direction::alice_to_bob : Direction::bob_to_alice;
}
constexpr Direction receiving_direction(QuantumRole own) { return sending_direction(other(own)); }
const char* to_string(Direction direction);

enum class TagScheme : std::uint8_t { hmac_sha384 = 1, wegman_carter = 2 };
constexpr std::size_t tag_bytes(TagScheme scheme) {
  return scheme == TagScheme::hmac_sha384 ? 48 : 16;
}
const char* to_string(TagScheme scheme);

// Place of a pad within its direction: the segment of the ledger (the block it was made in) and its
// index there. Ordered: block ids grow, so a later pad has a greater position.
struct PadPosition {
  BlockId segment{};
  std::uint32_t index = 0;
  auto operator<=>(const PadPosition&) const = default;
};

struct TagFrame {
  TagScheme scheme{};
  std::uint64_t checkpoint = 0;
  PadPosition pad;  // zero for HMAC
  Bytes tag;        // tag_bytes(scheme)
  bool operator==(const TagFrame&) const = default;
};

constexpr std::size_t tag_frame_bytes_max = 1 + 8 + 8 + 4 + 48;
Bytes encode(const TagFrame& frame);
// malformed: unknown scheme, wrong length, or a pad position with HMAC. One encoding per frame.
Result<TagFrame> decode_tag_frame(ByteSpan bytes);

}  // namespace quoin
