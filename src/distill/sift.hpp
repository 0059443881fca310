// Sifting: from detections to key of the key basis, on both sides, with what they tell each other.
// For the session (src/link) and its jobs. Pure functions over bit planes; every input from the
// device or from the peer is checked, and a contradiction is an Error that ends the block.
//
// Order of use:  Bob resolve_detections -> Commitment -> (tag verified by Alice, security-rules A1)
// -> Alice sift_alice -> SiftAnnouncement -> Bob sift_bob -> Estimate -> Alice apply_estimate.
#pragma once

#include <cstdint>
#include <vector>

#include "core/key_stages.hpp"
#include "core/ports.hpp"
#include "core/quantum_vocabulary.hpp"
#include "core/result.hpp"

namespace quoin {

// Bob -> Alice: which slots were detected, in which basis. Never outcomes.
struct Commitment {
  SlotIndex first_slot = 0;
  std::uint64_t slot_count = 0;        // N, at most 2^32
  std::vector<std::uint32_t> offsets;  // slot - first_slot, strictly increasing, below slot_count
  BitString basis_is_test;             // one bit per offset
  std::uint64_t double_clicks = 0;     // how many of them were resolved at random
  bool operator==(const Commitment&) const = default;
};

// Bob's commitment, and the outcome bit of each of its detections.
struct ResolvedDetections {
  Commitment commitment;
  RawKey outcomes;
};

// Turns click masks into outcomes; a double click becomes a random bit (security-rules C4). The
// device is not trusted to be well formed: planes of unequal length, offsets out of order or range,
// and entries without a click give ErrorCode::malformed.
Result<ResolvedDetections> resolve_detections(DetectionEvents&& events, SecretRandom& random);

// Alice -> Bob, after she has verified a tag over the commitment. Planes hold one entry per
// detection of the commitment; test_bits one per detection where both chose the test basis, in
// order.
struct SiftAnnouncement {
  BitString basis_matches;
  BitString intensity_is_decoy;
  BitString intensity_is_vacuum;  // neither = signal; both set is malformed
  BitString test_bits;
  EmissionSums emitted;  // over all slots of the block; total() is the commitment's slot_count
  bool operator==(const SiftAnnouncement&) const = default;
};

// What a side holds after sifting. The key bits are the detections where both chose the key basis,
// in order of slots; all intensities make key (Lim 2014).
struct SiftedBlock {
  SiftedKey key;
  BitString key_intensity_is_decoy;   // per key bit
  BitString key_intensity_is_vacuum;  // per key bit
  // key.errors are zero until count_key_errors; test.errors are Bob's to know, zero on Alice's side
  // until apply_estimate.
  BlockCounts counts;
};

struct AliceSift {
  SiftAnnouncement announcement;
  SiftedBlock block;
};

// `settings` holds one entry per offset of the commitment; `emitted` covers all its slots.
Result<AliceSift> sift_alice(const Commitment& commitment, SettingPlanes&& settings,
                             const EmissionSums& emitted);
Result<SiftedBlock> sift_bob(const Commitment& commitment, RawKey&& outcomes,
                             const SiftAnnouncement& announcement);

// Bob -> Alice: errors among the test detections, by intensity.
struct Estimate {
  std::array<std::uint64_t, intensity_count> test_errors{};
  bool operator==(const Estimate&) const = default;
};
Estimate make_estimate(const SiftedBlock& block);
// Fails as malformed where an error count exceeds its sample.
Status apply_estimate(SiftedBlock& block, const Estimate& estimate);

// The error rate to start reconciliation with: test errors over test detections (one added to each
// side of the balance, so that it is never 0), within [1e-4, 0.5]. Both sides get the same double.
double reconciliation_qber(const BlockCounts& counts);

// Fills counts.key.errors by intensity from the error positions that reconciliation revealed to
// both sides: one bit per key bit, as ReconcileReport::error_positions.
void count_key_errors(SiftedBlock& block, const BitString& error_positions);

}  // namespace quoin
