// The control stream: what became of prepared blocks, ledger marks, commits, the key managers'
// messages, goodbye. Each message has its own HMAC-SHA-384, from the exporter at first and from the
// ledger's control root once a direction has switched.
#include <algorithm>

#include "link/session.hpp"

namespace quoin {

void LinkSession::send_control(ControlType type, ByteSpan payload) {
  if (phase_ == Phase::closed) return;
  auto frame = control_sending_->protect(encode_control(type, payload));
  if (!frame) return end_session(frame.error());
  send_frame(FrameType::control, {}, *frame);
}

void LinkSession::on_control(ByteSpan payload) {
  const auto message = control_receiving_->accept(payload);
  if (!message) {
    report(LinkEventKind::alarm, "a control message of the peer does not verify");
    return end_session(Error{
        ErrorCode::unauthenticated,
        "a control message of the peer does not verify: " + message.error().message,
        "every block in flight was burnt; if this repeats, someone alters the classical channel"});
  }
  const auto control = decode_control(*message);
  if (!control) return end_session(control.error());
  switch (control->type) {
    case ControlType::resolve_query: return on_resolve_query(control->payload);
    case ControlType::resolve_answer: return on_resolve_answer(control->payload);
    case ControlType::ready: return on_ready(control->payload);
    case ControlType::prepared: return on_prepared(control->payload);
    case ControlType::abandoned: return on_abandoned(control->payload);
    case ControlType::keepalive: return;
    case ControlType::rekey: {
      auto root = ports_.ledger.control_root();
      if (!root) return end_session(root.error());
      ByteWriter session_id;
      const bool own_first = policy_.role == QuantumRole::alice;
      session_id.fixed(own_first ? own_hello_.nonce : peer_nonce_)
          .fixed(own_first ? peer_nonce_ : own_hello_.nonce);
      const Direction direction = receiving_direction(policy_.role);
      control_receiving_.emplace(
          derive_control_keys(*root, parameters_.link_id, session_id.bytes(), 0)
              .of(direction)
              .clone_secret(),
          direction);
      return;
    }
    case ControlType::key_manager:
      if (phase_ != Phase::running)
        return end_session(Error{ErrorCode::malformed, "a key manager's message out of place", {}});
      effects_.push_back(
          effect::DeliverControl{Bytes(control->payload.begin(), control->payload.end())});
      return;
    case ControlType::goodbye:
      goodbye_received_ = true;
      is_finishing_ = true;
      return close_if_finished();
  }
}

// ---- What became of prepared blocks (security-rules D1) ----

void LinkSession::on_resolve_query(ByteSpan payload) {
  const auto query = decode_resolve_query(payload);
  if (!query) return end_session(query.error());
  if (phase_ != Phase::resolving)
    return end_session(Error{ErrorCode::malformed, "a resolve query out of place", {}});
  ResolveAnswer answer;
  for (const BlockId block : query->blocks) {
    const auto state = ports_.records.state(block);
    PeerBlockState told = PeerBlockState::none;
    if (state == OwnBlockState::prepared) told = PeerBlockState::prepared;
    if (state == OwnBlockState::committed) told = PeerBlockState::committed;
    answer.blocks.emplace_back(block, told);
  }
  send_control(ControlType::resolve_answer, encode(answer));
}

void LinkSession::on_resolve_answer(ByteSpan payload) {
  const auto answer = decode_resolve_answer(payload);
  if (!answer) return end_session(answer.error());
  if (phase_ != Phase::resolving || sent_ready_)
    return end_session(Error{ErrorCode::malformed, "a resolve answer out of place", {}});
  const std::vector<BlockId> asked = ports_.records.prepared_blocks();
  if (answer->blocks.size() != std::min(asked.size(), resolve_blocks_max))
    return end_session(Error{ErrorCode::malformed, "a resolve answer to another question", {}});
  for (std::size_t i = 0; i < answer->blocks.size(); ++i) {
    const auto& [block, state] = answer->blocks[i];
    if (block != asked[i])
      return end_session(Error{ErrorCode::malformed, "a resolve answer to another question", {}});
    // Held by both: roll forward. Not held by the peer: nobody can have served it.
    if (state == PeerBlockState::none) {
      discard_prepared(block);
    } else {
      commit_block(block);
    }
    if (phase_ == Phase::closed) return;
  }
  send_ready();
}

void LinkSession::send_ready() {
  sent_ready_ = true;
  send_control(ControlType::ready, encode(ports_.ledger.marks()));
  start_running_if_ready();
}

void LinkSession::on_ready(ByteSpan payload) {
  const auto marks = decode_ledger_marks(payload);
  if (!marks) return end_session(marks.error());
  if (phase_ != Phase::resolving || got_ready_)
    return end_session(Error{ErrorCode::malformed, "ready out of place", {}});
  // Before any pad is spent: a store restored from an old copy is noticed here (security-rules
  // A4).
  Status checked = ports_.ledger.check_peer_marks(*marks, policy_.role);
  if (checked && marks->lineage != ports_.ledger.lineage())
    checked = fail(ErrorCode::conflict, "the sites live on different authentication key",
                   "'quoin link reset' at both sites starts a new lineage");
  if (!checked) {
    report(LinkEventKind::alarm, checked.error().message);
    return end_session(checked.error(), true);
  }
  got_ready_ = true;
  start_running_if_ready();
}

void LinkSession::start_running_if_ready() {
  if (!sent_ready_ || !got_ready_ || phase_ != Phase::resolving) return;
  phase_ = Phase::running;
  LinkEvent event{.kind = LinkEventKind::session_started};
  event.text = "session " + std::to_string(session_) + " with site '" + policy_.peer_site +
               "' by " + transport_.anchor +
               (transport_.key_exchange.empty() ? "" : ", key exchange " + transport_.key_exchange);
  effects_.push_back(effect::Report{std::move(event)});
  if (sending_switched_ && receiving_switched_) {
    note_if_switched();
  } else if (ports_.records.lineage() != 0) {
    // The block that starts the lineage was rolled forward just now, or the switch was cut off:
    // finish it.
    bootstrap_reported_ = true;
    ports_.records.open_bootstrap_window(session_start_);
    report(LinkEventKind::bootstrap_started, "finishing the switch that the last session began");
    switch_own_direction();
  } else if (!policy_.may_bootstrap) {
    return end_session(
        Error{ErrorCode::configuration, "the link has no authentication key and may not bootstrap",
              "an operator has to allow it: link.bootstrap = true"},
        true);
  } else {
    bootstrap_reported_ = true;
    ports_.records.open_bootstrap_window(session_start_);
    report(LinkEventKind::bootstrap_started,
           "tags ride on " + transport_.anchor + " until the first block fills the ledger");
  }
  StoreBatch batch;
  ports_.records.forget_committed_before(batch, make_block_id(session_, 0));
  persist(std::move(batch));
  bob_fetch_detections();
}

// ---- Commits ----

void LinkSession::on_prepared(ByteSpan payload) {
  ByteReader in(payload);
  const auto id = static_cast<BlockId>(in.u64());
  if (!in.finish("prepared"))
    return end_session(Error{ErrorCode::malformed, "a malformed 'prepared'", {}});
  LinkBlock* block = find(id);
  if (block == nullptr) return;  // aborted here; the peer hears of it by the abort
  block->peer_is_prepared = true;
  if (block->phase == BlockPhase::prepared) commit_block(id);
}

// The peer has given the block up and will never hold it: ours, if it is prepared, was for
// nothing. Only this authenticated word may undo what is prepared (security-rules D1).
void LinkSession::on_abandoned(ByteSpan payload) {
  ByteReader in(payload);
  const auto id = static_cast<BlockId>(in.u64());
  if (!in.finish("abandoned"))
    return end_session(Error{ErrorCode::malformed, "a malformed 'abandoned'", {}});
  LinkBlock* block = find(id);
  if (block == nullptr || block->peer_is_prepared) return;
  if (block->phase == BlockPhase::prepared) discard_prepared(id);
  if (block->amplify.starts_lineage) lineage_offered_ = 0;
  bury(id);
  note_keyless_block();
  bob_fetch_detections();
  close_if_finished();
}

void LinkSession::commit_block(BlockId id) {
  StoreBatch batch;
  Status done =
      ports_.ledger.segment(id).has_value() ? ports_.ledger.commit_segment(batch, id) : success();
  if (done) done = ports_.sink.commit(batch, id);
  if (!done) return end_session(done.error());
  ports_.records.commit(batch, id);
  // The control stream is in order: when this block's commit is agreed, so are those well before
  // it.
  constexpr std::uint64_t remembered = 64;
  if ((to_u64(id) & 0xffff'ffff) >= remembered)
    ports_.records.forget_committed_before(batch, static_cast<BlockId>(to_u64(id) - remembered));
  persist(std::move(batch));
  effects_.push_back(effect::BlockCommitted{id});
  if (LinkBlock* block = find(id)) {
    LinkEvent event{.kind = LinkEventKind::block_committed, .block = id};
    event.passport = block->passport;
    event.qber_key = block->qber_key;
    event.qber_test = block->qber_test;
    event.f_ec = block->f_ec;
    event.seconds = static_cast<double>(now_.ns - block->started.ns) * 1e-9;
    effects_.push_back(effect::Report{std::move(event)});
    bury(id);
    keyless_blocks_ = 0;
  }
  if (phase_ != Phase::running) return;
  switch_own_direction();
  bob_fetch_detections();
  close_if_finished();
}

void LinkSession::discard_prepared(BlockId id) {
  StoreBatch batch;
  Status done = ports_.ledger.discard_segment(batch, id);
  if (done) done = ports_.sink.discard(batch, id);
  if (!done) return end_session(done.error());
  ports_.records.discard(batch, id);
  persist(std::move(batch));
}

// ---- Key manager, goodbye ----

LinkEffects LinkSession::send_to_key_manager(Bytes message, Instant now) {
  if (!begin_call(now) || phase_ != Phase::running) return {};
  send_control(ControlType::key_manager, message);
  return take_effects();
}

LinkEffects LinkSession::finish(Instant now) {
  if (!begin_call(now)) return {};
  is_finishing_ = true;
  if (phase_ != Phase::running) {
    end_session(Error{ErrorCode::unavailable, "stopped", {}});
  } else if (policy_.role == QuantumRole::alice && !goodbye_sent_) {
    // Bob opens blocks: he hears of it first and drains.
    goodbye_sent_ = true;
    send_control(ControlType::goodbye, {});
  }
  close_if_finished();
  return take_effects();
}

void LinkSession::close_if_finished() {
  if (!is_finishing_ || phase_ != Phase::running || !blocks_.empty() || fetch_is_outstanding_)
    return;
  if (policy_.role == QuantumRole::alice && !goodbye_received_) return;
  if (!goodbye_sent_) {
    goodbye_sent_ = true;
    send_control(ControlType::goodbye, {});
  }
  if (policy_.role == QuantumRole::bob && !goodbye_received_) return;
  end_session(Error{ErrorCode::unavailable, "finished", {}});
}

}  // namespace quoin
