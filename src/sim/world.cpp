#include "sim/world.hpp"

#include <algorithm>

namespace quoin {

namespace {

constexpr std::int64_t tick_ns = 500 * ns_per_ms;
constexpr std::int64_t reconnect_ns = 200 * ns_per_ms;
constexpr std::int64_t reboot_ns = 300 * ns_per_ms;

const char* site_name(QuantumRole role) { return role == QuantumRole::alice ? "alpha" : "beta"; }
SaeId sae_of(QuantumRole role) { return SaeId{role == QuantumRole::alice ? "app-a" : "app-b"}; }

SiteConfig site_config(const WorldConfig& world, QuantumRole role) {
  SiteConfig config;
  config.parameters = world.parameters;
  config.policy.role = role;
  config.policy.own_site = site_name(role);
  config.policy.peer_site = site_name(other(role));
  config.policy.secrecy_budget = world.secrecy_budget[static_cast<std::size_t>(role)];
  config.kme.role = role;
  config.kme.kme_id = std::string("kme-") + site_name(role);
  config.kme.peer_kme_id = std::string("kme-") + site_name(other(role));
  config.key_store.allow_simulated = true;
  config.key_store.stored_bytes_max = world.key_store_bytes;
  QUOIN_INVARIANT(config.saes.add_local(sae_of(role)).has_value(), "simulated SAE");
  QUOIN_INVARIANT(config.saes.add_remote(sae_of(other(role))).has_value(), "simulated SAE");
  return config;
}

}  // namespace

WorldConfig small_world(std::uint64_t seed) {
  WorldConfig config;
  config.seed = seed;
  config.physics.distance_km = 5;
  config.physics.receiver_loss_db = 0;
  config.physics.misalignment = 0.004;
  config.physics.dark_counts_per_s = {10, 10};
  config.physics.dead_time_ns = 0;
  config.physics.key_basis_probability = 0.5;
  config.physics.mu = {0.5, 0.15, 0.0};
  config.physics.intensity_probability = {0.6, 0.3, 0.1};
  config.parameters.mu = config.physics.mu;
  config.parameters.intensity_probability = config.physics.intensity_probability;
  config.parameters.key_basis_probability = 0.5;
  config.parameters.slots_per_block = 2'400'000;
  config.parameters.ledger_pads_target = 128;
  config.parameters.ledger_pads_reserve = 8;
  config.faults = faults_from_seed(seed);
  return config;
}

FaultPlan faults_from_seed(std::uint64_t seed) {
  SeededRandom random(seed ^ 0xfa017ULL);
  FaultPlan plan;
  if (random.below(8) == 0) return plan;
  const auto maybe = [&random](double most) {
    return random.below(3) == 0 ? most * static_cast<double>(random.below(1000)) / 1000 : 0;
  };
  plan.lose_frame = maybe(0.01);
  plan.corrupt_frame = maybe(0.01);
  plan.reorder_frame = maybe(0.01);
  plan.repeat_frame = maybe(0.01);
  plan.cut_connection = maybe(0.005);
  plan.crashes = static_cast<std::uint32_t>(random.below(4));
  return plan;
}

World::World(WorldConfig config) : config_(std::move(config)), random_(config_.seed) {
  crashes_left_ = config_.faults.crashes;
}

Result<std::unique_ptr<World>> World::make(WorldConfig config) {
  std::unique_ptr<World> world(new World(std::move(config)));
  QUOIN_TAKE(fibre, SimulatedLink::make(world->config_.physics, world->config_.seed));
  world->fibre_ = std::move(fibre);
  if (world->config_.eve) {
    QUOIN_TAKE(from, world->fibre_->set_eve(world->config_.eve, 0));
    (void)from;
  }
  for (const QuantumRole role : {QuantumRole::alice, QuantumRole::bob}) {
    End& end = world->end(role);
    end.role = role;
    end.random = std::make_unique<SeededRandom>(world->random_.next());
    const SecretBytes file_key = make_file_key(*end.random);
    QUOIN_TAKE(cipher, AtRestCipher::from_file_key(file_key, *end.random));
    end.at_rest.emplace(std::move(cipher));
    // A configuration that no site accepts is the caller's mistake, told at once.
    QUOIN_TAKE(trial, Site::load(site_config(world->config_, role),
                                 Site::Ports{end.disk, *end.at_rest, *end.random, *end.random,
                                             world->clock_}));
    trial.reset();
    world->boot(role);
  }
  world->plan_next_crash();
  world->connect();
  for (const QuantumRole role : {QuantumRole::alice, QuantumRole::bob}) {
    struct Ticker {
      static void again(World& w, QuantumRole r) {
        if (Site* site = w.site(r)) w.carry_out(r, site->tick(w.clock_.now()));
        w.schedule(tick_ns, [&w, r] { again(w, r); });
      }
    };
    world->schedule(tick_ns, [&w = *world, role] { Ticker::again(w, role); });
  }
  return world;
}

void World::schedule(std::int64_t after_ns, std::move_only_function<void()> run) {
  events_.push(std::make_unique<Event>(
      Event{Instant{clock_.now().ns + after_ns}, next_order_++, std::move(run)}));
}

void World::run_until(Instant end) {
  while (!events_.empty() && events_.top()->at <= end) {
    // priority_queue hides its top behind const; the event leaves the queue in the next line.
    std::unique_ptr<Event> event = std::move(const_cast<std::unique_ptr<Event>&>(events_.top()));
    events_.pop();
    clock_.advance_to(event->at);
    event->run();
  }
  clock_.advance_to(end);
}

// ---- Life and death of a site ----

void World::boot(QuantumRole role) {
  End& e = end(role);
  e.disk.repair();
  auto site = Site::load(site_config(config_, role),
                         Site::Ports{e.disk, *e.at_rest, *e.random, *e.random, clock_});
  if (!site)
    return violation(std::string("a site does not start from its own disk: ") +
                     site.error().text());
  e.site = std::move(site).value();
}

void World::crash(QuantumRole role) {
  End& e = end(role);
  ++outcome_.crashes;
  ++e.life;
  e.site.reset();
  disconnect_both();
  schedule(reboot_ns, [this, role] {
    boot(role);
    plan_next_crash();
  });
}

void World::restart(QuantumRole role) {
  End& e = end(role);
  ++e.life;
  e.site.reset();
  disconnect_both();
  boot(role);
}

void World::plan_next_crash() {
  if (crashes_left_ == 0 || !faults_are_on_) return;
  --crashes_left_;
  const auto role = static_cast<QuantumRole>(random_.below(2));
  MemoryStore& disk = end(role).disk;
  disk.fail_at(disk.writes() + 1 + random_.below(30), random_.below(2) == 0);
}

void World::stop_faults() {
  faults_are_on_ = false;
  for (End& e : ends_)
    if (!e.disk.is_broken()) e.disk.repair();
}

// ---- The connection ----

void World::connect() {
  if (connect_is_planned_) return;
  connect_is_planned_ = true;
  schedule(reconnect_ns, [this] {
    connect_is_planned_ = false;
    End& a = ends_[0];
    End& b = ends_[1];
    if (a.gave_up || b.gave_up) return;
    if (!a.site || !b.site) return connect();
    ++connection_;
    ++outcome_.sessions;
    is_connected_ = true;
    last_arrival_[0] = last_arrival_[1] = clock_.now();
    SecretBytes exporter = SecretBytes::zeroed(64);
    random_.fill_secret(exporter.expose_secret_mutable());
    for (const QuantumRole role : {QuantumRole::alice, QuantumRole::bob}) {
      TransportFacts facts;
      facts.peer_name = site_name(other(role));
      facts.anchor = "pki";
      facts.key_exchange = "simulated";
      facts.exporter = exporter.clone_secret();
      if (transport_is_broken_) random_.fill_secret(facts.exporter.expose_secret_mutable());
      if (Site* s = site(role)) carry_out(role, s->connection_up(std::move(facts), clock_.now()));
    }
  });
}

void World::disconnect_both() {
  if (!is_connected_) return connect();
  is_connected_ = false;
  for (const QuantumRole role : {QuantumRole::alice, QuantumRole::bob})
    if (Site* s = site(role))
      carry_out(role,
                s->connection_lost(Error{ErrorCode::unavailable, "simulated: connection lost", {}},
                                   clock_.now()));
  connect();
}

void World::send(QuantumRole sender, Bytes frame) {
  watch_tag(sender, frame);
  if (tamper_ && !tamper_(sender, frame)) return;
  const FaultPlan& plan = config_.faults;
  std::int64_t delay =
      config_.delay_ns +
      static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(config_.delay_ns)));
  bool in_order = true;
  if (faults_are_on_) {
    if (random_.happens(plan.lose_frame)) return;
    if (random_.happens(plan.corrupt_frame) && !frame.empty())
      frame[random_.below(frame.size())] ^= static_cast<std::byte>(1U << random_.below(8));
    if (random_.happens(plan.reorder_frame)) {
      in_order = false;
      delay += static_cast<std::int64_t>(random_.below(20 * ns_per_ms));
    }
    if (random_.happens(plan.cut_connection))
      schedule(delay, [this, connection = connection_] {
        if (is_connected_ && connection == connection_) disconnect_both();
      });
    if (random_.happens(plan.repeat_frame))
      schedule(delay + ns_per_ms, [this, sender, connection = connection_, frame]() mutable {
        deliver(sender, connection, std::move(frame));
      });
  }
  Instant arrival{clock_.now().ns + delay};
  Instant& last = last_arrival_[static_cast<std::size_t>(sender)];
  if (in_order) last = arrival = std::max(arrival, last);
  schedule(arrival.ns - clock_.now().ns,
           [this, sender, connection = connection_, frame = std::move(frame)]() mutable {
             deliver(sender, connection, std::move(frame));
           });
}

void World::deliver(QuantumRole sender, std::uint64_t connection, Bytes frame) {
  if (!is_connected_ || connection != connection_) return;
  const QuantumRole receiver = other(sender);
  if (Site* s = site(receiver))
    carry_out(receiver, s->frame_received(std::move(frame), clock_.now()));
}

// ---- Effects ----

void World::carry_out(QuantumRole role, SiteEffects effects) {
  const std::uint64_t life = end(role).life;
  for (SiteEffect& effect : effects) {
    if (end(role).life != life) return;  // it died on the way
    carry_one(role, std::move(effect));
  }
  if (end(role).life == life && end(role).site && end(role).site->fatal_error().has_value())
    crash(role);
}

void World::carry_one(QuantumRole role, SiteEffect effect) {
  const std::uint64_t life = end(role).life;
  const auto later = [this, role, life](auto then) {
    return [this, role, life, then = std::move(then)]() mutable {
      if (end(role).life == life && end(role).site) carry_out(role, then(*end(role).site));
    };
  };
  if (auto* send_effect = std::get_if<site_effect::Send>(&effect)) {
    if (is_connected_) send(role, std::move(send_effect->frame));
  } else if (auto* job = std::get_if<site_effect::RunJob>(&effect)) {
    const auto span = static_cast<std::uint64_t>(config_.job_ns);
    schedule(static_cast<std::int64_t>(1 + random_.below(span)),
             later([this, connection = job->connection, ticket = job->ticket,
                    work = std::move(job->work)](Site& s) mutable {
               work();
               return s.job_done(connection, ticket, clock_.now());
             }));
  } else if (auto* detections = std::get_if<site_effect::FetchDetections>(&effect)) {
    schedule(config_.job_ns, later([this, connection = detections->connection,
                                    slots = detections->slot_count](Site& s) {
               return s.detections_ready(connection, fibre_->bob().next_block(slots), clock_.now());
             }));
  } else if (auto* settings = std::get_if<site_effect::FetchSettings>(&effect)) {
    schedule(config_.job_ns, later([this, wanted = std::move(*settings)](Site& s) {
               return s.settings_ready(wanted.connection, wanted.block,
                                       fibre_->alice().settings_for(
                                           wanted.first_slot, wanted.slot_count, *wanted.offsets),
                                       clock_.now());
             }));
  } else if (auto* report = std::get_if<site_effect::Report>(&effect)) {
    watch_event(role, report->event);
  } else if (auto* disconnect = std::get_if<site_effect::Disconnect>(&effect)) {
    // A hello that the simulated channel has corrupted looks like a wrong configuration; below TLS
    // nothing protects it.
    const bool is_channel_noise = config_.faults.corrupt_frame > 0 && faults_are_on_ &&
                                  disconnect->reason.code == ErrorCode::configuration;
    if (disconnect->needs_operator && !is_channel_noise &&
        !end(role).site->fatal_error().has_value()) {
      end(role).gave_up = true;
      outcome_.needs_operator = disconnect->reason.text();
    }
    schedule(0, [this, connection = connection_] {
      if (is_connected_ && connection == connection_) disconnect_both();
    });
  }
}

// ---- What is watched ----

void World::violation(std::string text) { outcome_.violations.push_back(std::move(text)); }

void World::watch_tag(QuantumRole sender, ByteSpan frame) {
  const auto view = decode_frame(frame);
  if (!view || view->header.type != FrameType::tag) return;
  const auto tag = decode_tag_frame(view->payload);
  if (!tag || tag->scheme != TagScheme::wegman_carter) return;
  const auto [it, is_new] = tags_by_pad_.try_emplace({sender, tag->pad}, tag->tag);
  ++outcome_.pads_used;
  if (!is_new) violation(std::string("a pad of ") + to_string(sender) + " was used twice");
}

void World::watch_event(QuantumRole role, const LinkEvent& event) {
  switch (event.kind) {
    case LinkEventKind::block_committed:
      if (outcome_.blocks_committed[0] + outcome_.blocks_committed[1] == 0)
        outcome_.seconds_to_first_key = static_cast<double>(clock_.now().ns) * 1e-9;
      ++outcome_.blocks_committed[static_cast<std::size_t>(role)];
      if (outcome_.grades.try_emplace(event.block, event.passport.grade).first->second !=
          event.passport.grade)
        violation("the sites give one block different grades");
      break;
    case LinkEventKind::block_no_key:
      ++outcome_.blocks_without_key;
      outcome_.last_no_key = event.text;
      outcome_.qber_of_no_key[static_cast<std::size_t>(role)] = event.qber_test;
      break;
    case LinkEventKind::block_aborted: ++outcome_.blocks_aborted; break;
    case LinkEventKind::alarm: outcome_.last_alarm = event.text; break;
    case LinkEventKind::authentication_switched:
      outcome_.is_information_theoretic = true;
      outcome_.bootstrap_seconds = std::max(outcome_.bootstrap_seconds, event.seconds);
      break;
    case LinkEventKind::session_ended:
      if (event.text.find("does not verify") != std::string::npos) {
        ++outcome_.tags_refused;
        outcome_.last_tag_refused = event.text;
      }
      break;
    default: break;
  }
}

WorldOutcome World::settle_and_compare(std::int64_t settle_ns) {
  stop_faults();
  const std::uint64_t before = outcome_.blocks_committed[0] + outcome_.blocks_committed[1];
  run_until(Instant{clock_.now().ns + settle_ns});
  // What nothing disturbs any more has to make key again, unless it said that it needs a person. A
  // last frame that was lost is missed when the peer's next one comes, with the keepalive at the
  // latest.
  const auto has_grown = [&] {
    bool is_steady = true;
    for (const QuantumRole role : {QuantumRole::alice, QuantumRole::bob})
      is_steady =
          is_steady && site(role) != nullptr && site(role)->link_status().is_information_theoretic;
    return is_steady && outcome_.blocks_committed[0] + outcome_.blocks_committed[1] > before;
  };
  for (int second = 0;
       second < 40 && !has_grown() && outcome_.needs_operator.empty() && !config_.eve; ++second)
    run_until(Instant{clock_.now().ns + ns_per_s});
  if (!has_grown() && outcome_.needs_operator.empty() && !config_.eve)
    violation("the link is stuck, or still in its bootstrap");
  serve_and_compare();
  return outcome_;
}

// Keys go out at both sites, each side once as master: the other must get the same under the same
// id, once.
void World::serve_and_compare() {
  for (const QuantumRole master : {QuantumRole::alice, QuantumRole::bob}) {
    const QuantumRole slave = other(master);
    for (int request = 0; request < 4; ++request) {
      if (!site(master) || !site(slave)) return;
      KmeEffects effects;
      auto reply = site(master)->kme().request_keys(KeyRequest{.master = sae_of(master),
                                                               .slave = sae_of(slave),
                                                               .additional_slaves = {},
                                                               .number = 16,
                                                               .size_bits = {},
                                                               .grade_min = {}},
                                                    effects);
      SiteEffects out;
      const Status carried = site(master)->carry_out(std::move(effects), out, clock_.now());
      carry_out(master, std::move(out));
      if (!carried || !reply || reply->is_pending) {
        run_until(Instant{clock_.now().ns + ns_per_s});  // a lease is on its way
        continue;
      }
      std::vector<KeyId> ids;
      for (const DeliveredKey& key : reply->keys) {
        ids.push_back(key.id);
        if (!served_[static_cast<std::size_t>(master)].insert(key.id).second)
          violation("a key_ID was handed out twice");
      }
      outcome_.keys_served += ids.size();
      KmeEffects fetch_effects;
      auto fetched =
          site(slave)->kme().fetch_keys(sae_of(slave), sae_of(master), ids, fetch_effects);
      SiteEffects fetch_out;
      const Status fetch_carried =
          site(slave)->carry_out(std::move(fetch_effects), fetch_out, clock_.now());
      carry_out(slave, std::move(fetch_out));
      if (!fetched || !fetch_carried) {
        violation("a key handed to the master is not there for the slave: " +
                  (fetched ? std::string("store") : fetched.error().text()));
        continue;
      }
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (equal_constant_time(reply->keys[i].key.expose_secret(),
                                (*fetched)[i].key.expose_secret())) {
          ++outcome_.keys_equal;
        } else {
          violation("the sites hold different keys under one key_ID");
        }
      }
      KmeEffects again;
      if (site(slave)->kme().fetch_keys(sae_of(slave), sae_of(master), ids, again))
        violation("a key was fetched twice");
    }
  }
}

Result<WorldOutcome> run_seed(std::uint64_t seed) {
  QUOIN_TAKE(world, World::make(small_world(seed)));
  world->run_until(Instant{3 * ns_per_s});
  return world->settle_and_compare(3 * ns_per_s);
}

}  // namespace quoin
