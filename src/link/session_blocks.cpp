// What both roles do with a block: dispatch by the table of legal moves, reconcile, account,
// amplify, prepare.
#include <cmath>

#include "distill/amplify.hpp"
#include "distill/statistics.hpp"
#include "link/session.hpp"
#include "link/session_jobs.hpp"

namespace quoin {

namespace {

constexpr std::size_t inbox_frames_max = 4;
// A tag covers at most 2^30 bytes of transcript (bound in session.cpp): (2^30/16 + 2) / 2^128 per
// tag, two tags per block.
constexpr double epsilon_authentication_per_block = 2.0 * (67108864.0 + 2.0) / 3.402823669209385e38;

// The first bytes of a key become authentication key, the rest goes to the users.
struct SplitKey {
  SecretBytes ledger;
  SecretKey users;
};

SplitKey split_key(SecretKey&& key, std::uint64_t ledger_bits) {
  const SecretBits whole = std::move(key).release();
  const std::size_t ledger_bytes = ledger_bits / 8;
  SplitKey split;
  split.ledger = SecretBytes::zeroed(ledger_bytes, SecretMemory::block);
  const ByteSpan bytes = whole.expose_secret_bytes();
  std::copy_n(bytes.begin(), ledger_bytes, split.ledger.expose_secret_mutable().begin());
  SecretBits users = SecretBits::zeroed(whole.size_bits() - ledger_bits);
  MutableByteSpan out = std::as_writable_bytes(users.expose_secret_mutable());
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(ledger_bytes), bytes.end(), out.begin());
  split.users = SecretKey::claim_stage(std::move(users));
  return split;
}

// With both wings, unlike the one for upper bounds.
double shannon_entropy(double p) { return binary_entropy(std::min(p, 1 - p)); }

std::string days_text(std::int64_t ms) {
  constexpr std::int64_t day_ms = 86'400'000;
  return std::to_string((ms + day_ms - 1) / day_ms) + " days";
}

}  // namespace

double epsilon_of_block(const LinkParameters& parameters) {
  return parameters.epsilon_sec + parameters.epsilon_cor + epsilon_authentication_per_block;
}

// The Wegman-Carter tags of this session that no block has carried yet; more than a block's flat
// share only where much was said between two blocks.
double LinkSession::unaccounted_authentication() const {
  double spent = -authentication_accounted_;
  if (sending_.has_value()) spent += sending_->epsilon_spent();
  if (receiving_.has_value()) spent += receiving_->epsilon_spent();
  return spent;
}

double LinkSession::epsilon_of_next_block() const {
  return epsilon_of_block(parameters_) +
         std::max(0.0, unaccounted_authentication() - epsilon_authentication_per_block);
}

bool LinkSession::budget_allows(double epsilon) const {
  return ports_.records.secrecy().allows(policy_.secrecy_budget, epsilon,
                                         ports_.clock.wall_unix_ms());
}

// Once until key is made again.
void LinkSession::report_spent_budget() {
  if (budget_reported_) return;
  budget_reported_ = true;
  const SecrecyAccount& account = ports_.records.secrecy();
  const SecrecyBudget& budget = policy_.secrecy_budget;
  const std::int64_t now_ms = ports_.clock.wall_unix_ms();
  report(LinkEventKind::alarm,
         "the secrecy budget of the link is spent (" + short_number(account.spent(budget, now_ms)) +
             " of " + short_number(budget.limit) + "): no key is made until its period ends in " +
             days_text(account.period_began_unix_ms + budget.period_ms - now_ms) +
             "; the limit is [link] secrecy_budget");
}

void LinkSession::refuse_for_budget(LinkBlock& block) {
  report_spent_budget();
  abort_block(block, Error{ErrorCode::exhausted, "the link's secrecy budget is spent",
                           "wait for its next period, or raise [link] secrecy_budget"});
}

// Blocks without key, one after the other, cost a pad each in steady state: a cut fibre must not
// drain the ledger. From the second on Bob waits before the next, up to a minute (security-rules
// A5).
void LinkSession::note_keyless_block() {
  constexpr std::uint32_t doublings_max = 6;
  ++keyless_blocks_;
  if (keyless_blocks_ < 2) return;
  const std::int64_t wait_s = std::int64_t{1} << std::min(keyless_blocks_ - 2, doublings_max);
  no_fetch_before_ = Instant{now_.ns + std::min<std::int64_t>(wait_s, 60) * ns_per_s};
}

LinkBlock* LinkSession::find(BlockId block) {
  const auto found = blocks_.find(block);
  return found == blocks_.end() ? nullptr : &found->second;
}

void LinkSession::on_transcript(FrameHeader header, ByteSpan payload) {
  if (phase_ != Phase::running) {
    end_session(Error{
        ErrorCode::malformed,
        std::string("the peer sent '") + to_string(header.type) + "' before the link was ready",
        {}});
    return;
  }
  if (header.type == FrameType::switch_authentication) return on_switch_authentication(payload);
  if (header.type == FrameType::commitment) return alice_on_commitment(header, payload);
  if (header.type == FrameType::abort_block) return on_abort_block(header.block, payload);
  if (header.type == FrameType::hello)
    return end_session(Error{ErrorCode::malformed, "a second hello", {}});
  // Frames of a block that ended here may still be under way: they stay in the transcript and have
  // no other effect.
  if (LinkBlock* block = find(header.block))
    dispatch(*block, header, Bytes(payload.begin(), payload.end()));
}

void LinkSession::dispatch(LinkBlock& block, const FrameHeader& header, Bytes payload) {
  if (!block.is_busy && block.inbox.empty()) return handle(block, header, payload);
  if (block.inbox.size() >= inbox_frames_max)
    return abort_block(
        block,
        Error{ErrorCode::too_large, "the peer sent frames faster than the protocol allows", {}});
  block.inbox.push_back(QueuedFrame{header, std::move(payload)});
}

void LinkSession::drain_inbox(BlockId id) {
  for (LinkBlock* block = find(id); block != nullptr && !block->is_busy && !block->inbox.empty();
       block = find(id)) {
    const QueuedFrame frame = std::move(block->inbox.front());
    block->inbox.pop_front();
    handle(*block, frame.header, frame.payload);
  }
}

void LinkSession::handle(LinkBlock& block, const FrameHeader& header, ByteSpan payload) {
  if (block.phase == BlockPhase::prepared)
    return end_session(Error{ErrorCode::malformed,
                             std::string("the peer sent '") + to_string(header.type) +
                                 "' for a block that is finished here",
                             {}});
  if (!is_legal(policy_.role, block.phase, header.type)) {
    return abort_block(block, Error{ErrorCode::malformed,
                                    std::string("the peer sent '") + to_string(header.type) +
                                        "' while this side was " + to_string(block.phase),
                                    {}});
  }
  switch (header.type) {
    case FrameType::sift: return bob_on_sift(block, header, payload);
    case FrameType::estimate: return alice_on_estimate(block, payload);
    case FrameType::reconcile_start: return bob_on_reconcile_start(block, payload);
    case FrameType::reconcile: return run_reconciler(block, Bytes(payload.begin(), payload.end()));
    case FrameType::verify: return bob_on_verify(block, payload);
    case FrameType::verify_result: return alice_on_verify_result(block, header, payload);
    case FrameType::amplify: return bob_on_amplify(block, header, payload);
    default:
      return abort_block(block, Error{ErrorCode::internal, "no handler for a legal frame",
                                      "report this as a bug"});
  }
}

void LinkSession::run_reconciler(LinkBlock& block, Bytes message) {
  run_job(
      block,
      [work = block.work, message = std::move(message)]() -> Result<std::optional<Bytes>> {
        if (work->reconciler == nullptr)
          return fail(ErrorCode::malformed, "reconciliation before its start");
        return work->reconciler->handle(message);
      },
      [this](LinkBlock& b, std::optional<Bytes> answer) {
        reconciler_stepped(b, std::move(answer));
      });
}

void LinkSession::reconciler_stepped(LinkBlock& block, Result<std::optional<Bytes>> step) {
  if (!step) return abort_block(block, step.error());
  if (step->has_value()) send_frame(FrameType::reconcile, block.id, **step);
  if (policy_.role == QuantumRole::alice && block.work->reconciler->is_finished())
    alice_send_verify(block);
}

void LinkSession::finish_reconciliation(LinkBlock& block) {
  BlockWork& work = *block.work;
  work.report = work.reconciler->report();
  work.reconciled = std::move(*work.reconciler).take_key();
  work.reconciler.reset();
}

Status LinkSession::count_key_errors_and_rates(LinkBlock& block) {
  BlockWork& work = *block.work;
  count_key_errors(work.sifted, work.report.error_positions);
  block.counts.key.errors = work.sifted.counts.key.errors;
  const std::uint64_t n = block.counts.key.detected_total();
  const std::uint64_t errors = work.report.error_positions.count_ones();
  if (n == 0) return fail(ErrorCode::no_key, "no detections in the key basis");
  // Among other things: a leak below log2 of the number of error patterns can only be a counting
  // bug, f < 1 is impossible.
  QUOIN_TRY(check_reconcile_report(work.report, n));
  block.qber_key = static_cast<double>(errors) / static_cast<double>(n);
  const double shannon = static_cast<double>(n) * shannon_entropy(block.qber_key);
  block.f_ec = shannon > 0 ? static_cast<double>(work.report.leak_bits) / shannon : 0;
  last_errors_ = {errors, n};
  LinkEvent event{.kind = LinkEventKind::block_reconciled, .block = block.id};
  event.qber_key = block.qber_key;
  event.qber_test = block.qber_test;
  event.f_ec = block.f_ec;
  event.round_trips = work.report.rounds;
  event.passport.counts = block.counts;
  event.passport.leak_ec_bits = work.report.leak_bits;
  effects_.push_back(effect::Report{std::move(event)});
  return success();
}

ProofInput LinkSession::proof_input(const LinkBlock& block, std::uint64_t leak_bits) const {
  ProofInput input;
  input.counts = block.counts;
  input.mu = parameters_.mu;
  input.p = parameters_.intensity_probability;
  input.leak_ec_bits = leak_bits;
  input.epsilon_sec = parameters_.epsilon_sec;
  input.epsilon_cor = parameters_.epsilon_cor;
  input.verification_bits = 128;
  input.error_positions_public =
      true;  // Cascade is two-way: Eve learns X_A xor X_B (security-rules C1)
  return input;
}

// A verified tag covers all frames of the peer up to its own; blocks that waited for that go on.
void LinkSession::tags_verified_up_to(std::uint64_t peer_counter) {
  peer_verified_ = peer_counter;
  std::vector<BlockId> waiting;
  for (const auto& [id, block] : blocks_)
    if (!block.is_busy && block.covering_counter != 0 && block.covering_counter <= peer_verified_)
      waiting.push_back(id);
  for (const BlockId id : waiting) {
    LinkBlock* block = find(id);
    if (block == nullptr) continue;
    if (block->phase == BlockPhase::awaiting_commitment_tag) {
      block->covering_counter = 0;
      alice_decode_commitment(*block);
    } else if (block->phase == BlockPhase::awaiting_closing_tag ||
               block->phase == BlockPhase::awaiting_amplify_tag) {
      block->covering_counter = 0;
      start_amplifying(*block);
    }
  }
}

void LinkSession::start_amplifying(LinkBlock& block) {
  block.phase = BlockPhase::amplifying;
  run_job(
      block,
      [work = block.work, seed = std::move(block.amplify.seed),
       bits = block.amplify.secret_bits]() -> Status {
        QUOIN_TAKE(secret, amplify(std::move(work->verified), seed, bits));
        work->secret = std::move(secret);
        return success();
      },
      [this](LinkBlock& b) { prepare_block(b); });
  block.amplify.seed = {};
}

Passport LinkSession::make_passport(const LinkBlock& block) const {
  Passport p;
  p.block = block.id;
  p.protocol = parameters_.protocol;
  p.proof = parameters_.proof;
  p.assumptions = ports_.proof.assumptions();
  p.leak_accounting = std::string(ports_.proof.leak_accounting(true));
  p.epsilon_sec = parameters_.epsilon_sec;
  p.epsilon_cor = parameters_.epsilon_cor;
  // Of the lineage that this block belongs to, itself included.
  p.epsilon_accumulated =
      (block.amplify.starts_lineage ? 0 : ports_.records.epsilon_spent()) + epsilon_of_next_block();
  p.counts = block.counts;
  p.leak_ec_bits = block.work->report.leak_bits;
  p.verification_bits = 128;
  p.secret_bits = block.amplify.secret_bits;
  p.ledger_bits = block.amplify.ledger_bits;
  p.bootstrap_anchor = transport_.anchor;
  if (block.is_information_theoretic) {
    p.grade = Grade::information_theoretic;
  } else if (transport_.anchor == "openpgp") {
    p.grade = Grade::bootstrap_openpgp;
  } else {
    p.grade = transport_.anchor == "psk" ? Grade::bootstrap_psk : Grade::bootstrap_pki;
  }
  p.lineage = block.amplify.starts_lineage ? block.amplify.lineage : ports_.records.lineage();
  p.bootstrap_seconds = block.amplify.starts_lineage ? 0 : ports_.records.bootstrap_seconds();
  p.source = policy_.source;
  p.random_source = policy_.random_source;
  p.monitors = "leak plausible; gain and click monitors not built yet";
  p.made_unix_ms = ports_.clock.wall_unix_ms();
  return p;
}

// Everything of the block becomes durable in one batch: its split, the key, the ledger's part, the
// marks.
void LinkSession::prepare_block(LinkBlock& block) {
  StoreBatch batch;
  const Amplify& amplify = block.amplify;
  // The last word on the budget: blocks in flight may have spent it since this one began.
  const double epsilon = epsilon_of_next_block();
  if (!budget_allows(epsilon)) return refuse_for_budget(block);
  budget_reported_ = false;
  block.passport = make_passport(block);
  SplitKey split = split_key(std::move(block.work->secret), amplify.ledger_bits);
  // A store that is full costs the block, not the session: nothing else of it has been entered yet.
  if (const Status kept =
          ports_.sink.prepare(batch, block.id, std::move(split.users), block.passport);
      !kept)
    return abort_block(block, kept.error());
  if (amplify.ledger_bits > 0) {
    if (const Status refilled = ports_.ledger.prepare_segment(
            batch, block.id, std::move(split.ledger), amplify.starts_lineage, amplify.lineage);
        !refilled)
      return end_session(refilled.error());
  }
  authentication_accounted_ += std::max(0.0, unaccounted_authentication());
  ports_.records.prepare(batch, block.id,
                         {.epsilon = epsilon,
                          .budget = policy_.secrecy_budget,
                          .unix_ms = ports_.clock.wall_unix_ms()},
                         amplify.starts_lineage ? amplify.lineage : 0);
  block.phase = BlockPhase::prepared;
  block.work = std::make_shared<BlockWork>();  // nothing of it is needed any more
  persist(std::move(batch));
  ByteWriter message;
  send_control(ControlType::prepared, message.u64(to_u64(block.id)).bytes());
  if (block.peer_is_prepared) return commit_block(block.id);
  bob_fetch_detections();
}

// A block's end without key, with what is known of it.
void LinkSession::report_end(const LinkBlock& block, bool is_no_key, std::string text) {
  LinkEvent event{.kind = is_no_key ? LinkEventKind::block_no_key : LinkEventKind::block_aborted,
                  .block = block.id};
  event.text = std::move(text);
  event.qber_test = block.qber_test;
  event.qber_key = block.qber_key;
  event.passport.counts = block.counts;
  effects_.push_back(effect::Report{std::move(event)});
}

void LinkSession::on_abort_block(BlockId id, ByteSpan payload) {
  auto abort = decode_abort_block(payload);
  if (!abort) return end_session(abort.error());
  LinkBlock* block = find(id);
  if (block == nullptr) return;
  if (block->qber_test == 0) block->qber_test = abort->qber_test_ppm * 1e-6;
  report_end(*block, abort->is_no_key, "peer: " + abort->reason);
  // What is prepared waits for the control stream's word.
  if (block->phase == BlockPhase::prepared) return;
  if (block->amplify.starts_lineage) lineage_offered_ = 0;
  bury(id);
  note_keyless_block();
  bob_fetch_detections();
  close_if_finished();
}

void LinkSession::abort_block(LinkBlock& block, const Error& reason) {
  const BlockId id = block.id;
  const bool is_no_key = reason.code == ErrorCode::no_key;
  report_end(block, is_no_key, reason.text());
  const auto qber_test_ppm = static_cast<std::uint32_t>(std::lround(block.qber_test * 1e6));
  if (block.amplify.starts_lineage) lineage_offered_ = 0;
  bury(id);
  note_keyless_block();
  if (phase_ == Phase::running) {
    send_frame(FrameType::abort_block, id,
               encode(AbortBlock{is_no_key, qber_test_ppm, reason.text()}));
    ByteWriter message;
    send_control(ControlType::abandoned, message.u64(to_u64(id)).bytes());
  }
  bob_fetch_detections();
  close_if_finished();
}

}  // namespace quoin
