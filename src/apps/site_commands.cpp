// site init, link pair, link reset: what an operator does once.
#include <iostream>

#include "adapters/files.hpp"
#include "adapters/sqlite_store.hpp"
#include "adapters/system_clock.hpp"
#include "apps/exit_codes.hpp"
#include "apps/key_commands.hpp"
#include "apps/setup_commands.hpp"
#include "crypto/certificates.hpp"
#include "crypto/random.hpp"
#include "distill/proof.hpp"
#include "quantum/link_physics.hpp"

namespace quoin {

namespace {

constexpr std::string_view pair_prefix = "quoin-pair-1:";

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

std::string list_of(const std::array<double, 3>& values) {
  std::string out = "[";
  for (const double value : values) {
    char text[32];
    std::snprintf(text, sizeof text, "%s%.9g", out.size() > 1 ? ", " : "", value);
    out += text;
    // TOML tells 0 from 0.0.
    if (out.find_last_of(".e") == std::string::npos ||
        out.find_last_of(".e") < out.find_last_of("[ "))
      out += ".0";
  }
  return out + "]";
}

std::string delivery_text(const SiteInitOptions& o) {
  return "\n[delivery]   # ETSI GS QKD 014\n"
         "listen = " +
         quoted(o.delivery) +
         "\n"
         "certificate = \"pki/site-" +
         o.name +
         ".crt\"\n"
         "key = \"pki/site-" +
         o.name +
         ".key\"\n"
         "ca = \"pki/ca.crt\"\n";
}

std::string config_text(const SiteInitOptions& o) {
  const LinkPhysics physics;
  const bool listens = !o.link_listen.empty();
  char basis[32];
  std::snprintf(basis, sizeof basis, "%.9g", physics.key_basis_probability);
  std::string text =
      "# Quoin site. Every key is explained in docs/configuration.md; an unknown key is an "
      "error.\n\n[site]\n"
      "name = " +
      quoted(o.name) +
      "\n"
      "profile = " +
      quoted(o.delivery.empty() ? "unit" : "network") +
      "   # unit: no delivery listener exists\n"
      "demonstration = true    # accept key from the simulator; a simulator knows the key it "
      "makes\n"
      "data = \"data\"\n"
      "saes = [" +
      quoted(o.sae) +
      "]        # applications of this site\n"
      "peer_saes = [" +
      quoted(o.peer_sae) +
      "]   # applications at the peer\n\n[link]\n"
      "id = \"link-1\"\n"
      "role = " +
      quoted(to_string(o.role)) +
      "\n"
      "peer = " +
      quoted(o.peer) + "\n" +
      (listens ? "listen = " + quoted(o.link_listen) : "connect = " + quoted(o.link_connect)) +
      "\n"
      "certificate = \"pki/site-" +
      o.name +
      ".crt\"\n"
      "key = \"pki/site-" +
      o.name +
      ".key\"\n"
      "ca = \"pki/peer-ca.crt\"   # the peer's authority: 'quoin link pair' puts it there\n"
      "bootstrap = true\n"
      "bootstrap_max_seconds = 300\n"
      "secrecy_budget = 0.005       # sum of epsilons per period; then the link makes no key\n"
      "secrecy_budget_days = 365\n\n[device]\n"
      "fibre = " +
      quoted(o.fibre) +
      "   # the simulated optics: 'quoin fibre'\n\n"
      "[protocol]   # the same at both sites\n"
      "proof = " +
      quoted(std::string(default_link_proof)) +
      "\n"
      "slots_per_block = 100000000\n"
      "mu = " +
      list_of(physics.mu) +
      "\n"
      "intensity_probability = " +
      list_of(physics.intensity_probability) +
      "\n"
      "key_basis_probability = " +
      basis +
      "\n"
      "epsilon_sec = 1e-10\n"
      "epsilon_cor = 1e-15\n";
  return o.delivery.empty() ? text : text + delivery_text(o);
}

}  // namespace

Status init_site(const SiteInitOptions& o) {
  if (!is_certificate_name(o.name) || !is_certificate_name(o.peer) || !is_certificate_name(o.sae))
    return fail(ErrorCode::invalid_argument, "names have 1 to 64 characters of A-Z a-z 0-9 . _ -",
                "choose another name");
  if (o.link_listen.empty() == o.link_connect.empty())
    return fail(ErrorCode::invalid_argument, "does this site listen for its peer or connect to it?",
                "give either --listen HOST:PORT or --connect HOST:PORT");
  const std::string config = o.directory + "/site.toml";
  if (read_file(config, 1 << 20))
    return fail(ErrorCode::conflict, config + " exists already",
                "choose another --dir, or remove the old site first");
  OpenSslPublicRandom serials;
  OpenSslSecretRandom secrets;
  const Validity validity = valid_for_days(SystemClock().wall_unix_ms(), o.days);
  QUOIN_TRY(create_directories(o.directory + "/data"));
  QUOIN_TAKE(authority, make_certificate_authority(
                            "quoin-" + o.name,
                            valid_for_days(SystemClock().wall_unix_ms(), o.days * 10), serials));
  const AuthorityFiles signer{authority.certificate_pem, authority.private_key_pem};
  ServerHosts hosts;
  for (const std::string& host : o.hosts) {
    const bool is_address = host.find_first_not_of("0123456789.") == std::string::npos ||
                            host.find(':') != std::string::npos;
    (is_address ? hosts.ip_addresses : hosts.dns_names).push_back(host);
  }
  QUOIN_TAKE(site, issue_site_certificate(signer, o.name, hosts, validity, serials));
  QUOIN_TAKE(sae, issue_sae_certificate(signer, o.sae, validity, serials));
  const std::string pki = o.directory + "/pki";
  QUOIN_TRY(write_certificate(pki, "ca", authority.certificate_pem, authority.private_key_pem));
  QUOIN_TRY(write_certificate(pki, "site-" + o.name, site.certificate_pem, site.private_key_pem));
  QUOIN_TRY(write_certificate(pki, "sae-" + o.sae, sae.certificate_pem, sae.private_key_pem));
  const SecretBytes file_key = make_file_key(secrets);
  QUOIN_TRY(write_file_atomically(o.directory + "/data/key-encryption.key",
                                  file_key.expose_secret(), FileKind::secret, Existing::refuse));
  return write_file_atomically(config, as_bytes(config_text(o)), FileKind::ordinary,
                               Existing::refuse);
}

int run_site_init(const SiteInitOptions& options) {
  if (const Status made = init_site(options); !made) return report_failure(made.error());
  std::cout << "site '" << options.name << "' is in " << options.directory << "\n"
            << "next: 'quoin link pair --config " << options.directory
            << "/site.toml' prints a line; carry it to '" << options.peer
            << "' and take its line in here\n";
  return exit_ok;
}

int run_link_pair(const SiteFile& file, const std::string& line) {
  const std::string folder =
      file.link_tls.certificate_file.substr(0, file.link_tls.certificate_file.rfind('/'));
  if (line.empty()) {
    const auto ca = read_file(folder + "/ca.crt", pem_bytes_max);
    if (!ca) return report_failure(ca.error());
    const auto facts = parse_certificate_pem(to_text(*ca));
    if (!facts) return report_failure(facts.error());
    std::cout << pair_prefix << file.name << ":" << to_string(file.policy.role) << ":"
              << to_hex(*ca) << "\n";
    std::cerr << "fingerprint of '" << file.name << "': " << fingerprint_text(facts->spki_sha256)
              << "\ncarry the line to '" << file.policy.peer_site
              << "' and compare the fingerprint by another way (by telephone)\n";
    return exit_ok;
  }
  const auto malformed = [](const char* what) {
    return report_failure(Error{ErrorCode::invalid_argument,
                                std::string("this is no pairing line: ") + what,
                                "copy the whole line that 'quoin link pair' printed at the peer"});
  };
  if (!line.starts_with(pair_prefix) || line.size() > 3 * pem_bytes_max)
    return malformed("it does not begin with quoin-pair-1:");
  const std::string rest = line.substr(pair_prefix.size());
  const std::size_t first = rest.find(':');
  const std::size_t second = rest.find(':', first + 1);
  if (first == std::string::npos || second == std::string::npos)
    return malformed("parts are missing");
  const std::string name = rest.substr(0, first);
  const std::string role = rest.substr(first + 1, second - first - 1);
  if (name != file.policy.peer_site)
    return report_failure(
        Error{ErrorCode::configuration,
              "the line is of site '" + name + "', [link] peer is '" + file.policy.peer_site + "'",
              "correct [link] peer, or take the right line"});
  if (role == to_string(file.policy.role))
    return report_failure(Error{ErrorCode::configuration, "both sites are " + role,
                                "one must be alice and the other bob"});
  std::string hex = rest.substr(second + 1);
  while (!hex.empty() && (hex.back() == '\n' || hex.back() == '\r' || hex.back() == ' '))
    hex.pop_back();
  const auto pem = from_hex(hex);
  if (!pem) return malformed("it is damaged");
  const auto facts = parse_certificate_pem(to_text(*pem));
  if (!facts || !facts->is_authority) return malformed("it is damaged");
  if (const Status written = write_file_atomically(file.link_tls.ca_file, *pem, FileKind::ordinary);
      !written)
    return report_failure(written.error());
  std::cout << "'" << name << "' is paired. Its fingerprint, to compare by another way:\n  "
            << fingerprint_text(facts->spki_sha256) << "\n";
  return exit_ok;
}

int run_link_reset(const SiteFile& file) {
  const auto store = SqliteStore::open(file.store_path());
  if (!store) return report_failure(store.error());
  auto file_key = read_secret_file(file.file_key_path(), 4096);
  if (!file_key) return report_failure(file_key.error());
  OpenSslPublicRandom nonces;
  const auto cipher = AtRestCipher::from_file_key(*file_key, nonces);
  if (!cipher) return report_failure(cipher.error());
  auto ledger = AuthLedger::load(**store, *cipher, file.parameters.link_id);
  if (!ledger) return report_failure(ledger.error());
  StoreBatch batch;
  ledger->abandon(batch);
  auto records = LinkRecords::load(**store);
  if (!records) return report_failure(records.error());
  records->forget_lineage(batch);
  if (const Status applied = (*store)->apply(batch); !applied)
    return report_failure(applied.error());
  std::cout << "the link's authentication key is erased; once 'quoin link reset' has run at both "
               "sites, the next start bootstraps "
               "anew and begins a new lineage\n";
  return exit_ok;
}

}  // namespace quoin
