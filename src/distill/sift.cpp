#include "distill/sift.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "kernels/bit_ops.hpp"

namespace quoin {

namespace {

constexpr std::uint64_t slot_count_limit = std::uint64_t{1} << 32;

std::size_t index_of(Intensity intensity) { return static_cast<std::size_t>(intensity); }
std::size_t index_of(Basis basis) { return static_cast<std::size_t>(basis); }

Status check_positions(std::uint64_t slot_count, std::span<const std::uint32_t> offsets) {
  if (slot_count > slot_count_limit)
    return fail(ErrorCode::too_large, "a block has more than 2^32 slots");
  if (!is_strictly_increasing(offsets))
    return fail(ErrorCode::malformed, "detections are not in the order of slots");
  if (!offsets.empty() && offsets.back() >= slot_count)
    return fail(ErrorCode::malformed, "a detection lies outside the slots of its block");
  return success();
}

// The detections that make key and those that are given away for the estimate.
struct Selection {
  BitString key;   // both chose the key basis
  BitString test;  // both chose the test basis
};

Selection select_bases(const BitString& matches, const BitString& bob_is_test) {
  Selection out{BitString(matches.size_bits()), BitString(matches.size_bits())};
  for (std::size_t w = 0; w < matches.words().size(); ++w) {
    out.key.words()[w] = matches.words()[w] & ~bob_is_test.words()[w];
    out.test.words()[w] = matches.words()[w] & bob_is_test.words()[w];
  }
  return out;
}

std::size_t count_ones(const BitString& bits) { return count_and(bits.words(), bits.words()); }

BitString compressed(const BitString& source, const BitString& mask) {
  BitString out(count_ones(mask));
  compress_bits(source.words(), mask.words(), out.words());
  return out;
}

SecretBits compressed_secret(const SecretBits& source, const BitString& mask) {
  SecretBits out = SecretBits::zeroed(count_ones(mask));
  compress_bits(source.expose_secret(), mask.words(), out.expose_secret_mutable());
  return out;
}

// Ones of `ones` by intensity.
std::array<std::uint64_t, intensity_count> count_by_intensity(const BitString& ones,
                                                              const BitString& is_decoy,
                                                              const BitString& is_vacuum) {
  std::array<std::uint64_t, intensity_count> out{};
  const std::size_t decoys = count_and(ones.words(), is_decoy.words());
  const std::size_t vacua = count_and(ones.words(), is_vacuum.words());
  out[index_of(Intensity::signal)] = count_ones(ones) - decoys - vacua;
  out[index_of(Intensity::decoy)] = decoys;
  out[index_of(Intensity::vacuum)] = vacua;
  return out;
}

Status check_intensities(const BitString& is_decoy, const BitString& is_vacuum) {
  if (count_and(is_decoy.words(), is_vacuum.words()) != 0)
    return fail(ErrorCode::malformed, "a pulse is called decoy and vacuum at once");
  return success();
}

// Emitted pulses must add up to the slots of the block and cover what was detected of them.
Status check_emissions(const BlockCounts& counts) {
  std::uint64_t total = 0;
  for (const auto& basis : counts.emitted.sent) {
    for (const std::uint64_t n : basis) {
      if (n > counts.slots) return fail(ErrorCode::malformed, "more pulses emitted than slots");
      total += n;
    }
  }
  if (total != counts.slots)
    return fail(ErrorCode::malformed, "the emitted pulses do not add up to the slots of the block");
  for (std::size_t k = 0; k < intensity_count; ++k) {
    if (counts.key.detected[k] > counts.emitted.sent[index_of(Basis::key_x)][k] ||
        counts.test.detected[k] > counts.emitted.sent[index_of(Basis::test_z)][k])
      return fail(ErrorCode::malformed, "more pulses of an intensity detected than emitted");
  }
  return success();
}

// The part that both sides do alike, from what both know.
Result<SiftedBlock> sift_public(const Commitment& commitment, const SiftAnnouncement& announcement,
                                const Selection& selection) {
  const BitString& decoy = announcement.intensity_is_decoy;
  const BitString& vacuum = announcement.intensity_is_vacuum;
  SiftedBlock block;
  block.key_intensity_is_decoy = compressed(decoy, selection.key);
  block.key_intensity_is_vacuum = compressed(vacuum, selection.key);
  block.counts.key.detected = count_by_intensity(selection.key, decoy, vacuum);
  block.counts.test.detected = count_by_intensity(selection.test, decoy, vacuum);
  block.counts.emitted = announcement.emitted;
  block.counts.slots = commitment.slot_count;
  block.counts.detections = commitment.offsets.size();
  block.counts.double_clicks = commitment.double_clicks;
  QUOIN_TRY(check_emissions(block.counts));
  return block;
}

// A fair bit of its own for each double click; which entries those are is no secret, the bits are.
void resolve_double_clicks(WordSpan zero, WordSpan one, std::size_t count, SecretRandom& random,
                           MutableWordSpan bits) {
  if (count == 0) return;
  SecretBits drawn = SecretBits::zeroed(count);
  random.fill_secret(std::as_writable_bytes(drawn.expose_secret_mutable()));
  const WordSpan fair = drawn.expose_secret();
  std::size_t next = 0;
  for (std::size_t w = 0; w < zero.size(); ++w) {
    for (std::uint64_t both = zero[w] & one[w]; both != 0; both &= both - 1, ++next)
      bits[w] |= (fair[next / 64] >> (next % 64) & 1) << std::countr_zero(both);
  }
}

}  // namespace

Result<ResolvedDetections> resolve_detections(DetectionEvents&& events, SecretRandom& random) {
  DetectionEvents device = std::move(events);
  const std::size_t entries = device.offsets.size();
  if (device.basis_is_test.size_bits() != entries || device.clicked_0.size_bits() != entries ||
      device.clicked_1.size_bits() != entries)
    return fail(ErrorCode::malformed, "the device's planes differ in length");
  QUOIN_TRY(check_positions(device.slot_count, device.offsets));

  const WordSpan zero = device.clicked_0.expose_secret();
  const WordSpan one = device.clicked_1.expose_secret();
  // One verdict over all entries: which of the detectors clicked is Bob's bit.
  std::uint64_t silent = 0;
  for (std::size_t w = 0; w < zero.size(); ++w)
    silent |= ~(zero[w] | one[w]) & (w + 1 == zero.size() ? last_word_mask(entries) : ~0ULL);
  if (silent != 0)
    return fail(ErrorCode::malformed, "the device reports a detection without a click");

  ResolvedDetections out;
  out.commitment.double_clicks = count_and(zero, one);
  SecretBits outcomes = SecretBits::zeroed(entries);
  const MutableWordSpan bits = outcomes.expose_secret_mutable();
  for (std::size_t w = 0; w < zero.size(); ++w) bits[w] = one[w] & ~zero[w];
  resolve_double_clicks(zero, one, out.commitment.double_clicks, random, bits);
  out.outcomes = RawKey::claim_stage(std::move(outcomes));
  out.commitment.first_slot = device.first_slot;
  out.commitment.slot_count = device.slot_count;
  out.commitment.offsets = std::move(device.offsets);
  out.commitment.basis_is_test = std::move(device.basis_is_test);
  return out;
}

Result<AliceSift> sift_alice(const Commitment& commitment, SettingPlanes&& settings,
                             const EmissionSums& emitted) {
  SettingPlanes own = std::move(settings);
  const std::size_t entries = commitment.offsets.size();
  QUOIN_TRY(check_positions(commitment.slot_count, commitment.offsets));
  if (commitment.basis_is_test.size_bits() != entries)
    return fail(ErrorCode::malformed, "the commitment's bases do not match its detections");
  if (own.basis_is_test.size_bits() != entries || own.intensity_is_decoy.size_bits() != entries ||
      own.intensity_is_vacuum.size_bits() != entries || own.bits.size_bits() != entries)
    return fail(ErrorCode::malformed, "the device's settings do not match the detections");
  QUOIN_TRY(check_intensities(own.intensity_is_decoy, own.intensity_is_vacuum));

  AliceSift out;
  SiftAnnouncement& announcement = out.announcement;
  announcement.basis_matches = BitString(entries);
  for (std::size_t w = 0; w < announcement.basis_matches.words().size(); ++w)
    announcement.basis_matches.words()[w] =
        ~(own.basis_is_test.words()[w] ^ commitment.basis_is_test.words()[w]);
  announcement.basis_matches.trim();
  announcement.intensity_is_decoy = std::move(own.intensity_is_decoy);
  announcement.intensity_is_vacuum = std::move(own.intensity_is_vacuum);
  announcement.emitted = emitted;

  const Selection selection = select_bases(announcement.basis_matches, commitment.basis_is_test);
  QUOIN_TAKE(block, sift_public(commitment, announcement, selection));
  out.block = std::move(block);
  out.block.key = SiftedKey::claim_stage(compressed_secret(own.bits, selection.key));
  // The test bits are given away here, and only here.
  announcement.test_bits = BitString(count_ones(selection.test));
  compress_bits(own.bits.expose_secret(), selection.test.words(), announcement.test_bits.words());
  return out;
}

Result<SiftedBlock> sift_bob(const Commitment& commitment, RawKey&& outcomes,
                             const SiftAnnouncement& announcement) {
  const SecretBits own = std::move(outcomes).release();
  const std::size_t entries = commitment.offsets.size();
  if (own.size_bits() != entries || commitment.basis_is_test.size_bits() != entries)
    return fail(ErrorCode::invalid_argument, "outcomes and commitment are of different blocks");
  if (announcement.basis_matches.size_bits() != entries ||
      announcement.intensity_is_decoy.size_bits() != entries ||
      announcement.intensity_is_vacuum.size_bits() != entries)
    return fail(ErrorCode::malformed, "the sift announcement does not match the detections");
  QUOIN_TRY(check_intensities(announcement.intensity_is_decoy, announcement.intensity_is_vacuum));

  const Selection selection = select_bases(announcement.basis_matches, commitment.basis_is_test);
  if (announcement.test_bits.size_bits() != count_ones(selection.test))
    return fail(ErrorCode::malformed, "the sift announcement has a wrong number of test bits");
  QUOIN_TAKE(block, sift_public(commitment, announcement, selection));
  block.key = SiftedKey::claim_stage(compressed_secret(own, selection.key));

  BitString errors(count_ones(selection.test));
  compress_bits(own.expose_secret(), selection.test.words(), errors.words());
  for (std::size_t w = 0; w < errors.words().size(); ++w)
    errors.words()[w] ^= announcement.test_bits.words()[w];
  block.counts.test.errors =
      count_by_intensity(errors, compressed(announcement.intensity_is_decoy, selection.test),
                         compressed(announcement.intensity_is_vacuum, selection.test));
  return block;
}

Estimate make_estimate(const SiftedBlock& block) { return {block.counts.test.errors}; }

Status apply_estimate(SiftedBlock& block, const Estimate& estimate) {
  for (std::size_t k = 0; k < intensity_count; ++k) {
    if (estimate.test_errors[k] > block.counts.test.detected[k])
      return fail(ErrorCode::malformed, "more test errors reported than test detections");
  }
  block.counts.test.errors = estimate.test_errors;
  return success();
}

double reconciliation_qber(const BlockCounts& counts) {
  const auto errors = static_cast<double>(counts.test.errors_total() + 1);
  const auto sampled = static_cast<double>(counts.test.detected_total() + 2);
  return std::clamp(errors / sampled, 1e-4, 0.5);
}

void count_key_errors(SiftedBlock& block, const BitString& error_positions) {
  QUOIN_INVARIANT(error_positions.size_bits() == block.key_intensity_is_decoy.size_bits(),
                  "error positions of another block");
  block.counts.key.errors = count_by_intensity(error_positions, block.key_intensity_is_decoy,
                                               block.key_intensity_is_vacuum);
}

}  // namespace quoin
