// Bob's side of a block: detect, commit, sift, reconcile, verify, accept the seed.
#include <algorithm>

#include "distill/sift_messages.hpp"
#include "distill/verify.hpp"
#include "link/session.hpp"
#include "link/session_jobs.hpp"

namespace quoin {

void LinkSession::bob_fetch_detections() {
  if (!ports_.sink.has_room() || now_ < no_fetch_before_) return;
  if (blocks_.size() >= std::size_t{4} * policy_.blocks_in_flight_max)
    return;  // the peer owes us its words
  if (policy_.role != QuantumRole::bob || phase_ != Phase::running || is_finishing_ ||
      fetch_is_outstanding_)
    return;
  const auto in_flight = std::count_if(blocks_.begin(), blocks_.end(), [](const auto& entry) {
    return entry.second.phase != BlockPhase::prepared;
  });
  if (static_cast<std::size_t>(in_flight) >= policy_.blocks_in_flight_max) return;
  // Every block in flight will cost as much as this one.
  if (!budget_allows(epsilon_of_next_block() * static_cast<double>(in_flight + 1))) {
    if (in_flight == 0) report_spent_budget();
    return;
  }
  fetch_is_outstanding_ = true;
  effects_.push_back(effect::FetchDetections{parameters_.slots_per_block});
}

LinkEffects LinkSession::detections_ready(Result<DetectionEvents> events, Instant now) {
  if (!begin_call(now)) return {};
  if (!fetch_is_outstanding_) return take_effects();
  fetch_is_outstanding_ = false;
  if (phase_ != Phase::running) return take_effects();
  if (!events) {
    end_session(
        Error{events.error().code, "Bob's device: " + events.error().message, events.error().cure});
  } else if (is_finishing_) {
    close_if_finished();
  } else {
    bob_on_detections(std::move(events).value());
  }
  return take_effects();
}

void LinkSession::bob_on_detections(DetectionEvents events) {
  const BlockId id = make_block_id(session_, next_block_index_++);
  LinkBlock& block = blocks_[id];
  block.id = id;
  block.phase = BlockPhase::committing;
  block.started = now_;
  if (events.slot_count != parameters_.slots_per_block) {
    end_session(Error{ErrorCode::malformed, "Bob's device handed over a block of the wrong length",
                      "check the device"});
    return;
  }
  run_job(
      block,
      [work = block.work, events = std::move(events),
       &random = ports_.secret_random]() mutable -> Result<Bytes> {
        QUOIN_TAKE(resolved, resolve_detections(std::move(events), random));
        work->commitment = std::move(resolved.commitment);
        work->outcomes = std::move(resolved.outcomes);
        return encode(work->commitment);
      },
      [this](LinkBlock& b, Bytes message) { bob_send_commitment(b, std::move(message)); });
  bob_fetch_detections();
}

void LinkSession::bob_send_commitment(LinkBlock& block, Bytes commitment) {
  block.phase = BlockPhase::awaiting_sift;
  block.is_information_theoretic = sending_switched_;
  send_frame(FrameType::commitment, block.id, commitment);
  // Also closes the block before: steady state is one tag per direction and block.
  send_tag();
  block.commitment_tag_counter = own_counter_;
  report(LinkEventKind::block_detected,
         std::to_string(block.work->commitment.offsets.size()) + " detections", block.id);
}

void LinkSession::bob_on_sift(LinkBlock& block, const FrameHeader& header, ByteSpan payload) {
  // Alice must have processed the tag over the commitment before she spoke of bases (security-rules
  // A1).
  if (header.peer_counter < block.commitment_tag_counter) {
    abort_block(block, Error{ErrorCode::unauthenticated,
                             "the sift message was made before the commitment was tagged",
                             {}});
    return;
  }
  block.is_information_theoretic = block.is_information_theoretic && receiving_switched_;
  block.phase = BlockPhase::sifting;
  run_job(
      block,
      [work = block.work, message = Bytes(payload.begin(), payload.end())]() -> Status {
        QUOIN_TAKE(announcement,
                   decode_sift_announcement(message, work->commitment.offsets.size()));
        QUOIN_TAKE(sifted, sift_bob(work->commitment, std::move(work->outcomes), announcement));
        work->sifted = std::move(sifted);
        work->commitment = {};
        return success();
      },
      [this](LinkBlock& b) { bob_after_sift(b); });
}

void LinkSession::bob_after_sift(LinkBlock& block) {
  block.counts = block.work->sifted.counts;
  block.counts.slots = parameters_.slots_per_block;
  const BasisCounts& test = block.counts.test;
  block.qber_test = test.detected_total() == 0 ? 0
                                               : static_cast<double>(test.errors_total()) /
                                                     static_cast<double>(test.detected_total());
  // Without key even at no leakage there is nothing to reconcile for.
  const KeyLength best = ports_.proof.key_length(proof_input(block, 0));
  if (best.secret_bits == 0) {
    abort_block(block, Error{ErrorCode::no_key, best.reason, {}});
    return;
  }
  block.qber_estimate_ppm = static_cast<std::uint32_t>(
      1e6 * estimate_qber({test.errors_total(), test.detected_total()}, last_errors_));
  block.phase = BlockPhase::awaiting_reconcile_start;
  send_frame(FrameType::estimate, block.id,
             encode(EstimateMessage{test.errors, block.qber_estimate_ppm}));
}

void LinkSession::bob_on_reconcile_start(LinkBlock& block, ByteSpan payload) {
  auto start = decode_reconcile_start(payload);
  if (!start) return abort_block(block, start.error());
  if (to_string(start->family) != parameters_.reconciliation)
    return abort_block(
        block, Error{ErrorCode::malformed, "the peer chose another family of reconciliation", {}});
  block.qber_estimate_ppm = start->qber_estimate_ppm;
  block.phase = BlockPhase::reconciling;
  ReconcileParameters parameters;
  parameters.qber_estimate = start->qber_estimate_ppm * 1e-6;
  parameters.permutation_seed = start->permutation_seed;
  parameters.goal = start->goal;
  parameters.frame_bits = parameters_.frame_bits;
  run_job(
      block,
      [work = block.work, family = start->family, parameters]() -> Status {
        QUOIN_TAKE(reconciler, make_reconciler(family, QuantumRole::bob,
                                               std::move(work->sifted.key), parameters));
        work->reconciler = std::move(reconciler);
        QUOIN_TAKE(first, work->reconciler->start());
        if (first.has_value()) return fail(ErrorCode::internal, "Bob's reconciler spoke first");
        return success();
      },
      [](LinkBlock&) {});
}

void LinkSession::bob_on_verify(LinkBlock& block, ByteSpan payload) {
  auto verify = decode_verify(payload);
  if (!verify) return abort_block(block, verify.error());
  if (block.work->reconciler == nullptr || !block.work->reconciler->is_finished())
    return abort_block(
        block, Error{ErrorCode::malformed, "verification before reconciliation is finished", {}});
  finish_reconciliation(block);
  const ReconcileReport& own = block.work->report;
  if (own.leak_bits != verify->leak_bits || own.reverse_bits != verify->reverse_bits ||
      own.error_positions.count_ones() != verify->errors) {
    abort_block(block, Error{ErrorCode::conflict, "both sides count different leakage",
                             "report this as a bug"});
    return;
  }
  if (const Status counted = count_key_errors_and_rates(block); !counted)
    return abort_block(block, counted.error());
  block.phase = BlockPhase::awaiting_amplify;
  run_job(
      block,
      [work = block.work, verify = *verify]() -> Result<std::array<std::byte, 16>> {
        const auto tag = verification_tag(work->reconciled, VerificationSeed{verify.seed});
        QUOIN_TAKE(verified, accept_verified(std::move(work->reconciled), tag, verify.tag));
        work->verified = std::move(verified);
        return tag;
      },
      [this](LinkBlock& b, std::array<std::byte, 16> tag) {
        const ReconcileReport& report = b.work->report;
        b.own_length = ports_.proof.key_length(proof_input(b, report.leak_bits));
        send_frame(FrameType::verify_result, b.id,
                   encode(VerifyResult{tag, report.leak_bits, report.reverse_bits,
                                       report.error_positions.count_ones()}));
        // Bootstrap tags cost no key: close the block at once instead of with the next commitment.
        if (!sending_switched_) send_tag();
      });
}

void LinkSession::bob_on_amplify(LinkBlock& block, const FrameHeader& header, ByteSpan payload) {
  auto amplify = decode_amplify(payload);
  if (!amplify) return abort_block(block, amplify.error());
  if (const Status accepted = accept_length(block.own_length, amplify->secret_bits); !accepted)
    return abort_block(block, accepted.error());
  if (amplify->secret_bits - amplify->ledger_bits < 8)
    return abort_block(block,
                       Error{ErrorCode::malformed, "the peer leaves no key for the users", {}});
  if (amplify->ledger_bits > 0 &&
      amplify->ledger_bits !=
          AuthLedger::segment_bits_for(amplify->ledger_bits, amplify->starts_lineage))
    return abort_block(
        block,
        Error{ErrorCode::malformed, "the peer's share for the ledger is no whole segment", {}});
  if (amplify->ledger_bits == 0 && amplify->starts_lineage)
    return abort_block(block,
                       Error{ErrorCode::malformed, "the peer starts a lineage without key", {}});
  if (amplify->ledger_bits == 0) {
    // Nothing for the ledger: whichever side heard of a new lineage first does not matter.
  } else if (amplify->starts_lineage ? (amplify->lineage == 0 || ports_.records.lineage() != 0)
                                     : (amplify->lineage != ports_.records.lineage())) {
    abort_block(
        block,
        Error{ErrorCode::conflict, "the peer names another lineage of authentication key", {}});
    return;
  }
  block.amplify = std::move(amplify).value();
  block.covering_counter = header.counter;
  block.phase = BlockPhase::awaiting_amplify_tag;
  tags_verified_up_to(peer_verified_);
}

}  // namespace quoin
