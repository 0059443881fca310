// Wire forms of the sifting messages. Each is canonical: one value, one encoding; decoders accept
// nothing else and nothing beyond their bounds. For the session.
#pragma once

#include "core/bytes.hpp"
#include "distill/sift.hpp"

namespace quoin {

struct CommitmentBounds {
  std::uint64_t slot_count_max = std::uint64_t{1} << 32;
  std::size_t detections_max = std::size_t{1} << 27;
};

// About log2(mean gap) + 1.5 bits and one basis bit per detection: gaps are Rice coded with the
// parameter that the mean gap implies.
Bytes encode(const Commitment& commitment);
Result<Commitment> decode_commitment(ByteSpan bytes, CommitmentBounds bounds);

// `detections` is the number of the commitment this answers.
Bytes encode(const SiftAnnouncement& announcement);
Result<SiftAnnouncement> decode_sift_announcement(ByteSpan bytes, std::size_t detections);

Bytes encode(const Estimate& estimate);
Result<Estimate> decode_estimate(ByteSpan bytes);

}  // namespace quoin
