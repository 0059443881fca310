#include "site/site.hpp"

#include <cmath>

namespace quoin {

namespace {

bool nearly_equal(double a, double b) {
  return std::abs(a - b) <= 1e-9 * std::max({1e-3, std::abs(a), std::abs(b)});
}

Failure device_differs(const char* what) {
  return fail(
      ErrorCode::configuration,
      std::string("the device runs with another ") + what + " than the link's configuration",
      "make [protocol] and the device's settings equal");
}

}  // namespace

Site::Site(SiteConfig config, Ports ports) : config_(std::move(config)), ports_(ports) {}

Result<std::unique_ptr<Site>> Site::load(SiteConfig config, Ports ports) {
  QUOIN_TRY(config.parameters.validate());
  QUOIN_TRY(check_kme_config(config.kme));
  config.kme.waits_for_link = true;
  std::unique_ptr<Site> site(new Site(std::move(config), ports));
  QUOIN_TAKE(proof, make_proof(site->config_.parameters.proof));
  site->proof_ = std::move(proof);
  QUOIN_TAKE(records, LinkRecords::load(ports.store));
  site->records_.emplace(std::move(records));
  QUOIN_TAKE(ledger,
             AuthLedger::load(ports.store, ports.at_rest, site->config_.parameters.link_id));
  site->ledger_.emplace(std::move(ledger));
  QUOIN_TAKE(keys, KeyStore::load(ports.store, ports.at_rest, ports.secret_random,
                                  site->config_.key_store));
  site->key_store_ = std::move(keys);
  KmeEffects cleanup;
  QUOIN_TAKE(kme, Kme::load(site->config_.kme, site->config_.saes, ports.store, ports.at_rest,
                            *site->key_store_, ports.public_random, ports.secret_random, cleanup));
  site->kme_ = std::move(kme);
  QUOIN_TRY(ports.store.apply(cleanup.persist));
  return site;
}

Status Site::check_device(const DeviceCalibration& calibration) const {
  const LinkParameters& p = config_.parameters;
  for (std::size_t k = 0; k < intensity_count; ++k) {
    if (!nearly_equal(calibration.mu[k], p.mu[k])) return device_differs("mu");
    if (!nearly_equal(calibration.intensity_probability[k], p.intensity_probability[k]))
      return device_differs("intensity_probability");
  }
  if (!nearly_equal(calibration.key_basis_probability, p.key_basis_probability))
    return device_differs("key_basis_probability");
  if (calibration.source != config_.policy.source)
    return device_differs("source (simulated or hardware)");
  if (calibration.retention_slots < 2 * p.slots_per_block)
    return fail(ErrorCode::configuration, "the device keeps settings for fewer than two blocks",
                "lower protocol.slots_per_block, or raise the device's retention");
  return success();
}

SiteEffects Site::connection_up(TransportFacts transport, Instant now) {
  SiteEffects out;
  if (fatal_error_.has_value()) return out;
  if (session_.has_value())
    absorb(session_->connection_lost(
               Error{ErrorCode::unavailable, "replaced by a new connection", {}}, now),
           out, now);
  if (fatal_error_.has_value()) return out;
  ++connection_;
  session_.emplace(config_.parameters, config_.policy,
                   LinkSession::Ports{.ledger = *ledger_,
                                      .sink = *key_store_,
                                      .records = *records_,
                                      .public_random = ports_.public_random,
                                      .secret_random = ports_.secret_random,
                                      .proof = *proof_,
                                      .clock = ports_.clock},
                   config_.software_version);
  absorb(session_->start(std::move(transport), now), out, now);
  return out;
}

SiteEffects Site::connection_lost(Error error, Instant now) {
  SiteEffects out;
  if (session_.has_value()) absorb(session_->connection_lost(std::move(error), now), out, now);
  return out;
}

SiteEffects Site::frame_received(Bytes frame, Instant now) {
  SiteEffects out;
  if (session_.has_value()) absorb(session_->frame_received(std::move(frame), now), out, now);
  return out;
}

SiteEffects Site::detections_ready(std::uint64_t connection, Result<DetectionEvents> events,
                                   Instant now) {
  SiteEffects out;
  if (session_.has_value() && connection == connection_)
    absorb(session_->detections_ready(std::move(events), now), out, now);
  return out;
}

SiteEffects Site::settings_ready(std::uint64_t connection, BlockId block,
                                 Result<AliceAnswer> answer, Instant now) {
  SiteEffects out;
  if (session_.has_value() && connection == connection_)
    absorb(session_->settings_ready(block, std::move(answer), now), out, now);
  return out;
}

SiteEffects Site::job_done(std::uint64_t connection, JobTicket ticket, Instant now) {
  SiteEffects out;
  if (session_.has_value() && connection == connection_)
    absorb(session_->job_done(ticket, now), out, now);
  return out;
}

SiteEffects Site::tick(Instant now) {
  SiteEffects out;
  if (session_.has_value()) absorb(session_->tick(now), out, now);
  return out;
}

SiteEffects Site::finish(Instant now) {
  SiteEffects out;
  KmeEffects marks;
  kme_->on_stop(marks);
  if (!carry_out(std::move(marks), out, now)) return out;
  if (session_.has_value()) absorb(session_->finish(now), out, now);
  return out;
}

// Strictly in order. A job or a device answer refers to this connection only.
void Site::absorb(LinkEffects effects, SiteEffects& out, Instant now) {
  ++absorbing_;
  absorb_in_order(std::move(effects), out, now);
  if (--absorbing_ == 0) send_messages(out, now);
}

void Site::send_messages(SiteEffects& out, Instant now) {
  while (!messages_to_send_.empty()) {
    Bytes message = std::move(messages_to_send_.front());
    messages_to_send_.pop_front();
    if (!session_.has_value()) continue;  // the key managers begin anew with the next connection
    absorb(session_->send_to_key_manager(std::move(message), now), out, now);
  }
}

void Site::absorb_in_order(LinkEffects effects, SiteEffects& out, Instant now) {
  for (LinkEffect& effect : effects) {
    // Ended meanwhile by what an earlier effect led to: the rest has no session any more.
    if (fatal_error_.has_value() || !session_.has_value()) return;
    if (auto* persist = std::get_if<effect::Persist>(&effect)) {
      if (const Status applied = ports_.store.apply(persist->batch); !applied)
        return break_down(applied.error(), out);
    } else if (auto* send = std::get_if<effect::Send>(&effect)) {
      out.push_back(site_effect::Send{std::move(send->frame)});
    } else if (auto* job = std::get_if<effect::RunJob>(&effect)) {
      out.push_back(site_effect::RunJob{connection_, job->ticket, std::move(job->work)});
    } else if (auto* detections = std::get_if<effect::FetchDetections>(&effect)) {
      out.push_back(site_effect::FetchDetections{connection_, detections->slot_count});
    } else if (auto* settings = std::get_if<effect::FetchSettings>(&effect)) {
      out.push_back(site_effect::FetchSettings{connection_, settings->block, settings->first_slot,
                                               settings->slot_count, std::move(settings->offsets)});
    } else if (auto* report = std::get_if<effect::Report>(&effect)) {
      out.push_back(site_effect::Report{std::move(report->event)});
    } else if (auto* message = std::get_if<effect::DeliverControl>(&effect)) {
      KmeEffects kme;
      if (const Status handled = kme_->handle_control(message->message, kme); !handled) {
        absorb(session_->connection_lost(handled.error(), now), out, now);
        return;
      }
      if (!carry_out(std::move(kme), out, now)) return;
    } else if (auto* committed = std::get_if<effect::BlockCommitted>(&effect)) {
      KmeEffects kme;
      kme_->on_block_committed(committed->block, kme);
      if (!carry_out(std::move(kme), out, now)) return;
    } else if (auto* close = std::get_if<effect::Close>(&effect)) {
      return on_close(std::move(*close), out, now);
    }
  }
  note_link_state(out, now);
}

void Site::on_close(effect::Close close, SiteEffects& out, Instant now) {
  session_.reset();
  note_link_state(out, now);
  out.push_back(site_effect::Disconnect{std::move(close.reason), close.needs_operator});
}

void Site::note_link_state(SiteEffects& out, Instant now) {
  const bool is_up = session_.has_value() && session_->is_running();
  if (is_up == link_was_up_) return;
  link_was_up_ = is_up;
  KmeEffects kme;
  if (is_up) {
    kme_->on_link_up(kme);
  } else {
    kme_->on_link_down(kme);
  }
  (void)carry_out(std::move(kme), out, now).has_value();  // a failure is kept in fatal_error_
}

Status Site::carry_out(KmeEffects&& effects, SiteEffects& out, Instant now) {
  if (fatal_error_.has_value()) return Failure{*fatal_error_};
  if (!effects.persist.empty()) {
    if (const Status applied = ports_.store.apply(effects.persist); !applied) {
      break_down(applied.error(), out);
      return applied;
    }
  }
  // Frames are numbered when the session makes them: messages wait until what the session gave
  // before has been handed on.
  for (Bytes& message : effects.messages) messages_to_send_.push_back(std::move(message));
  if (absorbing_ == 0) send_messages(out, now);
  if (effects.is_changed) out.push_back(site_effect::WakeDeliveries{});
  return success();
}

void Site::break_down(Error error, SiteEffects& out) {
  if (fatal_error_.has_value()) return;
  fatal_error_ = error;
  session_.reset();
  out.push_back(site_effect::Disconnect{std::move(error), true});
}

Etsi014Connection Site::open_delivery(SaeId caller) {
  return Etsi014Connection(*kme_, std::move(caller), config_.delivery);
}

LinkStatus Site::link_status() const {
  if (session_.has_value()) return session_->status();
  LinkStatus s;
  s.lineage = records_->lineage();
  s.bootstrap_seconds = records_->bootstrap_seconds();
  s.epsilon_spent = records_->epsilon_spent();
  s.blocks_committed = records_->blocks_committed();
  fill_secrecy(s, records_->secrecy(), config_.policy.secrecy_budget,
               epsilon_of_block(config_.parameters), ports_.clock.wall_unix_ms());
  return s;
}

}  // namespace quoin
