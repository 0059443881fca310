// Frames in and out, opening, tags, the switch to Wegman-Carter, closing. Blocks:
// session_blocks.cpp and the two roles.
#include "link/session.hpp"

#include <algorithm>

namespace quoin {

namespace {

// What one tag may cover; the epsilon per block in session_blocks.cpp is derived from it.
constexpr std::uint64_t transcript_bytes_per_tag_max = std::uint64_t{1} << 30;
constexpr std::uint32_t session_jump_max = 1 << 16;

Bytes session_id_from(QuantumRole own_role, ByteSpan own_nonce, ByteSpan peer_nonce) {
  ByteWriter out;
  const bool own_first = own_role == QuantumRole::alice;
  out.fixed(own_first ? own_nonce : peer_nonce).fixed(own_first ? peer_nonce : own_nonce);
  return std::move(out).take();
}

}  // namespace

const char* to_string(LinkEventKind kind) {
  switch (kind) {
    case LinkEventKind::session_started: return "session_started";
    case LinkEventKind::bootstrap_started: return "bootstrap_started";
    case LinkEventKind::authentication_switched: return "authentication_switched";
    case LinkEventKind::block_detected: return "block_detected";
    case LinkEventKind::block_reconciled: return "block_reconciled";
    case LinkEventKind::block_no_key: return "block_no_key";
    case LinkEventKind::block_aborted: return "block_aborted";
    case LinkEventKind::block_committed: return "block_committed";
    case LinkEventKind::alarm: return "alarm";
    case LinkEventKind::session_ended: return "session_ended";
  }
  return "unknown";
}

LinkSession::LinkSession(LinkParameters parameters, LinkPolicy policy, Ports ports,
                         std::string software_version)
    : parameters_(std::move(parameters)),
      policy_(std::move(policy)),
      ports_(ports),
      software_version_(std::move(software_version)) {}

bool LinkSession::begin_call(Instant now) {
  now_ = now;
  return phase_ != Phase::closed;
}

LinkEffects LinkSession::take_effects() {
  buried_.clear();
  return std::exchange(effects_, {});
}

void LinkSession::bury(BlockId block) {
  if (auto node = blocks_.extract(block)) buried_.push_back(std::move(node));
}

void LinkSession::persist(StoreBatch batch) {
  if (!batch.empty()) effects_.push_back(effect::Persist{std::move(batch)});
}

void LinkSession::report(LinkEventKind kind, std::string text, BlockId block) {
  LinkEvent event{.kind = kind, .block = block};
  event.text = std::move(text);
  effects_.push_back(effect::Report{std::move(event)});
}

// ---- Frames ----

void LinkSession::send_frame(FrameType type, BlockId block, ByteSpan payload) {
  if (phase_ == Phase::closed) return;
  if (payload.size() + frame_header_bytes > frame_bytes_max)
    return end_session(Error{ErrorCode::configuration,
                             std::string("a block is too large: its '") + to_string(type) +
                                 "' message exceeds 16 MiB",
                             "lower [protocol] slots_per_block at both sites"},
                       true);
  Bytes frame = encode_frame(FrameHeader{type, ++own_counter_, peer_counter_, block}, payload);
  last_sent_ = now_;
  if (is_transcript(type) && sending_.has_value()) sending_->absorb(frame);
  // No pad is spent before a block has data: the opening alone waits for the first block's tag
  // (security-rules A5).
  if (is_transcript(type) && type != FrameType::hello) {
    if (untagged_since_ == 0) untagged_at_ = now_;
    untagged_since_ += frame.size();
  }
  effects_.push_back(effect::Send{std::move(frame)});
}

LinkEffects LinkSession::frame_received(Bytes frame, Instant now) {
  if (!begin_call(now)) return {};
  last_heard_ = now;
  on_frame(std::move(frame));
  return take_effects();
}

void LinkSession::on_frame(Bytes frame) {
  const auto view = decode_frame(frame);
  if (!view) return end_session(view.error());
  const FrameHeader& header = view->header;
  if (header.counter != peer_counter_ + 1)
    return end_session(Error{ErrorCode::unauthenticated,
                             "a frame of the peer is missing, repeated or out of order",
                             {}});
  if (header.peer_counter > own_counter_ || header.peer_counter < peer_saw_)
    return end_session(Error{
        ErrorCode::unauthenticated, "the peer claims to have seen frames that were not sent", {}});
  peer_counter_ = header.counter;
  peer_saw_ = header.peer_counter;
  if (phase_ == Phase::awaiting_hello) {
    if (header.type != FrameType::hello)
      return end_session(Error{ErrorCode::malformed, "the peer did not begin with a hello",
                               "check that it is a Quoin link"});
    on_hello(view->payload);
    if (receiving_.has_value()) receiving_->absorb(frame);
    return;
  }
  if (header.type == FrameType::control) return on_control(view->payload);
  if (header.type == FrameType::tag) return on_tag(view->payload);
  receiving_->absorb(frame);
  if (receiving_->bytes_since_checkpoint() > transcript_bytes_per_tag_max)
    return end_session(Error{ErrorCode::too_large, "the peer sent too much without a tag", {}});
  on_transcript(header, view->payload);
}

// ---- Opening ----

LinkEffects LinkSession::start(TransportFacts transport, Instant now) {
  QUOIN_INVARIANT(phase_ == Phase::idle, "a link session starts once");
  now_ = session_start_ = last_heard_ = now;
  transport_ = std::move(transport);
  phase_ = Phase::awaiting_hello;
  if (!transport_.peer_name.empty() && transport_.peer_name != policy_.peer_site) {
    end_session(Error{ErrorCode::unauthenticated,
                      "the certificate names site '" + transport_.peer_name +
                          "', the link expects '" + policy_.peer_site + "'",
                      "correct link.peer in the configuration, or the peer's certificate"},
                true);
    return take_effects();
  }
  own_hello_.protocol_version = link_protocol_version;
  own_hello_.software_version = software_version_;
  own_hello_.site = policy_.own_site;
  own_hello_.role = policy_.role;
  own_hello_.next_session = ports_.records.next_session();
  ports_.public_random.fill(own_hello_.nonce);
  own_hello_.parameters = encode(parameters_);
  own_hello_.lineage = ports_.records.lineage();
  send_frame(FrameType::hello, {}, encode(own_hello_));
  own_hello_frame_ = std::get<effect::Send>(effects_.back()).frame;
  return take_effects();
}

Status LinkSession::check_hello(const Hello& peer) const {
  if (peer.protocol_version != link_protocol_version)
    return fail(ErrorCode::configuration,
                "the peer speaks link protocol " + std::to_string(peer.protocol_version) +
                    ", this side " + std::to_string(link_protocol_version),
                "install the same version of quoin at both sites");
  if (peer.site != policy_.peer_site)
    return fail(
        ErrorCode::configuration,
        "the peer calls itself '" + peer.site + "', the link expects '" + policy_.peer_site + "'",
        "correct link.peer, or site.name at the peer");
  if (peer.role == policy_.role)
    return fail(ErrorCode::configuration,
                std::string("both sites are configured as ") + to_string(policy_.role),
                "one site must be alice and the other bob");
  if (peer.parameters != own_hello_.parameters) {
    QUOIN_TAKE(parameters, decode_link_parameters(peer.parameters));
    return fail(ErrorCode::configuration,
                "the sites disagree about " + describe_difference(parameters_, parameters),
                parameters.link_id == parameters_.link_id
                    ? "make the [protocol] sections of both configurations equal"
                    : "make [link] id equal in both configurations, and [protocol] too");
  }
  return success();
}

void LinkSession::on_hello(ByteSpan payload) {
  const auto peer = decode_hello(payload);
  if (!peer) return end_session(peer.error());
  // What differs needs a person; what is damaged needs another attempt.
  if (const Status checked = check_hello(*peer); !checked)
    return end_session(checked.error(), checked.error().code == ErrorCode::configuration);
  open_session(*peer);
}

// Both sides have said hello: number the session, derive the keys, and ask what became of prepared
// blocks.
void LinkSession::open_session(const Hello& peer) {
  peer_nonce_ = peer.nonce;
  // The greater number counts, within reason: it is not authenticated yet, and it is kept.
  if (peer.next_session > own_hello_.next_session + session_jump_max)
    return end_session(
        Error{ErrorCode::conflict,
              "the peer is " + std::to_string(peer.next_session - own_hello_.next_session) +
                  " sessions ahead of this site",
              "was this site's store restored from an old copy? 'quoin link reset' at both sites "
              "starts anew"},
        true);
  session_ = std::max(own_hello_.next_session, peer.next_session);
  // Once the link has key of its own, a peer without it cannot bring it back to the bootstrap
  // (security-rules A5).
  if (ports_.ledger.lineage() != 0 && peer.lineage != ports_.ledger.lineage())
    return end_session(
        Error{ErrorCode::conflict,
              "the peer does not know the authentication key that this link lives on",
              "if its store was lost, 'quoin link reset' at both sites starts a new lineage"},
        true);
  StoreBatch batch;
  ports_.records.use_session(batch, session_);
  persist(std::move(batch));

  const Bytes session_id = session_id_from(policy_.role, own_hello_.nonce, peer_nonce_);
  auto keys = derive_bootstrap_keys(transport_.exporter, parameters_.link_id, session_id);
  if (!keys) return end_session(keys.error(), true);
  const Direction sending = sending_direction(policy_.role);
  const Direction receiving = receiving_direction(policy_.role);
  control_sending_.emplace(keys->control.of(sending).clone_secret(), sending);
  control_receiving_.emplace(keys->control.of(receiving).clone_secret(), receiving);

  const auto context = [&](Direction direction) {
    return TranscriptContext{.purpose = "block transcript",
                             .link_id = parameters_.link_id,
                             .session_id = session_id,
                             .direction = direction,
                             .first_checkpoint = 0};
  };
  // With a ledger on both sides the first frames are already under Wegman-Carter: reconnecting
  // leans on no trust anchor.
  if (own_hello_.lineage != 0 && own_hello_.lineage == peer.lineage) {
    auto send_key = ports_.ledger.hash_key(sending);
    auto receive_key = ports_.ledger.hash_key(receiving);
    if (!send_key) return end_session(send_key.error(), true);
    if (!receive_key) return end_session(receive_key.error(), true);
    sending_.emplace(TranscriptAuthenticator::wegman_carter(context(sending), *send_key));
    receiving_.emplace(TranscriptAuthenticator::wegman_carter(context(receiving), *receive_key));
    sending_switched_ = receiving_switched_ = true;
    auto root = ports_.ledger.control_root();
    if (!root) return end_session(root.error(), true);
    const DirectionKeys control = derive_control_keys(*root, parameters_.link_id, session_id, 0);
    control_sending_.emplace(control.of(sending).clone_secret(), sending);
    control_receiving_.emplace(control.of(receiving).clone_secret(), receiving);
  } else {
    sending_.emplace(TranscriptAuthenticator::hmac(context(sending),
                                                   keys->transcript.of(sending).clone_secret()));
    receiving_.emplace(TranscriptAuthenticator::hmac(
        context(receiving), keys->transcript.of(receiving).clone_secret()));
  }
  sending_->absorb(own_hello_frame_);
  phase_ = Phase::resolving;
  ResolveQuery query;
  query.blocks = ports_.records.prepared_blocks();
  if (query.blocks.size() > resolve_blocks_max) query.blocks.resize(resolve_blocks_max);
  send_control(ControlType::resolve_query, encode(query));
}

// ---- Tags ----

void LinkSession::send_tag() {
  if (phase_ == Phase::closed) return;
  const Direction direction = sending_direction(policy_.role);
  if (sending_->bytes_since_checkpoint() > transcript_bytes_per_tag_max)
    return end_session(Error{ErrorCode::too_large, "too much was sent without a tag", {}});
  Result<TagFrame> tag = fail(ErrorCode::internal, "no tag");
  if (sending_switched_) {
    StoreBatch batch;
    auto pad = ports_.ledger.take_pad(batch, direction);
    if (!pad)
      return end_session(
          Error{pad.error().code, "the ledger of authentication key is dry: " + pad.error().message,
                "an operator has to start a new lineage: 'quoin link reset' at both sites"},
          true);
    persist(std::move(batch));  // on disk before the pad is used
    tag = sending_->tag(std::move(pad).value());
  } else {
    tag = sending_->tag();
  }
  if (!tag) return end_session(tag.error());
  send_frame(FrameType::tag, {}, encode(*tag));
  untagged_since_ = 0;
}

void LinkSession::on_tag(ByteSpan payload) {
  if (phase_ != Phase::running)
    return end_session(Error{ErrorCode::malformed, "a tag before the link was ready", {}});
  const auto tag = decode_tag_frame(payload);
  if (!tag) return end_session(tag.error());
  const Direction direction = receiving_direction(policy_.role);
  Status verified = success();
  if (receiving_switched_) {
    if (tag->scheme != TagScheme::wegman_carter) {
      verified = fail(ErrorCode::unauthenticated, "the peer fell back to bootstrap authentication");
    } else {
      const auto pad = ports_.ledger.pad_for_verification(direction, tag->pad);
      verified = pad ? receiving_->verify(*tag, *pad) : Status(pad.failure());
    }
  } else {
    verified =
        tag->scheme == TagScheme::hmac_sha384
            ? receiving_->verify(*tag)
            : Status(fail(ErrorCode::unauthenticated, "a tag of a scheme that was not agreed"));
  }
  if (!verified) {
    report(LinkEventKind::alarm, "a tag of the peer does not verify");
    return end_session(Error{
        ErrorCode::unauthenticated,
        "a tag of the peer does not verify: " + verified.error().message,
        "every block in flight was burnt; if this repeats, someone alters the classical channel"});
  }
  if (receiving_switched_) {
    StoreBatch batch;
    if (const Status marked = ports_.ledger.advance_receive_mark(batch, direction, tag->pad);
        !marked)
      return end_session(marked.error());
    persist(std::move(batch));
  }
  if (receiving_switch_pending_) {
    auto key = ports_.ledger.hash_key(direction);
    if (!key) return end_session(key.error());
    receiving_.emplace(TranscriptAuthenticator::wegman_carter(
        TranscriptContext{
            .purpose = "block transcript",
            .link_id = parameters_.link_id,
            .session_id = session_id_from(policy_.role, own_hello_.nonce, peer_nonce_),
            .direction = direction,
            .first_checkpoint = receiving_->checkpoint()},
        *key));
    receiving_switch_pending_ = false;
    receiving_switched_ = true;
    note_if_switched();
  }
  tags_verified_up_to(peer_counter_);
}

// ---- The switch ----

// The last tag under the bootstrap scheme covers the word that the next one will be Wegman-Carter.
void LinkSession::switch_own_direction() {
  const Direction direction = sending_direction(policy_.role);
  if (sending_switched_ || !ports_.ledger.is_ready(direction)) return;
  auto key = ports_.ledger.hash_key(direction);
  if (!key) return end_session(key.error());
  send_frame(FrameType::switch_authentication, {},
             encode(SwitchAuthentication{ports_.ledger.lineage()}));
  send_tag();
  if (phase_ == Phase::closed) return;
  sending_.emplace(TranscriptAuthenticator::wegman_carter(
      TranscriptContext{.purpose = "block transcript",
                        .link_id = parameters_.link_id,
                        .session_id = session_id_from(policy_.role, own_hello_.nonce, peer_nonce_),
                        .direction = direction,
                        .first_checkpoint = sending_->checkpoint()},
      *key));
  sending_switched_ = true;
  // Control messages leave the exporter's keys as well.
  send_control(ControlType::rekey, {});
  const Bytes session_id = session_id_from(policy_.role, own_hello_.nonce, peer_nonce_);
  auto root = ports_.ledger.control_root();
  if (!root) return end_session(root.error());
  control_sending_.emplace(
      derive_control_keys(*root, parameters_.link_id, session_id, 0).of(direction).clone_secret(),
      direction);
  note_if_switched();
}

void LinkSession::on_switch_authentication(ByteSpan payload) {
  const auto message = decode_switch_authentication(payload);
  if (!message) return end_session(message.error());
  // The peer has committed the block that starts the lineage, so it is at least prepared here.
  if (receiving_switched_ || receiving_switch_pending_ ||
      message->lineage != ports_.records.lineage())
    return end_session(
        Error{ErrorCode::conflict, "the peer switches to a lineage that is not known here", {}});
  receiving_switch_pending_ = true;
}

void LinkSession::note_if_switched() {
  if (!sending_switched_ || !receiving_switched_) return;
  LinkEvent event{.kind = LinkEventKind::authentication_switched};
  if (bootstrap_reported_) {
    event.seconds = bootstrap_seconds_open();
    ports_.records.close_bootstrap_window();
    StoreBatch batch;
    ports_.records.set_bootstrap_seconds(batch, event.seconds);
    persist(std::move(batch));
  }
  event.text = "tags are Wegman-Carter with key that the link made";
  effects_.push_back(effect::Report{std::move(event)});
}

double LinkSession::bootstrap_seconds_open() const {
  const Instant opened = ports_.records.open_bootstrap_window(session_start_);
  return static_cast<double>(now_.ns - opened.ns) * 1e-9;
}

// ---- Time and ends ----

LinkEffects LinkSession::tick(Instant now) {
  if (!begin_call(now) || phase_ == Phase::idle) return {};
  if (now.ns - last_heard_.ns > policy_.peer_silence_max_ns) {
    end_session(Error{ErrorCode::unavailable, "the peer has been silent for too long",
                      "check the peer and the network"});
    return take_effects();
  }
  if (phase_ != Phase::running) return take_effects();
  // A link without blocks, its store full perhaps, still shows that it is there; that costs no pad.
  if (now.ns - last_sent_.ns > policy_.peer_silence_max_ns / 4)
    send_control(ControlType::keepalive, {});
  if (!(sending_switched_ && receiving_switched_) &&
      bootstrap_seconds_open() > policy_.bootstrap_seconds_max) {
    end_session(
        Error{ErrorCode::exhausted,
              "the bootstrap window closed before the link had authentication key of its own",
              "find out why no key is made ('quoin status'), then start the link again"},
        true);
    return take_effects();
  }
  // No next block carries the tag: close what is open with one of its own.
  if (untagged_since_ > 0 && now.ns - untagged_at_.ns > policy_.closing_tag_after_ns) send_tag();
  bob_fetch_detections();
  return take_effects();
}

LinkEffects LinkSession::job_done(JobTicket ticket, Instant now) {
  const auto found = jobs_.find(ticket);
  if (found == jobs_.end()) return {};
  Continuation continuation = std::move(found->second);
  jobs_.erase(found);
  if (!begin_call(now)) return {};
  continuation();
  return take_effects();
}

LinkEffects LinkSession::store_failed(Error error, Instant now) {
  if (!begin_call(now)) return {};
  effects_.clear();
  end_session(std::move(error), true);
  return take_effects();
}

LinkEffects LinkSession::connection_lost(Error error, Instant now) {
  if (!begin_call(now)) return {};
  end_session(std::move(error));
  return take_effects();
}

void LinkSession::end_session(Error error, bool needs_operator) {
  if (phase_ == Phase::closed) return;
  phase_ = Phase::closed;
  // Burnt: wiped when this call returns, never reconciled again (security-rules A2).
  while (!blocks_.empty()) bury(blocks_.begin()->first);
  sending_.reset();
  receiving_.reset();
  control_sending_.reset();
  control_receiving_.reset();
  transport_.exporter.wipe();
  report(LinkEventKind::session_ended, error.text());
  effects_.push_back(effect::Close{std::move(error), needs_operator});
}

void fill_secrecy(LinkStatus& status, const SecrecyAccount& account, const SecrecyBudget& budget,
                  double next_epsilon, std::int64_t unix_ms) {
  status.secrecy_spent = account.spent(budget, unix_ms);
  status.secrecy_total = account.total;
  status.secrecy_period_ends_unix_ms =
      account.is_over(budget, unix_ms) ? 0 : account.period_began_unix_ms + budget.period_ms;
  status.is_budget_spent = !account.allows(budget, next_epsilon, unix_ms);
}

LinkStatus LinkSession::status() const {
  LinkStatus s;
  s.is_running = phase_ == Phase::running;
  s.is_information_theoretic = sending_switched_ && receiving_switched_;
  s.session = session_;
  s.lineage = ports_.records.lineage();
  s.bootstrap_seconds = ports_.records.bootstrap_seconds();
  s.epsilon_spent = ports_.records.epsilon_spent();
  fill_secrecy(s, ports_.records.secrecy(), policy_.secrecy_budget, epsilon_of_next_block(),
               ports_.clock.wall_unix_ms());
  s.blocks_in_flight = blocks_.size();
  s.blocks_committed = ports_.records.blocks_committed();
  s.pads_left_sending = ports_.ledger.pads_left(sending_direction(policy_.role));
  s.pads_left_receiving = ports_.ledger.pads_left(receiving_direction(policy_.role));
  if (sending_.has_value()) s.authentication = to_string(sending_->scheme());
  return s;
}

}  // namespace quoin
