// What Alice's side announces after the commitment: decoded, then sifted against a fixed
// commitment.
#include <algorithm>

#include "core/check.hpp"
#include "distill/sift_messages.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  using namespace quoin;
  const ByteSpan bytes = std::as_bytes(std::span(input, size));
  constexpr std::size_t detections = 100;
  const auto decoded = decode_sift_announcement(bytes, detections);
  if (!decoded) return 0;
  QUOIN_INVARIANT(std::ranges::equal(encode(*decoded), bytes),
                  "an announcement with two encodings");
  Commitment commitment;
  commitment.slot_count = 1000;
  for (std::uint32_t i = 0; i < detections; ++i) {
    commitment.offsets.push_back(10 * i);
    commitment.basis_is_test.push_back(i % 3 == 0);
  }
  const auto block =
      sift_bob(commitment, RawKey::claim_stage(SecretBits::zeroed(detections)), *decoded);
  if (block)
    QUOIN_INVARIANT(block->counts.emitted.total() == 1000,
                    "a sifted block that contradicts itself");
  return 0;
}
