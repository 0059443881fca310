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

// Appends bits, lowest first, through a word that is written when it is full.
class BitSink {
 public:
  explicit BitSink(std::size_t bits_max) { words_.reserve(words_for_bits(bits_max) + 1); }
  // At most 64 bits; none above `count` is set.
  void append(std::uint64_t bits, unsigned count) {
    word_ |= bits << filled_;
    if (filled_ + count < 64) {
      filled_ += count;
      return;
    }
    words_.push_back(word_);
    word_ = filled_ == 0 ? 0 : bits >> (64 - filled_);
    filled_ += count - 64;
    size_bits_ += 64;
  }
  void append_ones(std::uint64_t count) {
    for (; count > 63; count -= 63) append(~std::uint64_t{0} >> 1, 63);
    append((std::uint64_t{1} << count) - 1, static_cast<unsigned>(count));
  }
  BitString take() {
    words_.push_back(word_);
    BitString out(size_bits_ + filled_);
    std::copy_n(words_.begin(), out.words().size(), out.words().begin());
    return out;
  }

 private:
  std::vector<std::uint64_t> words_;
  std::uint64_t word_ = 0;
  unsigned filled_ = 0;  // bits in word_, below 64
  std::size_t size_bits_ = 0;
};

BitString encode_gaps(const Commitment& commitment, unsigned k) {
  BitSink sink(rice_bits_max(commitment.slot_count, commitment.offsets.size(), k));
  const std::uint64_t low_mask = (std::uint64_t{1} << k) - 1;
  std::uint64_t next = 0;
  for (const std::uint32_t offset : commitment.offsets) {
    const std::uint64_t gap = offset - next;
    const std::uint64_t quotient = gap >> k;
    if (quotient + k < 64) {
      const std::uint64_t ones = (std::uint64_t{1} << quotient) - 1;
      // The shift is split, for k = 0 and a quotient of 63 leave nothing to shift in.
      sink.append(ones | (gap & low_mask) << quotient << 1,
                  static_cast<unsigned>(quotient) + k + 1);
    } else {
      sink.append_ones(quotient);
      sink.append((gap & low_mask) << 1, k + 1);
    }
    next = std::uint64_t{offset} + 1;
  }
  return sink.take();
}

// Reads a Rice code of parameter k; the caller checks the position against the end.
class RiceReader {
 public:
  RiceReader(const BitString& stream, unsigned k)
      : words_(stream.words().begin(), stream.words().end()), k_(k) {
    words_.resize(words_.size() + 2);  // zeros, so that a run of ones ends and windows are whole
  }
  std::size_t position() const { return at_; }
  std::uint64_t next() {
    std::uint64_t quotient = 0;
    std::uint64_t bits = window();
    auto ones = static_cast<unsigned>(std::countr_one(bits));
    while (ones == 64) {
      quotient += 64;
      at_ += 64;
      bits = window();
      ones = static_cast<unsigned>(std::countr_one(bits));
    }
    quotient += ones;
    at_ += ones;
    const std::uint64_t rest = ones + k_ < 63 ? bits >> ones : window();
    at_ += k_ + 1;
    return quotient << k_ | ((rest >> 1) & ((std::uint64_t{1} << k_) - 1));
  }

 private:
  std::uint64_t window() const {
    const std::size_t word = std::min(at_ / 64, words_.size() - 2);
    const std::size_t shift = at_ % 64;
    // Two shifts, for one by 64 is not defined.
    return words_[word] >> shift | words_[word + 1] << 1 << (63 - shift);
  }

  std::vector<std::uint64_t> words_;
  unsigned k_;
  std::size_t at_ = 0;
};

// The stream must hold exactly the gaps: no bit more, no bit less.
bool decode_gaps(const BitString& stream, unsigned k, Commitment& commitment) {
  RiceReader reader(stream, k);
  std::uint64_t next = 0;
  for (std::uint32_t& offset : commitment.offsets) {
    const std::uint64_t slot = next + reader.next();
    if (reader.position() > stream.size_bits() || slot >= commitment.slot_count) return false;
    offset = static_cast<std::uint32_t>(slot);
    next = slot + 1;
  }
  return reader.position() == stream.size_bits();
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
