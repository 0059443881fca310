// The fibre protocol's decoders and its service, on bytes from anywhere. What decodes must encode
// again and decode to the same frame.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "quantum/fibre_protocol.hpp"
#include "quantum/fibre_service.hpp"

namespace {

using namespace quoin;

template <class Decode, class Encode>
void check_round_trip(ByteSpan body, Decode decode, Encode encode) {
  const auto message = decode(body);
  if (!message) return;
  const auto once = encode(*message);
  if (!once) std::abort();
  const auto again = decode(ByteSpan(*once).subspan(fibre_frame_header_bytes));
  if (!again) std::abort();
  const auto twice = encode(*again);
  if (!twice || *twice != *once) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const ByteSpan body = std::as_bytes(std::span(bytes, size));
  check_round_trip(body, decode_request, encode_request);
  check_round_trip(body, decode_answer, encode_answer);

  LinkPhysics physics;
  physics.distance_km = 200;
  static const auto link = SimulatedLink::make(physics, 1);
  if (!link) std::abort();
  FibreStation station(**link, Pace::realtime);
  FibreService service(station);
  if (!service.receive(body, Instant{0})) return 0;
  (void)service.poll(Instant{1'000'000});
  return 0;
}
