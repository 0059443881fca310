// Alice's side of a block: accept a tagged commitment, sift, answer parities, verify, choose length
// and seed.
#include <algorithm>

#include "distill/amplify.hpp"
#include "distill/sift_messages.hpp"
#include "distill/verify.hpp"
#include "link/session.hpp"
#include "link/session_jobs.hpp"

namespace quoin {

namespace {

// Fewer secret bits than two keys of an application are not worth a block's rows.
constexpr std::uint64_t secret_bits_min = 512;
// A pad for each direction.
constexpr std::uint64_t pair_bits = 2 * 8 * pad_bytes;

}  // namespace

void LinkSession::alice_on_commitment(const FrameHeader& header, ByteSpan payload) {
  if (policy_.role != QuantumRole::alice || phase_ != Phase::running)
    return end_session(Error{ErrorCode::malformed, "a commitment arrived out of place",
                             "check that one site is alice and one is bob"});
  if (to_u64(header.block) >> 32 != session_ ||
      (newest_block_.has_value() && header.block <= *newest_block_))
    return end_session(Error{ErrorCode::malformed, "the peer reused a block number", {}});
  if (blocks_.size() >= std::size_t{4} * policy_.blocks_in_flight_max)
    return end_session(Error{ErrorCode::too_large, "the peer opened too many blocks at once", {}});
  newest_block_ = header.block;
  LinkBlock& block = blocks_[header.block];
  block.id = header.block;
  if (!ports_.sink.has_room())
    return abort_block(block, Error{ErrorCode::exhausted, "the key store is full",
                                    "fetch keys, or raise the store's limit"});
  if (!budget_allows(epsilon_of_next_block())) return refuse_for_budget(block);
  block.started = now_;
  block_interval_ns_ = last_block_started_.ns == 0 ? 0 : now_.ns - last_block_started_.ns;
  last_block_started_ = now_;
  block.phase = BlockPhase::awaiting_commitment_tag;
  block.covering_counter = header.counter;
  block.is_information_theoretic = receiving_switched_;
  // Not even decoded before its tag has verified: what is not Bob's costs no memory.
  block.commitment_message.assign(payload.begin(), payload.end());
}

void LinkSession::alice_decode_commitment(LinkBlock& block) {
  run_job(
      block,
      [work = block.work, message = std::move(block.commitment_message),
       slots = parameters_.slots_per_block]() -> Status {
        QUOIN_TAKE(
            commitment,
            decode_commitment(message, CommitmentBounds{.slot_count_max = slots,
                                                        .detections_max = block_detections_max}));
        if (commitment.slot_count != slots)
          return fail(ErrorCode::malformed, "the commitment covers another number of slots");
        work->commitment = std::move(commitment);
        return success();
      },
      [this](LinkBlock& b) { alice_fetch_settings(b); });
  block.commitment_message = {};
}

void LinkSession::alice_fetch_settings(LinkBlock& block) {
  block.phase = BlockPhase::sifting;
  block.is_busy = true;
  Commitment& commitment = block.work->commitment;
  // Alice's bits of a slot enter one block only, whatever Bob's device repeats.
  if (commitment.first_slot < slots_used_below_) {
    block.is_busy = false;
    return abort_block(
        block, Error{ErrorCode::conflict, "Bob's device went back to slots that were used before",
                     "if the device was started anew, start this node anew"});
  }
  slots_used_below_ = commitment.first_slot + commitment.slot_count;
  report(LinkEventKind::block_detected, std::to_string(commitment.offsets.size()) + " detections",
         block.id);
  effects_.push_back(effect::FetchSettings{
      block.id, commitment.first_slot, commitment.slot_count,
      std::shared_ptr<const std::vector<std::uint32_t>>(block.work, &commitment.offsets)});
}

LinkEffects LinkSession::settings_ready(BlockId id, Result<AliceAnswer> answer, Instant now) {
  if (!begin_call(now)) return {};
  LinkBlock* block = find(id);
  if (block == nullptr) return take_effects();  // aborted meanwhile
  block->is_busy = false;
  if (!answer) {
    abort_block(*block, Error{answer.error().code, "Alice's device: " + answer.error().message,
                              answer.error().cure});
  } else {
    block->work->settings = std::move(answer->settings);
    block->work->emitted = answer->emitted;
    alice_sift(*block);
  }
  return take_effects();
}

void LinkSession::alice_sift(LinkBlock& block) {
  run_job(
      block,
      [work = block.work]() -> Result<Bytes> {
        QUOIN_TAKE(sift, sift_alice(work->commitment, std::move(work->settings), work->emitted));
        work->sifted = std::move(sift.block);
        work->commitment = {};
        return encode(sift.announcement);
      },
      [this](LinkBlock& b, Bytes message) {
        b.phase = BlockPhase::awaiting_estimate;
        b.is_information_theoretic = b.is_information_theoretic && sending_switched_;
        send_frame(FrameType::sift, b.id, message);
      });
}

void LinkSession::alice_on_estimate(LinkBlock& block, ByteSpan payload) {
  auto estimate = decode_estimate_message(payload);
  if (!estimate) return abort_block(block, estimate.error());
  block.counts = block.work->sifted.counts;
  block.counts.slots = parameters_.slots_per_block;
  BasisCounts& test = block.counts.test;
  for (std::size_t k = 0; k < intensity_count; ++k)
    if (estimate->test_errors[k] > test.detected[k])
      return abort_block(block, Error{ErrorCode::malformed, "more test errors than test bits", {}});
  test.errors = estimate->test_errors;
  block.work->sifted.counts.test.errors = estimate->test_errors;
  block.qber_test = test.detected_total() == 0 ? 0
                                               : static_cast<double>(test.errors_total()) /
                                                     static_cast<double>(test.detected_total());
  QUOIN_INVARIANT(reconcile_family(parameters_.reconciliation), "validated link parameters");
  ReconcileStart start;
  start.family = *reconcile_family(parameters_.reconciliation);
  start.goal = alice_choose_goal(block, estimate->qber_estimate_ppm * 1e-6);
  start.qber_estimate_ppm = estimate->qber_estimate_ppm;
  ports_.public_random.fill(start.permutation_seed);
  block.qber_estimate_ppm = start.qber_estimate_ppm;
  block.phase = BlockPhase::reconciling;
  block.reconcile_started = now_;
  send_frame(FrameType::reconcile_start, block.id, encode(start));

  ReconcileParameters parameters;
  parameters.qber_estimate = start.qber_estimate_ppm * 1e-6;
  parameters.permutation_seed = start.permutation_seed;
  parameters.goal = start.goal;
  parameters.frame_bits = parameters_.frame_bits;
  run_job(
      block,
      [work = block.work, family = start.family, parameters]() -> Result<std::optional<Bytes>> {
        QUOIN_TAKE(reconciler, make_reconciler(family, QuantumRole::alice,
                                               std::move(work->sifted.key), parameters));
        work->reconciler = std::move(reconciler);
        return work->reconciler->start();
      },
      [this](LinkBlock& b, std::optional<Bytes> message) {
        reconciler_stepped(b, std::move(message));
      });
}

// By what a round of the block before took, its computation included. The first block of a session
// is to give a key soon.
ReconcileGoal LinkSession::alice_choose_goal(const LinkBlock& block, double qber) const {
  if (seconds_per_round_ == 0) return ReconcileGoal::few_rounds;
  constexpr double seconds_per_ns = 1e-9;
  return choose_reconcile_goal(
      {.qber = qber,
       .key_bits = block.work->sifted.key.size_bits(),
       .round_trip_seconds = seconds_per_round_,
       .seconds_available = static_cast<double>(block_interval_ns_) * seconds_per_ns *
                            policy_.blocks_in_flight_max});
}

void LinkSession::alice_send_verify(LinkBlock& block) {
  finish_reconciliation(block);
  if (const std::uint64_t rounds = block.work->report.rounds; rounds > 0)
    seconds_per_round_ = static_cast<double>(now_.ns - block.reconcile_started.ns) * 1e-9 /
                         static_cast<double>(rounds);
  if (const Status counted = count_key_errors_and_rates(block); !counted)
    return abort_block(block, counted.error());
  // The seed is drawn now, after Bob's key can no longer change (security-rules C6).
  ports_.public_random.fill(block.verify.seed);
  block.verify.leak_bits = block.work->report.leak_bits;
  block.verify.reverse_bits = block.work->report.reverse_bits;
  block.verify.errors = block.work->report.error_positions.count_ones();
  block.phase = BlockPhase::awaiting_verify_result;
  run_job(
      block,
      [work = block.work, seed = block.verify.seed]() -> Result<std::array<std::byte, 16>> {
        return verification_tag(work->reconciled, VerificationSeed{seed});
      },
      [this](LinkBlock& b, std::array<std::byte, 16> tag) {
        b.verify.tag = tag;
        send_frame(FrameType::verify, b.id, encode(b.verify));
      });
}

void LinkSession::alice_on_verify_result(LinkBlock& block, const FrameHeader& header,
                                         ByteSpan payload) {
  auto result = decode_verify_result(payload);
  if (!result) return abort_block(block, result.error());
  if (result->leak_bits != block.verify.leak_bits ||
      result->reverse_bits != block.verify.reverse_bits || result->errors != block.verify.errors)
    return abort_block(block, Error{ErrorCode::conflict, "both sides count different leakage",
                                    "report this as a bug"});
  auto verified = accept_verified(std::move(block.work->reconciled), block.verify.tag, result->tag);
  if (!verified) return abort_block(block, verified.error());
  block.work->verified = std::move(verified).value();
  block.own_length = ports_.proof.key_length(proof_input(block, block.verify.leak_bits));
  // One bit less than the proof gives is proposed (security-rules C7).
  if (block.own_length.secret_bits <= secret_bits_min)
    return abort_block(
        block, Error{ErrorCode::no_key,
                     block.own_length.reason.empty() ? "the proof gives too few bits to store"
                                                     : block.own_length.reason,
                     {}});
  block.covering_counter = header.counter;
  alice_send_amplify(block);
}

void LinkSession::alice_send_amplify(LinkBlock& block) {
  Amplify& amplify = block.amplify;
  amplify.secret_bits = std::min<std::uint64_t>(proposed_length(block.own_length), secret_bits_max);
  amplify.ledger_bits = choose_ledger_bits(amplify.secret_bits, amplify.starts_lineage);
  amplify.lineage = ports_.records.lineage();
  if (amplify.starts_lineage) {
    while (amplify.lineage == 0) {
      std::array<std::byte, 8> draw{};
      ports_.public_random.fill(draw);
      ByteReader reader(draw);
      amplify.lineage = reader.u64();
    }
    lineage_offered_ = amplify.lineage;
  }
  amplify.seed =
      BitString(amplification_seed_bits(block.work->verified.size_bits(), amplify.secret_bits));
  ports_.public_random.fill(std::as_writable_bytes(amplify.seed.words()));
  amplify.seed.trim();
  send_frame(FrameType::amplify, block.id, encode(amplify));
  send_tag();
  block.phase = BlockPhase::awaiting_closing_tag;
  tags_verified_up_to(peer_verified_);
}

// The ledger comes before the users: up to half of a block until it is full, everything while it is
// below its reserve. It is refilled in large segments, when a quarter is used up, since every
// segment is a row of its own.
std::uint64_t LinkSession::choose_ledger_bits(std::uint64_t secret_bits,
                                              bool& starts_lineage) const {
  const AuthLedger& ledger = ports_.ledger;
  starts_lineage = false;
  const std::uint64_t spare = secret_bits - secret_bits_min;  // the users always get something
  if (ports_.records.lineage() == 0) {
    if (lineage_offered_ != 0) return 0;
    const std::uint64_t wanted = ledger.refill_bits_wanted(parameters_.ledger_pads_target, true);
    const std::uint64_t least =
        8 * lineage_root_bytes + pair_bits * parameters_.ledger_pads_reserve;
    const std::uint64_t share = std::max(secret_bits / 2, std::min(spare, least));
    const std::uint64_t bits = AuthLedger::segment_bits_for(std::min(wanted, share), true);
    starts_lineage = bits >= least;
    return starts_lineage ? bits : 0;
  }
  // A refill must not overtake the block that starts the lineage.
  if (ledger.lineage() == 0) return 0;
  const std::uint64_t wanted = ledger.refill_bits_wanted(parameters_.ledger_pads_target, false);
  if (wanted < pair_bits * parameters_.ledger_pads_target / 4) return 0;
  const std::uint64_t held = std::min(ledger.pads_left(Direction::alice_to_bob),
                                      ledger.pads_left(Direction::bob_to_alice));
  const std::uint64_t share =
      held < parameters_.ledger_pads_reserve ? secret_bits : secret_bits / 2;
  return AuthLedger::segment_bits_for(std::min(wanted, share), false);
}

}  // namespace quoin
