// Wire format between the fibre process and the device clients of the sites (src/adapters). A frame
// is a u32 length of what follows, then a u8 message type and its body; integers big-endian. One
// request, one answer, in order. The first request of a connection is Hello; its role decides what
// the connection may ask: Alice's side never sees Bob's clicks and Bob's never Alice's settings.
// This is the optical device's own bus, not the classical channel of the protocol.
//
// Offsets travel as Rice-coded gaps: about 6 bits per detection at 25 km.
#pragma once

#include <cstdint>
#include <span>
#include <variant>

#include "core/bytes.hpp"
#include "quantum/device.hpp"

namespace quoin {

constexpr std::uint16_t fibre_protocol_version = 1;
constexpr std::size_t fibre_frame_header_bytes = 4;
// Of the length field: type and body.
constexpr std::size_t fibre_frame_max = std::size_t{64} << 20;

enum class FibreRole : std::uint8_t { alice = 0, bob = 1, control = 2 };
const char* to_string(FibreRole role);

enum class EveKind : std::uint8_t { none = 0, intercept_resend = 1 };

// Requests.
struct FibreHello {
  std::uint16_t version = fibre_protocol_version;
  FibreRole role = FibreRole::alice;
};
struct CalibrationRequest {};  // alice, bob, control
struct NextBlockRequest {      // bob
  std::uint64_t slot_count = 0;
};
struct SettingsRequest {  // alice
  SlotIndex first_slot = 0;
  std::uint64_t slot_count = 0;
  std::vector<std::uint32_t> offsets;
};
struct SetEveRequest {  // control
  EveKind kind = EveKind::none;
  double fraction = 0;
  SlotIndex from_slot = 0;  // 0: as soon as possible
};
using FibreRequest =
    std::variant<FibreHello, CalibrationRequest, NextBlockRequest, SettingsRequest, SetEveRequest>;

// Answers. An Error is an answer as well: the connection goes on unless the service closes it.
struct FibreWelcome {
  std::uint16_t version = fibre_protocol_version;
};
struct EveSet {
  SlotIndex from_slot = 0;
};
using FibreAnswer =
    std::variant<FibreWelcome, DeviceCalibration, DetectionEvents, AliceAnswer, EveSet, Error>;

// The length field of a frame: how many bytes follow the four. malformed when zero or over
// fibre_frame_max. `header` has exactly fibre_frame_header_bytes.
Result<std::size_t> fibre_frame_length(ByteSpan header);

// Whole frames, length field included. too_large when a declared bound is exceeded.
Result<Bytes> encode_request(const FibreRequest& request);
// The settings request without copying the offsets.
Result<Bytes> encode_settings_request(SlotIndex first_slot, std::uint64_t slot_count,
                                      std::span<const std::uint32_t> offsets);
// An AliceAnswer's frame holds her secret bits: wipe it after sending.
Result<Bytes> encode_answer(const FibreAnswer& answer);

// What follows the length field. malformed on anything but one whole message within its bounds.
Result<FibreRequest> decode_request(ByteSpan body);
Result<FibreAnswer> decode_answer(ByteSpan body);

}  // namespace quoin
