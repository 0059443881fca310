#include "apps/node.hpp"

#include <cstdio>
#include <deque>
#include <iostream>
#include <thread>

#include "adapters/event_loop.hpp"
#include "adapters/fibre_client.hpp"
#include "adapters/files.hpp"
#include "adapters/gateway_pump.hpp"
#include "adapters/https_server.hpp"
#include "adapters/sqlite_store.hpp"
#include "adapters/stream_link.hpp"
#include "adapters/system_clock.hpp"
#include "adapters/thread_pool.hpp"
#include "apps/events.hpp"
#include "apps/exit_codes.hpp"
#include "apps/key_commands.hpp"
#include "apps/status_file.hpp"
#include "crypto/random.hpp"

namespace quoin {

namespace {

constexpr std::int64_t tick_ms = 250;
constexpr std::int64_t status_ms = 1000;
constexpr std::int64_t stop_limit_ms = 4000;
constexpr std::int64_t key_wait_ms = 15'000;
constexpr std::int64_t device_wait_ms = 10'000;

// A fibre notices that a node was killed only when the block that it made for it is done; until
// then the node's successor waits.
template <class Device>
Result<std::unique_ptr<Device>> connect_device(const FibreClientConfig& config) {
  const SystemClock clock;
  const Instant until{clock.now().ns + device_wait_ms * ns_per_ms};
  while (true) {
    auto device = Device::connect(config);
    if (device || device.error().code != ErrorCode::conflict || clock.now() > until) return device;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

class Node {
 public:
  Node(const SiteFile& file, const NodeOptions& options) : file_(file), options_(options) {}
  ~Node();

  Status start();
  int run();

 private:
  class Conversation;
  friend class Conversation;
  struct WaitingKey {
    Instant until;
    GatewayKeyDone done;
  };

  Status open_site();
  Status open_device();
  Status start_link();
  Status start_delivery();
  Status start_gateway();
  void tick();
  void write_status();
  void stop(int signal);
  void finish(int exit_code);

  void carry_out(SiteEffects effects);
  void carry_one(SiteEffect effect);
  void fetch_detections(const site_effect::FetchDetections& wanted);
  void fetch_settings(site_effect::FetchSettings wanted);
  void on_attempt_failed(const Error& error);
  void on_disconnect(const site_effect::Disconnect& disconnect);
  void report(const LinkEvent& event);
  void say(const std::string& line) const;
  void tell_port(const char* what, std::uint16_t port) const;
  ConversationOutput deliver(DeliveryStep step);
  void wake_deliveries();
  void give_key(const std::string& key_id, GatewayKeyDone done);
  bool try_new_key(GatewayKeyDone& done);

  const SiteFile& file_;
  const NodeOptions options_;
  SystemClock clock_;
  OpenSslPublicRandom public_random_;
  OpenSslSecretRandom secret_random_;
  EventLoop loop_;
  std::unique_ptr<SqliteStore> store_;
  std::optional<AtRestCipher> at_rest_;
  std::unique_ptr<Site> site_;
  std::unique_ptr<FibreAlice> alice_;
  std::unique_ptr<FibreBob> bob_;
  std::optional<ThreadPool> jobs_;
  std::optional<ThreadPool> device_;
  std::unique_ptr<StreamLink> link_;
  std::unique_ptr<HttpsServer> delivery_;
  std::unique_ptr<GatewayPump> gateway_;
  std::deque<WaitingKey> waiting_keys_;
  std::optional<Error> link_stopped_;
  std::string last_attempt_failure_;
  StatusFile status_;
  Instant next_status_;
  bool was_running_ = false;
  bool is_stopping_ = false;
  bool has_ended_ = false;
  int exit_code_ = exit_ok;
};

// The site's delivery protocol above one TLS connection.
class Node::Conversation final : public ByteConversation {
 public:
  Conversation(Node& node, SaeId caller)
      : node_(node), connection_(node.site_->open_delivery(std::move(caller))) {}
  ConversationOutput feed(ByteSpan bytes, Instant now) override {
    return carry(connection_.feed(bytes, now));
  }
  ConversationOutput wake(Instant now) override { return carry(connection_.resume(now)); }
  std::optional<Instant> deadline() const override { return due_; }
  bool is_answering() const override { return connection_.is_waiting(); }

 private:
  ConversationOutput carry(DeliveryStep step) {
    due_ = step.answer_due;
    return node_.deliver(std::move(step));
  }
  Node& node_;
  Etsi014Connection connection_;
  std::optional<Instant> due_;
};

Node::~Node() {
  // Device calls may be waiting for the fibre; jobs only compute.
  if (alice_) alice_->interrupt();
  if (bob_) bob_->interrupt();
  gateway_.reset();
  delivery_.reset();
  link_.reset();
  device_.reset();
  jobs_.reset();
}

Status Node::start() {
  QUOIN_TRY(check_is_paired(file_));
  QUOIN_TRY(open_site());
  QUOIN_TRY(open_device());
  jobs_.emplace(loop_, 2);
  device_.emplace(loop_, 1);
  QUOIN_TRY(start_delivery());
  QUOIN_TRY(start_gateway());
  QUOIN_TRY(start_link());
  loop_.on_stop_signals([this](int signal) { stop(signal); });
  loop_.run_after_ms(tick_ms, [this] { tick(); });
  return success();
}

Status Node::open_site() {
  QUOIN_TRY(create_directories(file_.data_directory));
  auto file_key = read_secret_file(file_.file_key_path(), 4096);
  if (!file_key)
    return fail(file_key.error().code,
                "the key that protects the store cannot be read: " + file_key.error().message,
                file_key.error().code == ErrorCode::not_found
                    ? "'quoin site init' makes it; without it stored keys are lost"
                    : file_key.error().cure);
  QUOIN_TAKE(cipher, AtRestCipher::from_file_key(*file_key, public_random_));
  at_rest_.emplace(std::move(cipher));
  QUOIN_TAKE(store, SqliteStore::open(file_.store_path()));
  store_ = std::move(store);
  QUOIN_TAKE(config, file_.site_config());
  config.software_version = QUOIN_VERSION;
  QUOIN_TAKE(site, Site::load(std::move(config), Site::Ports{*store_, *at_rest_, public_random_,
                                                             secret_random_, clock_}));
  site_ = std::move(site);
  return success();
}

Status Node::open_device() {
  const FibreClientConfig config{.host = file_.fibre_address.host,
                                 .port = file_.fibre_address.port};
  const auto explain = [this](const Error& error) {
    return fail(error.code,
                "the optical device at " + to_text(file_.fibre_address) +
                    " does not answer: " + error.message,
                error.cure.empty() || error.code == ErrorCode::unavailable
                    ? "start the simulated link ('quoin fibre'), or correct [device] fibre"
                    : error.cure);
  };
  Result<DeviceCalibration> calibration = fail(ErrorCode::internal, "no device");
  if (file_.policy.role == QuantumRole::alice) {
    auto device = connect_device<FibreAlice>(config);
    if (!device) return explain(device.error());
    alice_ = std::move(device).value();
    calibration = alice_->calibration();
  } else {
    auto device = connect_device<FibreBob>(config);
    if (!device) return explain(device.error());
    bob_ = std::move(device).value();
    calibration = bob_->calibration();
  }
  if (!calibration) return explain(calibration.error());
  if (calibration->source == KeySource::simulated && !file_.is_demonstration)
    return fail(
        ErrorCode::configuration,
        "the device is a simulator, and a simulator knows the key it makes",
        "for a demonstration set demonstration = true in [site]; real keys need real optics");
  return site_->check_device(*calibration);
}

Status Node::start_link() {
  const TlsSide side = file_.listens ? TlsSide::server : TlsSide::client;
  QUOIN_TAKE(context,
             TlsContext::make(TlsPurpose::link, side, file_.link_tls, clock_.wall_unix_ms()));
  if (context.own_name() != file_.name)
    return fail(
        ErrorCode::configuration,
        "the certificate " + file_.link_tls.certificate_file + " is for '" + context.own_name() +
            "', this site is '" + file_.name + "'",
        "issue one with 'quoin pki issue --site " + file_.name + "', or correct [site] name");
  StreamLinkConfig config;
  config.role = file_.listens ? ConnectionRole::responder : ConnectionRole::initiator;
  config.host = file_.link_address.host;
  config.port = file_.link_address.port;
  config.peer_site = file_.policy.peer_site;
  // Both ends put the listening side first, so that the exporter is bound to roles and names.
  ByteWriter bound;
  bound.text(file_.parameters.link_id).text(file_.listens ? file_.name : file_.policy.peer_site);
  bound.text(file_.listens ? file_.policy.peer_site : file_.name);
  config.exporter_context = std::move(bound).take();
  config.software_version = QUOIN_VERSION;
  StreamLinkCallbacks callbacks;
  callbacks.on_up = [this](TransportFacts facts) {
    carry_out(site_->connection_up(std::move(facts), clock_.now()));
  };
  callbacks.on_frame = [this](ByteSpan frame) {
    carry_out(site_->frame_received(Bytes(frame.begin(), frame.end()), clock_.now()));
  };
  callbacks.on_down = [this](const Error& error) {
    carry_out(site_->connection_lost(error, clock_.now()));
  };
  callbacks.on_attempt_failed = [this](const Error& error) { on_attempt_failed(error); };
  QUOIN_TAKE(link,
             StreamLink::start(loop_, std::move(context), std::move(config), std::move(callbacks)));
  link_ = std::move(link);
  if (file_.listens) {
    tell_port("link", link_->port());
    say("link: waiting for '" + file_.policy.peer_site + "' at port " +
        std::to_string(link_->port()));
  }
  return success();
}

Status Node::start_delivery() {
  if (!file_.delivery.has_value()) return success();
  QUOIN_TAKE(context, TlsContext::make(TlsPurpose::delivery, TlsSide::server, file_.delivery->tls,
                                       clock_.wall_unix_ms()));
  HttpsServerConfig config;
  config.host = file_.delivery->listen.host;
  config.port = file_.delivery->listen.port;
  QUOIN_TAKE(server, HttpsServer::start(loop_, std::move(context), config,
                                        [this](const TlsPeer& client, std::function<void()>) {
                                          return std::make_unique<Conversation>(*this,
                                                                                SaeId{client.sae});
                                        }));
  server->on_refused([this](const Error& error, const std::string& address) {
    say("delivery: refused " + address + ": " + error.text());
  });
  delivery_ = std::move(server);
  tell_port("delivery", delivery_->port());
  say("keys are delivered at https://" + file_.delivery->listen.host + ":" +
      std::to_string(delivery_->port()) + file_.delivery->url_prefix + "/api/v1/keys");
  return success();
}

Status Node::start_gateway() {
  if (!file_.gateway.has_value()) return success();
  const GatewaySection& section = *file_.gateway;
  GatewayPumpConfig config;
  config.side = section.is_entry ? GatewaySide::entry : GatewaySide::exit;
  config.listen_host = section.listen.host;
  config.listen_port = section.listen.port;
  config.forward_host = section.forward.host;
  config.forward_port = section.forward.port;
  config.terms.master_sae = section.is_entry ? section.own_sae : section.peer_sae;
  config.terms.slave_sae = section.is_entry ? section.peer_sae : section.own_sae;
  config.terms.rekey_bytes = section.rekey_megabytes << 20;
  config.terms.rekey_ns = section.rekey_seconds * ns_per_s;
  QUOIN_TAKE(pump, GatewayPump::start(loop_, std::move(config), public_random_,
                                      [this](const std::string& key_id, GatewayKeyDone done) {
                                        give_key(key_id, std::move(done));
                                      }));
  pump->on_failed([this](const Error& error) { say("gateway: " + error.text()); });
  gateway_ = std::move(pump);
  tell_port("gateway", gateway_->port());
  say("gateway: port " + std::to_string(gateway_->port()) +
      (section.is_entry ? " leads to the peer's gateway at " : " leads to ") +
      to_text(section.forward));
  return success();
}

int Node::run() {
  loop_.run();
  has_ended_ = true;
  write_status();
  return exit_code_;
}

void Node::tick() {
  const Instant now = clock_.now();
  carry_out(site_->tick(now));
  while (!waiting_keys_.empty() && waiting_keys_.front().until <= now) {
    GatewayKeyDone done = std::move(waiting_keys_.front().done);
    waiting_keys_.pop_front();
    done(fail(ErrorCode::unavailable, "no key came in time", "see 'quoin status' at both sites"));
  }
  if (next_status_ <= now) {
    next_status_ = Instant{now.ns + status_ms * ns_per_ms};
    write_status();
  }
  loop_.run_after_ms(tick_ms, [this] { tick(); });
}

void Node::stop(int) {
  if (is_stopping_) return finish(exit_code_);  // a second signal does not wait
  is_stopping_ = true;
  say("stopping: finishing the blocks in flight");
  loop_.run_after_ms(stop_limit_ms, [this] { finish(exit_code_); });
  delivery_.reset();  // nothing more goes out: the marks that finish() writes are exact
  carry_out(site_->finish(clock_.now()));
  if (!site_->is_connected()) finish(exit_code_);
}

void Node::finish(int exit_code) {
  exit_code_ = exit_code;
  loop_.stop();
}

// ---- Effects ----

void Node::carry_out(SiteEffects effects) {
  for (SiteEffect& effect : effects) carry_one(std::move(effect));
}

void Node::carry_one(SiteEffect effect) {
  if (auto* send = std::get_if<site_effect::Send>(&effect)) {
    if (!link_) return;
    if (const Status sent = link_->send(send->frame); !sent) link_->drop(sent.error());
  } else if (auto* job = std::get_if<site_effect::RunJob>(&effect)) {
    jobs_->submit(std::move(job->work), [this, connection = job->connection, ticket = job->ticket] {
      carry_out(site_->job_done(connection, ticket, clock_.now()));
    });
  } else if (auto* detections = std::get_if<site_effect::FetchDetections>(&effect)) {
    fetch_detections(*detections);
  } else if (auto* settings = std::get_if<site_effect::FetchSettings>(&effect)) {
    fetch_settings(std::move(*settings));
  } else if (auto* event = std::get_if<site_effect::Report>(&effect)) {
    report(event->event);
  } else if (auto* disconnect = std::get_if<site_effect::Disconnect>(&effect)) {
    on_disconnect(*disconnect);
  } else if (std::holds_alternative<site_effect::WakeDeliveries>(effect)) {
    loop_.post([this] { wake_deliveries(); });
  }
}

void Node::fetch_detections(const site_effect::FetchDetections& wanted) {
  if (!bob_) return;
  auto answer = std::make_shared<std::optional<Result<DetectionEvents>>>();
  device_->submit(
      [this, answer, slots = wanted.slot_count] { answer->emplace(bob_->next_block(slots)); },
      [this, answer, connection = wanted.connection] {
        carry_out(site_->detections_ready(connection, std::move(**answer), clock_.now()));
      });
}

void Node::fetch_settings(site_effect::FetchSettings wanted) {
  if (!alice_) return;
  auto answer = std::make_shared<std::optional<Result<AliceAnswer>>>();
  const auto connection = wanted.connection;
  const auto block = wanted.block;
  device_->submit(
      [this, answer, wanted = std::move(wanted)] {
        answer->emplace(
            alice_->settings_for(wanted.first_slot, wanted.slot_count, *wanted.offsets));
      },
      [this, answer, connection, block] {
        carry_out(site_->settings_ready(connection, block, std::move(**answer), clock_.now()));
      });
}

// Said once, not at every attempt. Certificates that do not fit at a link that never worked are a
// mistake of its set-up: end and say so. Where it has worked, keys are there to be served, and
// whoever stands in the line must not be able to end that; nor may anyone who connects to us.
void Node::on_attempt_failed(const Error& error) {
  const std::string text = error.text();
  if (text != last_attempt_failure_) say("link: " + text);
  last_attempt_failure_ = text;
  if (file_.listens || error.code != ErrorCode::unauthenticated ||
      site_->link_status().lineage != 0 || was_running_)
    return;
  std::cerr << "quoin: no link with '" << file_.policy.peer_site << "': " << text << std::endl;
  finish(exit_operator);
}

void Node::on_disconnect(const site_effect::Disconnect& disconnect) {
  if (const auto& fatal = site_->fatal_error()) {
    std::cerr << "quoin: " << fatal->text() << std::endl;
    return finish(exit_failure);
  }
  if (is_stopping_) return finish(exit_code_);
  if (!disconnect.needs_operator) {
    if (link_) link_->drop(disconnect.reason);
    return;
  }
  // Reconnecting would not help. Keys that are stored go on being served, unless nothing ever
  // worked.
  link_stopped_ = disconnect.reason;
  std::cerr << "quoin: the link has stopped: " << disconnect.reason.text() << std::endl;
  if (!was_running_) return finish(exit_operator);
  loop_.post([this] { link_.reset(); });
}

void Node::report(const LinkEvent& event) {
  if (event.kind == LinkEventKind::session_started) {
    was_running_ = true;
    last_attempt_failure_.clear();
  }
  status_.note(event);
  if (options_.prints_json) {
    std::cout << event_json(event) << std::endl;
  } else if (const std::string line = event_line(event); !line.empty()) {
    say(line);
  }
}

void Node::say(const std::string& line) const {
  if (options_.is_quiet) return;
  (options_.prints_json ? std::cerr : std::cout) << file_.name << ": " << line << std::endl;
}

// For programs that started us with port 0.
void Node::tell_port(const char* what, std::uint16_t port) const {
  if (options_.prints_json)
    std::cout << "{\"event\":\"listening\",\"what\":\"" << what << "\",\"port\":" << port << "}"
              << std::endl;
}

void Node::write_status() {
  const std::string json =
      status_.json(file_, *site_, link_stopped_, has_ended_, clock_.wall_unix_ms());
  if (const Status written = replace_file(file_.status_path(), json); !written)
    say("status: " + written.error().text());
}

// ---- Keys out ----

ConversationOutput Node::deliver(DeliveryStep step) {
  SiteEffects out;
  const Status durable = site_->carry_out(std::move(step.effects), out, clock_.now());
  carry_out(std::move(out));
  // What is not durably marked must not leave.
  if (!durable) return ConversationOutput{SecretBytes{}, false};
  return ConversationOutput{std::move(step.output), step.keeps_open};
}

void Node::wake_deliveries() {
  if (delivery_) delivery_->wake_all();
  const std::size_t waiting = waiting_keys_.size();
  for (std::size_t i = 0; i < waiting && !waiting_keys_.empty(); ++i) {
    WaitingKey key = std::move(waiting_keys_.front());
    waiting_keys_.pop_front();
    if (!try_new_key(key.done)) waiting_keys_.push_back(std::move(key));
  }
}

// In-unit: the gateway takes its keys from the key manager in this process; no key touches a
// network or a file.
void Node::give_key(const std::string& key_id, GatewayKeyDone done) {
  const GatewaySection& section = *file_.gateway;
  if (key_id.empty()) {
    if (!try_new_key(done))
      waiting_keys_.push_back(
          WaitingKey{Instant{clock_.now().ns + key_wait_ms * ns_per_ms}, std::move(done)});
    return;
  }
  auto id = parse_key_id(key_id);
  if (!id) return done(id.failure());
  KmeEffects effects;
  auto keys = site_->kme().fetch_keys(SaeId{section.own_sae}, SaeId{section.peer_sae},
                                      std::span(&*id, 1), effects);
  SiteEffects out;
  const Status durable = site_->carry_out(std::move(effects), out, clock_.now());
  carry_out(std::move(out));
  if (!keys) return done(keys.failure());
  if (!durable) return done(durable.failure());
  done(TunnelKey{key_id, std::move(keys->front().key)});
}

bool Node::try_new_key(GatewayKeyDone& done) {
  const GatewaySection& section = *file_.gateway;
  KmeEffects effects;
  auto reply = site_->kme().request_keys(KeyRequest{.master = SaeId{section.own_sae},
                                                    .slave = SaeId{section.peer_sae},
                                                    .additional_slaves = {},
                                                    .number = 1,
                                                    .size_bits = 256,
                                                    .grade_min = {}},
                                         effects);
  SiteEffects out;
  const Status durable = site_->carry_out(std::move(effects), out, clock_.now());
  carry_out(std::move(out));
  if (!reply) {
    done(reply.failure());
  } else if (!durable) {
    done(durable.failure());
  } else if (reply->is_pending) {
    return false;
  } else {
    done(TunnelKey{to_text(reply->keys.front().id), std::move(reply->keys.front().key)});
  }
  return true;
}

}  // namespace

int run_node(const SiteFile& file, const NodeOptions& options) {
  Node node(file, options);
  if (const Status started = node.start(); !started) return report_failure(started.error());
  return node.run();
}

}  // namespace quoin
