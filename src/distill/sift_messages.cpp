#include "distill/sift_messages.hpp"

#include <algorithm>

#include "kernels/bit_ops.hpp"

namespace quoin {

namespace {

// Rice parameter for gaps between detections: the power of two nearest below their mean. Both sides
// derive it from the same two integers.
unsigned rice_parameter(std::uint64_t slot_count, std::uint64_t detections) {
  if (detections == 0 || slot_count <= detections) return 0;
  const std::uint64_t mean_gap = (slot_count - detections) / detections;
  return mean_gap == 0 ? 0 : static_cast<unsigned>(std::bit_width(mean_gap)) - 1;
}

// A run of ones that ends with a zero costs a bit per 2^k slots, the rest k + 1 bits per detection.
std::uint64_t rice_bits_max(std::uint64_t slot_count, std::uint64_t detections, unsigned k) {
  return detections * (k + 1) + (slot_count >> k);
}

class BitSink {
 public:
  explicit BitSink(std::size_t bits_max) : words_(words_for_bits(bits_max) + 1) {}
  void append(std::uint64_t bits, unsigned count) {
    const std::size_t shift = size_bits_ % 64;
    words_[size_bits_ / 64] |= bits << shift;
    if (shift + count > 64) words_[size_bits_ / 64 + 1] |= bits >> (64 - shift);
    size_bits_ += count;
  }
  void append_ones(std::uint64_t count) {
    for (; count > 63; count -= 63) append(~std::uint64_t{0} >> 1, 63);
    append((std::uint64_t{1} << count) - 1, static_cast<unsigned>(count));
  }
  BitString take() const {
    BitString out(size_bits_);
    std::copy_n(words_.begin(), out.words().size(), out.words().begin());
    return out;
  }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t size_bits_ = 0;
};

BitString encode_gaps(const Commitment& commitment, unsigned k) {
  BitSink sink(rice_bits_max(commitment.slot_count, commitment.offsets.size(), k));
  std::uint64_t next = 0;
  for (const std::uint32_t offset : commitment.offsets) {
    const std::uint64_t gap = offset - next;
    sink.append_ones(gap >> k);
    sink.append((gap & ((std::uint64_t{1} << k) - 1)) << 1, k + 1);
    next = std::uint64_t{offset} + 1;
  }
  return sink.take();
}

// The stream must hold exactly the gaps: no bit more, no bit less.
bool decode_gaps(const BitString& stream, unsigned k, Commitment& commitment) {
  std::size_t at = 0;
  std::uint64_t next = 0;
  for (std::uint32_t& offset : commitment.offsets) {
    std::uint64_t quotient = 0;
    for (;;) {
      if (at >= stream.size_bits()) return false;
      const std::uint64_t window = word_at_bit(stream.words(), static_cast<std::int64_t>(at));
      const auto ones = static_cast<unsigned>(std::countr_one(window));
      quotient += ones;
      at += ones;
      if (ones < 64) break;
    }
    const std::uint64_t window = word_at_bit(stream.words(), static_cast<std::int64_t>(at));
    const std::uint64_t low = (window >> 1) & ((std::uint64_t{1} << k) - 1);
    at += k + 1;
    const std::uint64_t slot = next + (quotient << k | low);
    if (at > stream.size_bits() || slot >= commitment.slot_count) return false;
    offset = static_cast<std::uint32_t>(slot);
    next = slot + 1;
  }
  return at == stream.size_bits();
}

}  // namespace

Bytes encode(const Commitment& commitment) {
  const unsigned k = rice_parameter(commitment.slot_count, commitment.offsets.size());
  ByteWriter out;
  out.u64(commitment.first_slot).u64(commitment.slot_count);
  out.u32(static_cast<std::uint32_t>(commitment.offsets.size())).u64(commitment.double_clicks);
  out.bits(encode_gaps(commitment, k)).bits(commitment.basis_is_test);
  return std::move(out).take();
}

Result<Commitment> decode_commitment(ByteSpan bytes, CommitmentBounds bounds) {
  ByteReader in(bytes);
  Commitment out;
  out.first_slot = in.u64();
  out.slot_count = in.u64();
  const std::uint32_t detections = in.u32();
  out.double_clicks = in.u64();
  if (in.failed()) return fail(ErrorCode::malformed, "commitment is truncated");
  if (out.slot_count > bounds.slot_count_max || out.slot_count > std::uint64_t{1} << 32 ||
      detections > bounds.detections_max)
    return fail(ErrorCode::too_large, "commitment exceeds the bounds of a block");
  if (detections > out.slot_count || out.double_clicks > detections ||
      out.first_slot + out.slot_count < out.first_slot)
    return fail(ErrorCode::malformed, "commitment contradicts itself");
  const unsigned k = rice_parameter(out.slot_count, detections);
  const BitString gaps = in.bits(rice_bits_max(out.slot_count, detections, k));
  out.basis_is_test = in.bits(detections);
  QUOIN_TRY(in.finish("commitment"));
  // Every gap takes k + 1 bits or more, so a small message cannot ask for a large buffer.
  if (out.basis_is_test.size_bits() != detections ||
      gaps.size_bits() < std::uint64_t{detections} * (k + 1))
    return fail(ErrorCode::malformed, "commitment has planes of unequal length");
  out.offsets.resize(detections);
  if (!decode_gaps(gaps, k, out))
    return fail(ErrorCode::malformed, "commitment has a bad list of detections");
  return out;
}

Bytes encode(const SiftAnnouncement& announcement) {
  ByteWriter out;
  out.bits(announcement.basis_matches).bits(announcement.intensity_is_decoy);
  out.bits(announcement.intensity_is_vacuum).bits(announcement.test_bits);
  for (const auto& basis : announcement.emitted.sent)
    for (const std::uint64_t n : basis) out.u64(n);
  return std::move(out).take();
}

Result<SiftAnnouncement> decode_sift_announcement(ByteSpan bytes, std::size_t detections) {
  ByteReader in(bytes);
  SiftAnnouncement out;
  out.basis_matches = in.bits(detections);
  out.intensity_is_decoy = in.bits(detections);
  out.intensity_is_vacuum = in.bits(detections);
  out.test_bits = in.bits(detections);
  for (auto& basis : out.emitted.sent)
    for (std::uint64_t& n : basis) n = in.u64();
  QUOIN_TRY(in.finish("sift announcement"));
  if (out.basis_matches.size_bits() != detections ||
      out.intensity_is_decoy.size_bits() != detections ||
      out.intensity_is_vacuum.size_bits() != detections)
    return fail(ErrorCode::malformed, "sift announcement has planes of unequal length");
  if (out.test_bits.size_bits() > out.basis_matches.count_ones() ||
      count_and(out.intensity_is_decoy.words(), out.intensity_is_vacuum.words()) != 0)
    return fail(ErrorCode::malformed, "sift announcement contradicts itself");
  return out;
}

Bytes encode(const Estimate& estimate) {
  ByteWriter out;
  for (const std::uint64_t m : estimate.test_errors) out.u64(m);
  return std::move(out).take();
}

Result<Estimate> decode_estimate(ByteSpan bytes) {
  ByteReader in(bytes);
  Estimate out;
  for (std::uint64_t& m : out.test_errors) m = in.u64();
  QUOIN_TRY(in.finish("estimate"));
  return out;
}

}  // namespace quoin
