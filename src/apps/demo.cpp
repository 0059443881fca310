#include "apps/demo.hpp"

#include <signal.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cmath>
#include <iostream>

#include "adapters/files.hpp"
#include "adapters/system_clock.hpp"
#include "apps/demo_stage.hpp"
#include "apps/demo_traffic.hpp"
#include "apps/events.hpp"
#include "apps/exit_codes.hpp"
#include "apps/key_commands.hpp"
#include "crypto/digest.hpp"
#include "distill/proof.hpp"
#include "quantum/link_model.hpp"

namespace quoin {

namespace {

constexpr std::int64_t start_limit_ms = 15'000;
constexpr std::uint32_t no_key_blocks_max = 2;

volatile sig_atomic_t stop_was_asked = 0;
void ask_stop(int) { stop_was_asked = 1; }

std::string fixed_text(double value, int digits) {
  char out[48];
  std::snprintf(out, sizeof out, "%.*f", digits, value);
  return out;
}

// What the demonstration has seen, for the JSON object at its end.
struct Record {
  double qber_key = 0;
  double qber_test = 0;
  std::uint64_t sifted_bits = 0;
  std::uint64_t secret_key_bits = 0;
  std::uint64_t leak_ec_bits = 0;
  std::uint64_t slots = 0;
  double f_ec = 0;
  double epsilon_sec = 0;
  double epsilon_cor = 0;
  std::uint64_t blocks = 0;
  std::uint64_t blocks_without_key = 0;
  std::string no_key_reason;
  double first_key_seconds = 0;
  double seconds_of_key = 0;
  std::string bootstrap = "none";
  double bootstrap_seconds = 0;
  bool is_switched = false;
  std::uint64_t keys_delivered = 0;
  std::uint64_t keys_equal = 0;
  TrafficResult traffic;
  std::string failure;
};

class Demo {
 public:
  explicit Demo(const DemoOptions& options) : options_(options) {}
  int run();

 private:
  Status check_distance() const;
  Status set_up();
  Status play();
  void on_line(const StageLine& line);
  void on_event(const std::string& speaker, const boost::json::object& event);
  Status compare_keys();
  Status carry_file();
  Status wait_until(const std::function<bool()>& condition, std::int64_t limit_ms,
                    const char* what);
  bool is_over() const {
    return stop_was_asked != 0 || attack_is_noticed() || !record_.failure.empty();
  }
  bool attack_is_noticed() const {
    return record_.blocks_without_key >= no_key_blocks_max && record_.blocks == 0;
  }
  void tell(const std::string& text) const;
  int conclude();
  std::string verdict() const;
  boost::json::object json() const;
  double seconds() const { return static_cast<double>(clock_.now().ns - start_.ns) * 1e-9; }

  const DemoOptions options_;
  SystemClock clock_;
  Instant start_ = clock_.now();
  std::unique_ptr<DemoStage> stage_;
  std::uint16_t fibre_port_ = 0;
  std::uint16_t delivery_port_[2] = {0, 0};
  Record record_;
};

// The story goes to standard output; with --json it goes to standard error and the last line of
// standard output is the object.
void Demo::tell(const std::string& text) const {
  (options_.as_json ? std::cerr : std::cout)
      << "[" << (seconds() < 10 ? " " : "") << fixed_text(seconds(), 1) << " s] " << text
      << std::endl;
}

LinkPhysics physics_of(const DemoOptions& options) {
  LinkPhysics physics;
  physics.distance_km = options.distance_km;
  physics.slot_rate_hz = options.rate_hz;
  return physics;
}

// Too far, says the proof, before anything is started: the expected counts of a block already give
// nothing.
Status Demo::check_distance() const {
  const LinkPhysics physics = physics_of(options_);
  QUOIN_TRY(validate(physics));
  const std::uint64_t slots = options_.slots_per_block != 0
                                  ? options_.slots_per_block
                                  : static_cast<std::uint64_t>(options_.rate_hz);
  QUOIN_TAKE(proof, make_proof(default_link_proof));
  ProofInput input;
  input.counts = expected_counts(physics, slots);
  input.mu = physics.mu;
  input.p = physics.intensity_probability;
  // Reconciliation at f = 1.1 of what the model says the error rate is.
  const double n = static_cast<double>(input.counts.key.detected_total());
  const double q = n > 0 ? static_cast<double>(input.counts.key.errors_total()) / n : 0.5;
  const double entropy = q > 0 && q < 1 ? -q * std::log2(q) - (1 - q) * std::log2(1 - q) : 0;
  input.leak_ec_bits = static_cast<std::uint64_t>(1.1 * n * entropy);
  const KeyLength length = proof->key_length(input);
  if (length.secret_bits > 0) return success();
  return fail(ErrorCode::no_key,
              "no key is possible over " + fixed_text(options_.distance_km, 1) +
                  " km with blocks of " + fixed_text(static_cast<double>(slots), 0) +
                  " pulses: " + length.reason,
              "shorten the distance, or make blocks larger with --slots");
}

Status Demo::set_up() {
  QUOIN_TAKE(stage, DemoStage::build(options_));
  stage_ = std::move(stage);
  std::vector<std::string> fibre{"fibre",
                                 "--listen",
                                 "127.0.0.1:0",
                                 "--distance",
                                 fixed_text(options_.distance_km, 3),
                                 "--rate",
                                 fixed_text(options_.rate_hz, 0),
                                 "--pace",
                                 options_.at_full_speed ? "max" : "realtime"};
  if (options_.seed.has_value())
    fibre.insert(fibre.end(), {"--seed", std::to_string(*options_.seed)});
  if (!options_.attack.empty())
    fibre.insert(fibre.end(),
                 {"--attack", options_.attack, "--strength", fixed_text(options_.strength, 4)});
  QUOIN_TRY(stage_->spawn("fibre", fibre));
  QUOIN_TAKE(fibre_port, stage_->await_port("fibre", "", start_limit_ms));
  fibre_port_ = fibre_port;
  tell("the fibre: " + fixed_text(options_.distance_km, 1) + " km, " +
       fixed_text(options_.rate_hz / 1e6, 0) + " MHz, a process of its own" +
       (options_.attack.empty() ? "" : "; EVE IS IN IT: " + options_.attack));

  QUOIN_TRY(stage_->write_site("alpha", "beta", QuantumRole::alice, 0, fibre_port_));
  QUOIN_TRY(stage_->write_site("beta", "alpha", QuantumRole::bob, 1, fibre_port_));
  // Each site trusts the other's authority: what 'quoin link pair' does for two machines.
  for (const auto& [site, peer] : {std::pair("alpha", "beta"), std::pair("beta", "alpha")}) {
    QUOIN_TAKE(ca, read_file(stage_->path(std::string(peer) + "/pki/ca.crt"), 65536));
    QUOIN_TRY(write_file_atomically(stage_->path(std::string(site) + "/pki/peer-ca.crt"), ca,
                                    FileKind::ordinary));
  }
  QUOIN_TRY(stage_->spawn("alpha",
                          {"node", "--config", stage_->site_config("alpha"), "--json", "--quiet"}));
  QUOIN_TAKE(link_port, stage_->await_port("alpha", "link", start_limit_ms));
  QUOIN_TRY(stage_->set_line("beta", "connect", "\"127.0.0.1:" + std::to_string(link_port) + "\""));
  QUOIN_TRY(stage_->spawn("beta",
                          {"node", "--config", stage_->site_config("beta"), "--json", "--quiet"}));
  QUOIN_TAKE(delivery_a, stage_->await_port("alpha", "delivery", start_limit_ms));
  QUOIN_TAKE(delivery_b, stage_->await_port("beta", "delivery", start_limit_ms));
  delivery_port_[0] = delivery_a;
  delivery_port_[1] = delivery_b;
  tell("site alpha (Alice) and site beta (Bob): a process each, an authority each");
  return success();
}

void Demo::on_line(const StageLine& line) {
  if (line.has_ended && stop_was_asked == 0 &&
      (line.speaker == "alpha" || line.speaker == "beta" || line.speaker == "fibre")) {
    if (record_.failure.empty())
      record_.failure = "the process of '" + line.speaker + "' has ended";
    return;
  }
  if (line.text.empty() || line.text.front() != '{') return;
  boost::system::error_code code;
  const boost::json::value value = boost::json::parse(line.text, code);
  if (!code && value.is_object()) on_event(line.speaker, value.as_object());
}

// Bob's side tells the story of a block; both sides' failures count.
void Demo::on_event(const std::string& speaker, const boost::json::object& event) {
  const auto text = [&event](const char* key) {
    const boost::json::value* value = event.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
  };
  const auto number = [&event](const char* key) {
    const boost::json::value* value = event.if_contains(key);
    return value != nullptr && value->is_number() ? value->to_number<double>() : 0.0;
  };
  const std::string kind = text("event");
  if (kind == "session_ended" && stop_was_asked == 0)
    tell(speaker + ": link down: " + text("text"));
  if (kind == "alarm") tell(speaker + ": ALARM: " + text("text"));
  if (speaker != "beta") return;
  if (kind == "session_started") {
    tell("link up: " + text("text"));
  } else if (kind == "bootstrap_started") {
    record_.bootstrap = "pki";
    tell("bootstrap: " + text("text"));
  } else if (kind == "authentication_switched") {
    record_.is_switched = true;
    record_.bootstrap_seconds = number("bootstrap_seconds");
    tell("AUTHENTICATION SWITCHED: " + text("text") + "; the bootstrap window was " +
         fixed_text(record_.bootstrap_seconds, 1) + " s");
  } else if (kind == "block_reconciled") {
    record_.qber_key = number("qber_key");
    record_.qber_test = number("qber_test");
    record_.f_ec = number("f_ec");
  } else if (kind == "block_no_key") {
    ++record_.blocks_without_key;
    record_.no_key_reason = text("text");
    record_.qber_test = number("qber_test");
    tell("block " + text("block") + ": NO KEY. Test QBER " + percent_text(record_.qber_test) +
         ". " + record_.no_key_reason);
  } else if (kind == "block_aborted") {
    tell("block " + text("block") + " given up: " + text("text"));
  } else if (kind == "block_committed") {
    if (record_.blocks++ == 0) record_.first_key_seconds = seconds();
    record_.seconds_of_key = seconds();
    record_.sifted_bits += static_cast<std::uint64_t>(number("sifted_bits"));
    record_.secret_key_bits += static_cast<std::uint64_t>(number("secret_bits"));
    record_.leak_ec_bits += static_cast<std::uint64_t>(number("leak_ec_bits"));
    record_.slots += static_cast<std::uint64_t>(number("slots"));
    record_.epsilon_sec = number("epsilon_sec");
    record_.epsilon_cor = number("epsilon_cor");
    const double block_seconds = number("slots") / options_.rate_hz;
    tell("block " + text("block") + ": QBER key " + percent_text(number("qber_key")) + ", test " +
         percent_text(number("qber_test")) + "; " + bits_text(number("sifted_bits")) +
         " sifted -> " + bits_text(number("secret_bits")) + " secret (" +
         bits_text(number("secret_bits") / block_seconds) + "/s), f " +
         fixed_text(number("f_ec"), 3) + ", " + text("grade"));
  }
}

Status Demo::wait_until(const std::function<bool()>& condition, std::int64_t limit_ms,
                        const char* what) {
  const Instant until{clock_.now().ns + limit_ms * ns_per_ms};
  while (!condition() && !is_over()) {
    if (clock_.now() > until)
      return fail(ErrorCode::unavailable, std::string("waited in vain for ") + what);
    if (const auto line = stage_->next_line(100)) on_line(*line);
  }
  return success();
}

// The same keys at both ends, by the standard's interface. A published fingerprint uses a key up:
// these are not used again.
Status Demo::compare_keys() {
  QUOIN_TAKE(app_a, SaeClient::connect(stage_->access("alpha", delivery_port_[0])));
  QUOIN_TAKE(app_b, SaeClient::connect(stage_->access("beta", delivery_port_[1])));
  QUOIN_TAKE(at_a,
             app_a.get("app-b", KeyQuery{.number = 3, .size_bits = 256, .additional_slaves = {}}));
  std::vector<KeyId> ids;
  for (const FetchedKey& key : at_a) ids.push_back(key.id);
  QUOIN_TAKE(at_b, app_b.fetch("app-a", ids));
  record_.keys_delivered = at_a.size();
  for (std::size_t i = 0; i < at_a.size() && i < at_b.size(); ++i) {
    const bool is_equal =
        equal_constant_time(at_a[i].key.expose_secret(), at_b[i].key.expose_secret());
    if (is_equal) ++record_.keys_equal;
    const std::string print_a = to_hex(sha256(at_a[i].key.expose_secret())).substr(0, 12);
    const std::string print_b = to_hex(sha256(at_b[i].key.expose_secret())).substr(0, 12);
    tell("key " + to_text(at_a[i].id) + ": fingerprint at alpha " + print_a + ", at beta " +
         print_b + (is_equal ? " EQUAL" : " DIFFERENT"));
  }
  return success();
}

Status Demo::carry_file() {
  // The exit first: it listens, the entry connects to it.
  TrafficPlan plan;
  plan.input = options_.send_file;
  plan.scratch = stage_->path("received");
  plan.is_stopped = [] { return stop_was_asked != 0; };
  QUOIN_TAKE(sink, TrafficSink::open(plan.scratch));
  const auto gateway = [this](const char* site, std::uint16_t delivery,
                              std::vector<std::string> arguments) {
    const SaeAccess access = stage_->access(site, delivery);
    std::vector<std::string> all{"gateway",
                                 "--kme",
                                 to_text(access.kme),
                                 "--site",
                                 access.expected_site,
                                 "--cert",
                                 access.tls.certificate_file,
                                 "--key",
                                 access.tls.key_file,
                                 "--ca",
                                 access.tls.ca_file,
                                 "--rekey-megabytes",
                                 "4"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  };
  QUOIN_TRY(stage_->spawn("exit", gateway("beta", delivery_port_[1],
                                          {"--peer", "app-a", "--exit", "127.0.0.1:0", "--forward",
                                           "127.0.0.1:" + std::to_string(sink->port())})));
  QUOIN_TAKE(exit_port, stage_->await_port("exit", "", start_limit_ms));
  QUOIN_TRY(
      stage_->spawn("entry", gateway("alpha", delivery_port_[0],
                                     {"--peer", "app-b", "--entry", "127.0.0.1:0", "--forward",
                                      "127.0.0.1:" + std::to_string(exit_port)})));
  QUOIN_TAKE(entry_port, stage_->await_port("entry", "", start_limit_ms));
  plan.entry_port = entry_port;
  QUOIN_TAKE(result, carry_traffic(plan, *sink));
  record_.traffic = result;
  tell("traffic: " + std::to_string(result.bytes) +
       " bytes from alpha to beta through the gateway, AES-256-GCM under link keys");
  tell("  sha256 sent     " + result.sha256_sent);
  tell("  sha256 received " + result.sha256_received +
       (result.sha256_sent == result.sha256_received ? "  EQUAL" : "  DIFFERENT"));
  return success();
}

Status Demo::play() {
  QUOIN_TRY(wait_until([this] { return record_.blocks > 0 && record_.is_switched; }, 120'000,
                       "the first key"));
  if (is_over()) return success();
  tell("first secret key " + fixed_text(record_.first_key_seconds, 1) + " s after the start");
  QUOIN_TRY(compare_keys());
  QUOIN_TRY(carry_file());
  if (options_.runs_once)
    return wait_until([this] { return record_.blocks >= options_.blocks; },
                      60'000 + 10'000 * std::int64_t{options_.blocks}, "more blocks");
  tell("the link goes on; ctrl-C ends it");
  while (!is_over())
    if (const auto line = stage_->next_line(200)) on_line(*line);
  return success();
}

std::string Demo::verdict() const {
  if (!record_.failure.empty()) return "failed: " + record_.failure;
  if (attack_is_noticed()) return "no key: " + record_.no_key_reason;
  const bool is_good = record_.blocks > 0 && record_.is_switched && record_.keys_delivered > 0 &&
                       record_.keys_equal == record_.keys_delivered &&
                       !record_.traffic.sha256_sent.empty() &&
                       record_.traffic.sha256_sent == record_.traffic.sha256_received;
  return is_good ? "ok" : stop_was_asked != 0 ? "stopped" : "failed";
}

boost::json::object Demo::json() const {
  const Record& r = record_;
  boost::json::object out;
  out["qber"] = boost::json::object{{"key", r.qber_key}, {"test", r.qber_test}};
  out["sifted_bits"] = r.sifted_bits;
  out["secret_key_bits"] = r.secret_key_bits;
  const double block_seconds = static_cast<double>(r.slots) / options_.rate_hz;
  out["secret_key_rate_bps"] =
      block_seconds > 0 ? static_cast<double>(r.secret_key_bits) / block_seconds : 0.0;
  out["leak_ec_bits"] = r.leak_ec_bits;
  out["f_ec"] = r.f_ec;
  out["epsilon_sec"] = r.epsilon_sec;
  out["epsilon_cor"] = r.epsilon_cor;
  out["authentication"] = boost::json::object{{"bootstrap", r.bootstrap},
                                              {"bootstrap_seconds", r.bootstrap_seconds},
                                              {"steady", r.is_switched ? "wegman-carter" : "none"}};
  out["keys"] = boost::json::object{{"delivered", r.keys_delivered}, {"equal", r.keys_equal}};
  out["traffic"] = boost::json::object{{"bytes", r.traffic.bytes},
                                       {"sha256_sent", r.traffic.sha256_sent},
                                       {"sha256_received", r.traffic.sha256_received}};
  out["blocks"] = r.blocks;
  out["blocks_without_key"] = r.blocks_without_key;
  out["first_key_seconds"] = r.first_key_seconds;
  out["seconds"] = seconds();
  out["source"] = "simulated";
  out["verdict"] = verdict();
  return out;
}

int Demo::conclude() {
  const std::string result = verdict();
  if (attack_is_noticed())
    tell(options_.attack.empty()
             ? "no key was released: the proof leaves nothing that Eve could not know"
             : "no key was released: the error rate gives Eve away, and the proof leaves nothing "
               "that she could not know");
  tell("verdict: " + result);
  if (options_.as_json) std::cout << boost::json::serialize(json()) << std::endl;
  if (attack_is_noticed()) return exit_no_key;
  return result == "ok" || result == "stopped" ? exit_ok : exit_failure;
}

int Demo::run() {
  struct sigaction action{};
  action.sa_handler = ask_stop;
  // Also when the terminal is closed, or when nobody reads any more.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) sigaction(number, &action, nullptr);
  if (!options_.send_file.empty()) {
    if (const auto readable = FileReader::open(options_.send_file); !readable)
      return report_failure(readable.error());
  }
  if (const Status possible = check_distance(); !possible) {
    record_.failure = possible.error().message;
    if (options_.as_json) std::cout << boost::json::serialize(json()) << std::endl;
    return report_failure(possible.error());
  }
  Status done = set_up();
  if (done) done = play();
  if (!done && stop_was_asked == 0) record_.failure = done.error().text();
  const int code = conclude();
  stage_.reset();  // stops everything and leaves nothing behind
  return code;
}

}  // namespace

int run_demo(const DemoOptions& options) { return Demo(options).run(); }

}  // namespace quoin
