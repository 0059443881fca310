// What Bob's side sends about its detections: every accepted message must be the only encoding of
// its value.
#include <algorithm>

#include "core/check.hpp"
#include "distill/sift_messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  using namespace quoin;
  const ByteSpan bytes = std::as_bytes(std::span(input, size));
  const auto decoded = decode_commitment(
      bytes, {.slot_count_max = std::uint64_t{1} << 32, .detections_max = 1 << 20});
  if (!decoded) return 0;
  QUOIN_INVARIANT(std::ranges::equal(encode(*decoded), bytes), "a commitment with two encodings");
  return 0;
}
