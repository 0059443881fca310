// The program `quoin`: subcommands and their options. What they do is in the files beside this one.
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>

#include "apps/demo.hpp"
#include "apps/exit_codes.hpp"
#include "apps/fibre_command.hpp"
#include "apps/key_commands.hpp"
#include "apps/nearest.hpp"
#include "apps/node.hpp"
#include "apps/proof_command.hpp"
#include "apps/setup_commands.hpp"
#include "apps/sim_command.hpp"
#include "apps/status_file.hpp"

namespace {

using namespace quoin;

int exit_code = exit_ok;

// Options and their storage live as long as the program.
struct Options {
  std::string config = "site.toml";
  bool as_json = false;
  bool is_quiet = false;

  std::string kme, certificate, key, ca, site, prefix, sae, peer;
  std::uint32_t number = 1;
  std::uint32_t size_bits = 0;
  std::vector<std::string> ids;
  std::string file, output;

  std::string entry, exit, forward;
  std::uint64_t rekey_megabytes = 64;
  std::uint32_t rekey_seconds = 60;

  DemoOptions demo;
  std::uint64_t seed = 0;
  FibreOptions fibre;
  std::string fibre_listen = "127.0.0.1:7800";
  std::string pace = "realtime";
  std::string attack_name;

  std::string directory = ".";
  std::string name;
  std::uint32_t days = 365;
  std::vector<std::string> hosts;
  std::string issue_site, issue_sae;
  bool renews = false;
  SiteInitOptions init;
  std::string role = "alice";
  std::string pair_line;
  std::uint32_t wait_s = 60;
  SimOptions sim;
  ProofOptions proof;
};

template <class Then>
void with_site(const Options& o, Then then) {
  const auto file = load_site_file(o.config);
  if (!file) report_failure(file.error());
  exit_code = file ? then(*file) : exit_operator;
}

// Either --config with --sae, or everything by itself.
Result<SaeAccess> access_from(const Options& o) {
  SaeAccess access;
  if (o.kme.empty()) {
    QUOIN_TAKE(file, load_site_file(o.config));
    if (!file.delivery.has_value())
      return fail(
          ErrorCode::configuration,
          o.config + " has no [delivery]: profile \"unit\" hands keys out inside the process only");
    const std::string pki =
        file.link_tls.certificate_file.substr(0, file.link_tls.certificate_file.rfind('/') + 1);
    const std::string sae = !o.sae.empty()      ? o.sae
                            : file.saes.empty() ? std::string()
                                                : file.saes.front();
    access.kme = file.delivery->listen;
    if (access.kme.host == "0.0.0.0") access.kme.host = "127.0.0.1";
    access.tls = TlsFiles{.certificate_file = pki + "sae-" + sae + ".crt",
                          .key_file = pki + "sae-" + sae + ".key",
                          .ca_file = file.delivery->tls.ca_file};
    access.expected_site = file.name;
    access.url_prefix = file.delivery->url_prefix;
    return access;
  }
  QUOIN_TAKE(address, parse_host_port(o.kme));
  access.kme = address;
  access.tls = TlsFiles{.certificate_file = o.certificate, .key_file = o.key, .ca_file = o.ca};
  access.expected_site = o.site;
  access.url_prefix = o.prefix;
  return access;
}

template <class Then>
void with_access(const Options& o, Then then) {
  const auto access = access_from(o);
  if (!access) report_failure(access.error());
  exit_code = access ? then(*access) : exit_operator;
}

void add_access(CLI::App* command, Options& o) {
  command->add_option("--config", o.config, "site file of the own site")->capture_default_str();
  command->add_option("--sae", o.sae,
                      "with --config: the application, whose certificate is pki/sae-NAME.crt");
  command->add_option("--kme", o.kme, "instead of --config: HOST:PORT of the key manager");
  command->add_option("--cert", o.certificate, "the application's certificate (PEM)");
  command->add_option("--key", o.key, "its private key (PEM)");
  command->add_option("--ca", o.ca, "the authority of the key manager's certificate (PEM)");
  command->add_option("--site", o.site,
                      "name of the site that the key manager must prove; otherwise its host name");
  command->add_option("--prefix", o.prefix, "URL prefix in front of /api/v1/keys");
  command->add_flag("--json", o.as_json, "print JSON");
}

void add_demo(CLI::App& app, Options& o) {
  CLI::App* demo = app.add_subcommand(
      "demo", "two sites, a quantum link, one protected file: the whole path on this machine");
  demo->footer("Example: quoin demo --send report.pdf --distance 40 --once");
  demo->add_option("--send", o.demo.send_file,
                   "a file of yours to carry from site alpha to site beta");
  demo->add_option("--distance", o.demo.distance_km, "length of the fibre in km")
      ->capture_default_str();
  demo->add_option("--rate", o.demo.rate_hz, "pulses per second")->capture_default_str();
  demo->add_option("--slots", o.demo.slots_per_block,
                   "pulses per block; default: one second of them");
  demo->add_option("--blocks", o.demo.blocks, "with --once: end after so many blocks")
      ->capture_default_str();
  demo->add_option("--attack", o.demo.attack, "Eve in the fibre: intercept-resend")
      ->check(CLI::IsMember({"intercept-resend"}));
  demo->add_option("--strength", o.demo.strength, "fraction of the pulses that she takes")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  demo->add_option("--pace", o.pace, "realtime or max")
      ->check(CLI::IsMember({"realtime", "max"}))
      ->capture_default_str();
  demo->add_option("--seed", o.seed, "for a fibre that repeats itself");
  demo->add_flag("--once", o.demo.runs_once, "end by itself");
  demo->add_flag("--json", o.demo.as_json,
                 "the result as one JSON object, on one line, last on standard output");
  demo->callback([&o, demo] {
    o.demo.at_full_speed = o.pace == "max";
    if (demo->count("--seed") > 0) o.demo.seed = o.seed;
    exit_code = run_demo(o.demo);
  });
}

void add_node(CLI::App& app, Options& o) {
  CLI::App* node = app.add_subcommand("node", "run a site: link, key manager, delivery");
  node->footer("Example: quoin node --config alpha/site.toml");
  node->add_option("--config", o.config, "the site file")->capture_default_str();
  node->add_flag("--json", o.as_json, "events as JSON lines on standard output");
  node->add_flag("--quiet", o.is_quiet, "errors only");
  node->callback([&o] {
    with_site(o, [&o](const SiteFile& file) {
      return run_node(file, NodeOptions{.prints_json = o.as_json, .is_quiet = o.is_quiet});
    });
  });
  CLI::App* status = app.add_subcommand("status", "how a site is doing");
  status->footer("Example: quoin status --config alpha/site.toml --json");
  status->add_option("--config", o.config, "the site file")->capture_default_str();
  status->add_flag("--json", o.as_json, "print JSON");
  status->callback(
      [&o] { with_site(o, [&o](const SiteFile& file) { return run_status(file, o.as_json); }); });
}

void add_keys(CLI::App& app, Options& o) {
  CLI::App* key = app.add_subcommand("key", "keys by ETSI GS QKD 014: status, get, fetch");
  key->require_subcommand(1);
  key->footer("Example: quoin key get --config alpha/site.toml --peer app-b");
  CLI::App* status =
      key->add_subcommand("status", "how many keys there are for a peer application");
  status->footer("Example: quoin key status --config alpha/site.toml --peer app-b");
  add_access(status, o);
  status->add_option("--peer", o.peer, "application at the other site")->required();
  status->callback([&o] {
    with_access(o, [&o](const SaeAccess& a) { return run_key_status(a, o.peer, o.as_json); });
  });

  CLI::App* get =
      key->add_subcommand("get", "new keys, as master (enc_keys); prints key_ID and key");
  get->footer("Example: quoin key get --config alpha/site.toml --peer app-b --number 2");
  add_access(get, o);
  get->add_option("--peer", o.peer, "application at the other site")->required();
  get->add_option("--number", o.number, "how many")->capture_default_str();
  CLI::Option* size =
      get->add_option("--size", o.size_bits, "bits per key; default: the key manager's");
  get->callback([&o, size] {
    with_access(o, [&](const SaeAccess& a) {
      return run_key_get(a, o.peer, o.number,
                         size->count() > 0 ? std::optional(o.size_bits) : std::nullopt, o.as_json);
    });
  });

  CLI::App* fetch =
      key->add_subcommand("fetch", "the keys that a master got, by key_ID (dec_keys)");
  fetch->footer("Example: quoin key fetch --config beta/site.toml --peer app-a 0b2f...-...");
  add_access(fetch, o);
  fetch->add_option("--peer", o.peer, "the master application at the other site")->required();
  fetch->add_option("key_ID", o.ids, "one or more key_IDs")->required();
  fetch->callback([&o] {
    with_access(o, [&o](const SaeAccess& a) { return run_key_fetch(a, o.peer, o.ids, o.as_json); });
  });
}

void add_use(CLI::App& app, Options& o) {
  CLI::App* seal = app.add_subcommand(
      "seal", "encrypt a file under a link key, for an application at the other site");
  seal->footer("Example: quoin seal report.pdf --config alpha/site.toml --peer app-b");
  add_access(seal, o);
  seal->add_option("FILE", o.file, "file to seal")->required();
  seal->add_option("--peer", o.peer, "application that may open it")->required();
  seal->add_option("--output", o.output, "default: FILE.quoin");
  seal->callback([&o] {
    with_access(
        o, [&o](const SaeAccess& a) { return run_seal(a, o.peer, o.file, o.output, o.as_json); });
  });

  CLI::App* open =
      app.add_subcommand("open", "decrypt a sealed file; nothing comes out of an altered one");
  open->footer("Example: quoin open report.pdf.quoin --config beta/site.toml");
  add_access(open, o);
  open->add_option("FILE", o.file, "file to open")->required();
  open->add_option("--output", o.output, "default: FILE without .quoin");
  open->callback([&o] {
    with_access(o, [&o](const SaeAccess& a) { return run_open(a, o.file, o.output, o.as_json); });
  });

  CLI::App* gateway = app.add_subcommand(
      "gateway", "a TCP port here comes out at the other site, encrypted under link keys");
  gateway->footer(
      "Example: quoin gateway --config alpha/site.toml --peer app-b --entry 127.0.0.1:2222 "
      "--forward beta.example:7500\n"
      "         quoin gateway --config beta/site.toml --peer app-a --exit 0.0.0.0:7500 --forward "
      "127.0.0.1:22");
  add_access(gateway, o);
  gateway->add_option("--peer", o.peer, "the gateway's application at the other site")->required();
  CLI::Option* entry = gateway->add_option("--entry", o.entry, "HOST:PORT where users connect");
  gateway->add_option("--exit", o.exit, "HOST:PORT where the other gateway connects")
      ->excludes(entry);
  gateway->add_option("--forward", o.forward, "entry: the exit's HOST:PORT; exit: the target's")
      ->required();
  gateway->add_option("--rekey-megabytes", o.rekey_megabytes, "new key after so much")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  gateway->add_option("--rekey-seconds", o.rekey_seconds, "new key after so long")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  gateway->callback([&o] {
    with_access(o, [&o](const SaeAccess& a) {
      if (o.entry.empty() == o.exit.empty())
        return report_failure(Error{ErrorCode::invalid_argument, "which end is this?",
                                    "give either --entry or --exit"});
      const auto listen = parse_host_port(o.entry.empty() ? o.exit : o.entry);
      const auto forward = parse_host_port(o.forward);
      if (!listen) return report_failure(listen.error());
      if (!forward) return report_failure(forward.error());
      return run_gateway(
          GatewayOptions{.access = a,
                         .section = GatewaySection{.is_entry = !o.entry.empty(),
                                                   .listen = *listen,
                                                   .forward = *forward,
                                                   .own_sae = {},
                                                   .peer_sae = o.peer,
                                                   .rekey_megabytes = o.rekey_megabytes,
                                                   .rekey_seconds = o.rekey_seconds}});
    });
  });
}

void add_fibre(CLI::App& app, Options& o) {
  CLI::App* fibre = app.add_subcommand(
      "fibre", "the simulated optics between two sites, as a process of its own");
  fibre->footer("Example: quoin fibre --listen 0.0.0.0:7800 --distance 50");
  fibre->add_option("--listen", o.fibre_listen, "HOST:PORT")->capture_default_str();
  fibre->add_option("--distance", o.fibre.physics.distance_km, "km")->capture_default_str();
  fibre->add_option("--loss", o.fibre.physics.loss_db_per_km, "dB per km")->capture_default_str();
  fibre->add_option("--rate", o.fibre.physics.slot_rate_hz, "pulses per second")
      ->capture_default_str();
  fibre->add_option("--pace", o.pace, "realtime or max")
      ->check(CLI::IsMember({"realtime", "max"}))
      ->capture_default_str();
  fibre->add_option("--seed", o.seed, "for a fibre that repeats itself");
  fibre->add_option("--attack", o.fibre.attack, "Eve from the start: intercept-resend")
      ->check(CLI::IsMember({"intercept-resend"}));
  fibre->add_option("--strength", o.fibre.strength, "fraction of the pulses that she takes")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  fibre->callback([&o, fibre] {
    const auto listen = parse_host_port(o.fibre_listen);
    if (!listen) {
      exit_code = report_failure(listen.error());
      return;
    }
    o.fibre.listen = *listen;
    o.fibre.pace = o.pace == "max" ? Pace::max : Pace::realtime;
    if (fibre->count("--seed") > 0) o.fibre.seed = o.seed;
    exit_code = run_fibre(o.fibre);
  });
  CLI::App* attack =
      app.add_subcommand("attack", "put Eve into a running fibre, or take her out (none)");
  attack->footer("Example: quoin attack intercept-resend --fibre 127.0.0.1:7800 --strength 0.5");
  attack->add_option("NAME", o.attack_name, "intercept-resend or none")->required();
  attack->add_option("--fibre", o.fibre_listen, "HOST:PORT of the fibre")->capture_default_str();
  attack->add_option("--strength", o.fibre.strength, "fraction of the pulses that she takes")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  attack->callback([&o] {
    const auto fibre_address = parse_host_port(o.fibre_listen);
    exit_code = fibre_address ? run_attack(*fibre_address, o.attack_name, o.fibre.strength)
                              : report_failure(fibre_address.error());
  });
}

void add_pki(CLI::App& app, Options& o) {
  CLI::App* pki =
      app.add_subcommand("pki", "certificates, for those without an authority of their own");
  pki->require_subcommand(1);
  pki->footer("Example: quoin pki show alpha/pki/site-alpha.crt");
  CLI::App* init = pki->add_subcommand("init", "make an authority: ca.crt and ca.key");
  init->footer("Example: quoin pki init --dir pki --name our-authority");
  init->add_option("--dir", o.directory, "folder")->capture_default_str();
  init->add_option("--name", o.name, "name of the authority")->required();
  init->add_option("--days", o.days, "validity")->capture_default_str();
  init->callback([&o] { exit_code = run_pki_init(o.directory, o.name, o.days); });
  CLI::App* issue =
      pki->add_subcommand("issue", "a certificate for a site or for an application (SAE)");
  issue->footer(
      "Example: quoin pki issue --dir pki --site alpha --host alpha.example\n         quoin pki "
      "issue --dir pki --sae app-a");
  issue->add_option("--dir", o.directory, "folder of the authority")->capture_default_str();
  issue->add_option("--site", o.issue_site, "name of a site");
  issue->add_option("--sae", o.issue_sae, "name of an application");
  issue->add_option("--host", o.hosts,
                    "name or address where the site is reached; repeat for more");
  issue->add_flag("--renew", o.renews, "replace the certificate and key that are there");
  issue->add_option("--days", o.days, "validity")->capture_default_str();
  issue->callback([&o] {
    exit_code = run_pki_issue(o.directory, o.issue_site, o.issue_sae, o.hosts, o.days, o.renews);
  });
  CLI::App* show = pki->add_subcommand("show", "what a certificate says");
  show->footer("Example: quoin pki show alpha/pki/site-alpha.crt");
  show->add_option("FILE", o.file, "certificate (PEM)")->required();
  show->add_flag("--json", o.as_json, "print JSON");
  show->callback([&o] { exit_code = run_pki_show(o.file, o.as_json); });
}

void add_site(CLI::App& app, Options& o) {
  CLI::App* site = app.add_subcommand("site", "set up a site");
  site->require_subcommand(1);
  site->footer(
      "Example: quoin site init --name alpha --peer beta --role alice --listen 0.0.0.0:7900");
  CLI::App* init =
      site->add_subcommand("init", "make a site's folder: configuration, keys, certificates");
  init->footer(
      "Example: quoin site init --name alpha --peer beta --role alice --listen 0.0.0.0:7900 "
      "--fibre 10.0.0.9:7800");
  init->add_option("--dir", o.init.directory, "folder; default: the site's name");
  init->add_option("--name", o.init.name, "name of this site")->required();
  init->add_option("--peer", o.init.peer, "name of the other site")->required();
  init->add_option("--role", o.role, "alice prepares, bob measures")
      ->check(CLI::IsMember({"alice", "bob"}))
      ->required();
  init->add_option("--listen", o.init.link_listen,
                   "HOST:PORT where the peer connects (one of the two sites)");
  init->add_option("--connect", o.init.link_connect, "HOST:PORT of the peer (the other one)");
  init->add_option("--fibre", o.init.fibre, "HOST:PORT of the simulated optics")
      ->capture_default_str();
  init->add_option("--delivery", o.init.delivery,
                   "HOST:PORT of key delivery, or \"\" for none (profile unit)")
      ->capture_default_str();
  init->add_option("--sae", o.init.sae, "name of this site's application")->capture_default_str();
  init->add_option("--peer-sae", o.init.peer_sae, "name of the peer's application")
      ->capture_default_str();
  init->add_option("--host", o.init.hosts,
                   "name or address where this site is reached; repeat for more");
  init->add_option("--days", o.init.days, "validity of certificates")->capture_default_str();
  init->callback([&o] {
    o.init.role = o.role == "bob" ? QuantumRole::bob : QuantumRole::alice;
    if (o.init.directory.empty()) o.init.directory = o.init.name;
    exit_code = run_site_init(o.init);
  });

  CLI::App* link = app.add_subcommand("link", "the link to the other site: pair, check, reset");
  link->require_subcommand(1);
  link->footer("Example: quoin link pair --config alpha/site.toml");
  CLI::App* pair = link->add_subcommand(
      "pair", "print this site's line for the peer, or take the peer's line in");
  pair->footer(
      "Example: quoin link pair --config alpha/site.toml            (prints the line)\n"
      "         quoin link pair --config beta/site.toml quoin-pair-1:alpha:...   (takes it in)");
  pair->add_option("--config", o.config, "the site file")->capture_default_str();
  pair->add_option("LINE", o.pair_line, "the line that the peer printed");
  pair->callback([&o] {
    with_site(o, [&o](const SiteFile& file) { return run_link_pair(file, o.pair_line); });
  });
  CLI::App* check = link->add_subcommand(
      "check", "ports, certificates, round trip, clocks, versions; run it at both sites");
  check->footer("Example: quoin link check --config alpha/site.toml");
  check->add_option("--config", o.config, "the site file")->capture_default_str();
  check->add_option("--wait", o.wait_s, "seconds to wait for the peer")->capture_default_str();
  check->callback([&o] {
    with_site(o, [&o](const SiteFile& file) { return run_link_check(file, o.wait_s); });
  });
  CLI::App* reset = link->add_subcommand(
      "reset", "erase the link's authentication key, to bootstrap anew; run it at both sites");
  reset->footer("Example: quoin link reset --config alpha/site.toml");
  reset->add_option("--config", o.config, "the site file")->capture_default_str();
  reset->callback(
      [&o] { with_site(o, [](const SiteFile& file) { return run_link_reset(file); }); });
}

void add_sim(CLI::App& app, Options& o) {
  CLI::App* sim = app.add_subcommand(
      "sim", "two whole sites on one thread with faults from a seed; looks for broken promises");
  sim->footer(
      "Example: quoin sim --seeds 100\n         quoin sim --first 4711 --seeds 1 --verbose");
  sim->add_option("--seeds", o.sim.seeds, "how many seeds")->capture_default_str();
  sim->add_option("--first", o.sim.first, "the first of them")->capture_default_str();
  sim->add_option("--threads", o.sim.threads, "seeds at once; default: one per core");
  sim->add_flag("--verbose", o.sim.is_verbose, "a line for each seed");
  sim->callback([&o] { exit_code = run_sim(o.sim); });
}

void add_proof(CLI::App& app, Options& o) {
  CLI::App* proof = app.add_subcommand(
      "proof", "length of the secret key from counts, with every step of the derivation");
  proof->footer(
      "Example: quoin proof six_state --json <<< '{\"n\": 1000000, \"m\": 50000}'\n"
      "         quoin proof --list\n"
      "The counts come as a JSON object on standard input; --list shows each proof's fields and an "
      "example.\nA length of 0 with its reason is an answer too: exit status 0.");
  proof->add_option("NAME", o.proof.name, "the proof, such as lim2014");
  proof->add_flag("--json", o.proof.as_json, "print one JSON object");
  proof->add_flag("--list", o.proof.lists, "all proofs, their fields and examples");
  proof->callback([&o] { exit_code = run_proof(o.proof); });
}

// What was typed wrong, what may have been meant, and where the help is.
int report_usage(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* command = &app;
  std::string path = "quoin";
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    path += " " + command->get_name();
  }
  std::string message = error.what();
  if (const std::vector<std::string> left = app.remaining(true); !left.empty()) {
    const std::string& word = left.front();
    std::vector<std::string> known;
    if (word.starts_with("-")) {
      for (const CLI::Option* option : command->get_options())
        for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    } else {
      for (const CLI::App* sub : command->get_subcommands([](const CLI::App*) { return true; }))
        known.push_back(sub->get_name());
    }
    message = "'" + path + "' does not know '" + word + "'";
    if (!known.empty()) message += "; did you mean '" + nearest_of(word, known) + "'?";
  }
  std::cerr << "quoin: " << message << "; see '" << path << " --help'" << std::endl;
  return exit_operator;
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that is gone and a file that may not grow are errors, not the end.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app{
      "quoin: quantum key distribution from the detectors to the applications\n"
      "Exit status: 0 done, 1 failed, 2 a person has to correct something, 3 no key (attack "
      "noticed, or too far)"};
  app.set_version_flag("--version", std::string("quoin ") + QUOIN_VERSION);
  app.require_subcommand(1);
  Options options;
  add_demo(app, options);
  add_node(app, options);
  add_keys(app, options);
  add_use(app, options);
  add_site(app, options);
  add_pki(app, options);
  add_fibre(app, options);
  add_sim(app, options);
  add_proof(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version
    return report_usage(app, error);
  } catch (const std::exception& error) {
    // Of the standard library, such as no memory: said in words, not by abort.
    std::cerr << "quoin: " << error.what() << std::endl;
    return exit_failure;
  }
  return exit_code;
}
