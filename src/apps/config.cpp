#include "apps/config.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include "adapters/files.hpp"
#include "apps/nearest.hpp"
#include "distill/proof.hpp"

namespace quoin {

namespace {

constexpr std::size_t config_bytes_max = 256 * 1024;

const std::map<std::string, std::set<std::string>>& schema() {
  static const std::map<std::string, std::set<std::string>> known = {
      {"site", {"name", "profile", "demonstration", "data", "saes", "peer_saes"}},
      {"link",
       {"id", "role", "peer", "listen", "connect", "certificate", "key", "ca", "bootstrap",
        "bootstrap_max_seconds", "blocks_in_flight", "secrecy_budget", "secrecy_budget_days"}},
      {"device", {"fibre"}},
      {"protocol",
       {"proof", "slots_per_block", "mu", "intensity_probability", "key_basis_probability",
        "epsilon_sec", "epsilon_cor", "frame_bits", "ledger_pads_target", "ledger_pads_reserve"}},
      {"delivery", {"listen", "certificate", "key", "ca", "url_prefix"}},
      {"gateway",
       {"entry", "exit", "forward", "sae", "peer_sae", "rekey_megabytes", "rekey_seconds"}},
  };
  return known;
}

std::vector<std::string> known_sections() {
  std::vector<std::string> names;
  for (const auto& [name, keys] : schema()) names.push_back(name);
  return names;
}

// Reads one file; the first error wins and is kept.
class Reader {
 public:
  Reader(const toml::table& root, std::string path) : root_(root), path_(std::move(path)) {}

  void check_names() {
    for (const auto& [section, node] : root_) {
      const std::string name(section.str());
      const auto known = schema().find(name);
      if (known == schema().end()) {
        return complain("unknown section [" + name + "]",
                        "did you mean [" + nearest_of(name, known_sections()) + "]?", node);
      }
      const toml::table* table = node.as_table();
      if (table == nullptr)
        return complain("'" + name + "' must be a section",
                        "write [" + name + "] on a line of its own", node);
      for (const auto& [key, value] : *table) {
        const std::string key_name(key.str());
        if (!known->second.contains(key_name))
          return complain("unknown key '" + key_name + "' in [" + name + "]",
                          "did you mean '" +
                              nearest_of(key_name, {known->second.begin(), known->second.end()}) +
                              "'?",
                          value);
      }
    }
  }

  bool has(const char* section, const char* key) const { return find(section, key) != nullptr; }
  bool has_section(const char* section) const { return root_.contains(section); }

  std::string text(const char* section, const char* key) {
    const toml::node* node = require(section, key);
    if (node == nullptr) return {};
    const auto value = node->value_exact<std::string>();
    if (!value) complain_type(section, key, "a text in quotes", *node);
    return value.value_or(std::string{});
  }
  std::string text_or(const char* section, const char* key, std::string otherwise) {
    return has(section, key) ? text(section, key) : otherwise;
  }
  bool flag_or(const char* section, const char* key, bool otherwise) {
    const toml::node* node = find(section, key);
    if (node == nullptr) return otherwise;
    const auto value = node->value_exact<bool>();
    if (!value) complain_type(section, key, "true or false", *node);
    return value.value_or(otherwise);
  }
  std::uint64_t count_or(const char* section, const char* key, std::uint64_t otherwise,
                         std::uint64_t most) {
    const toml::node* node = find(section, key);
    if (node == nullptr) return otherwise;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < 0 || static_cast<std::uint64_t>(*value) > most) {
      complain_type(section, key, "a whole number from 0 to " + std::to_string(most), *node);
      return otherwise;
    }
    return static_cast<std::uint64_t>(*value);
  }
  double real_or(const char* section, const char* key, double otherwise) {
    const toml::node* node = find(section, key);
    if (node == nullptr) return otherwise;
    const auto value = node->value<double>();
    if (!value) complain_type(section, key, "a number", *node);
    return value.value_or(otherwise);
  }
  std::array<double, 3> three_or(const char* section, const char* key,
                                 std::array<double, 3> otherwise) {
    const toml::node* node = find(section, key);
    if (node == nullptr) return otherwise;
    const toml::array* array = node->as_array();
    if (array == nullptr || array->size() != 3) {
      complain_type(section, key, "three numbers: [signal, decoy, vacuum]", *node);
      return otherwise;
    }
    std::array<double, 3> out{};
    for (std::size_t i = 0; i < 3; ++i) {
      const auto value = array->get(i)->value<double>();
      if (!value) complain_type(section, key, "three numbers", *node);
      out[i] = value.value_or(0);
    }
    return out;
  }
  std::vector<std::string> texts(const char* section, const char* key) {
    std::vector<std::string> out;
    const toml::node* node = find(section, key);
    if (node == nullptr) return out;
    const toml::array* array = node->as_array();
    if (array == nullptr) {
      complain_type(section, key, "a list of texts, like [\"app-a\"]", *node);
      return out;
    }
    for (const toml::node& item : *array) {
      const auto value = item.value_exact<std::string>();
      if (!value) complain_type(section, key, "a list of texts", *node);
      out.push_back(value.value_or(std::string{}));
    }
    return out;
  }
  HostPort address(const char* section, const char* key) {
    const std::string value = text(section, key);
    if (error_.has_value()) return {};
    auto parsed = parse_host_port(value);
    if (!parsed) {
      complain("'" + value + "' in [" + section + "] " + key + " is no address",
               "write \"host:port\"", *find(section, key));
      return {};
    }
    return *parsed;
  }
  std::string file(const char* section, const char* key) {
    const std::string value = text(section, key);
    const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
    return value.empty() || value.front() == '/' ? value
                                                 : (folder / value).lexically_normal().string();
  }
  void complain(std::string message, std::string cure, const toml::node& node) {
    if (error_.has_value()) return;
    error_ =
        Error{ErrorCode::configuration,
              path_ + ":" + std::to_string(node.source().begin.line) + ": " + std::move(message),
              std::move(cure)};
  }
  void complain(std::string message, std::string cure) {
    if (!error_.has_value())
      error_ = Error{ErrorCode::configuration, path_ + ": " + std::move(message), std::move(cure)};
  }
  // At the line of that key, if it is there.
  void complain_at(const char* section, std::string_view key, std::string message,
                   std::string cure) {
    if (const toml::node* node = find(section, key); node != nullptr)
      complain(std::move(message), std::move(cure), *node);
    else
      complain(std::move(message), std::move(cure));
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const toml::node* find(const char* section, std::string_view key) const {
    const toml::table* table = root_[section].as_table();
    return table == nullptr ? nullptr : table->get(key);
  }
  const toml::node* require(const char* section, const char* key) {
    const toml::node* node = find(section, key);
    if (node == nullptr)
      complain(std::string("[") + section + "] needs '" + key + "'",
               "'quoin site init' writes a complete file to start from");
    return node;
  }
  void complain_type(const char* section, const char* key, const std::string& wanted,
                     const toml::node& node) {
    complain(std::string("[") + section + "] " + key + " has the wrong kind of value",
             "it must be " + wanted, node);
  }

  const toml::table& root_;
  std::string path_;
  std::optional<Error> error_;
};

void read_site(Reader& in, SiteFile& file) {
  file.name = in.text("site", "name");
  const std::string profile = in.text_or("site", "profile", "network");
  if (profile != "unit" && profile != "network")
    in.complain_at("site", "profile", "[site] profile is '" + profile + "'",
                   "choose \"unit\" or \"network\"");
  file.profile = profile == "unit" ? SiteProfile::unit : SiteProfile::network;
  file.is_demonstration = in.flag_or("site", "demonstration", false);
  file.data_directory = in.file("site", "data");
  file.saes = in.texts("site", "saes");
  file.peer_saes = in.texts("site", "peer_saes");
}

void read_secrecy_budget(Reader& in, SecrecyBudget& budget) {
  budget.limit = in.real_or("link", "secrecy_budget", budget.limit);
  if (!(budget.limit > 0 && budget.limit <= 0.1))
    in.complain_at("link", "secrecy_budget", "[link] secrecy_budget is out of range",
                   "choose more than 0 and at most 0.1, the sum of epsilons per period");
  const std::uint64_t days = in.count_or("link", "secrecy_budget_days", 365, 36500);
  if (days == 0)
    in.complain_at("link", "secrecy_budget_days", "[link] secrecy_budget_days is 0",
                   "choose 1 to 36500 days");
  budget.period_ms = static_cast<std::int64_t>(days) * 86'400'000;
}

void read_link(Reader& in, SiteFile& file) {
  const std::string role = in.text("link", "role");
  if (role != "alice" && role != "bob")
    in.complain_at("link", "role", "[link] role is '" + role + "'", "choose \"alice\" or \"bob\"");
  file.policy.role = role == "bob" ? QuantumRole::bob : QuantumRole::alice;
  file.policy.own_site = file.name;
  file.policy.peer_site = in.text("link", "peer");
  file.parameters.link_id = in.text_or("link", "id", "link-1");
  if (in.has("link", "listen") == in.has("link", "connect")) {
    in.complain("[link] needs either 'listen' or 'connect'",
                "one site listens, the other connects to it");
    return;
  }
  file.listens = in.has("link", "listen");
  file.link_address = in.address("link", file.listens ? "listen" : "connect");
  file.link_tls.certificate_file = in.file("link", "certificate");
  file.link_tls.key_file = in.file("link", "key");
  file.link_tls.ca_file = in.file("link", "ca");
  file.policy.may_bootstrap = in.flag_or("link", "bootstrap", true);
  file.policy.bootstrap_seconds_max = in.real_or("link", "bootstrap_max_seconds", 300);
  if (!(file.policy.bootstrap_seconds_max > 0 && file.policy.bootstrap_seconds_max <= 86400))
    in.complain_at("link", "bootstrap_max_seconds", "[link] bootstrap_max_seconds is out of range",
                   "choose more than 0 and at most 86400 seconds");
  file.policy.blocks_in_flight_max =
      static_cast<std::uint32_t>(in.count_or("link", "blocks_in_flight", 2, 8));
  if (file.policy.blocks_in_flight_max == 0)
    in.complain_at("link", "blocks_in_flight", "[link] blocks_in_flight is 0", "choose 1 to 8");
  read_secrecy_budget(in, file.policy.secrecy_budget);
}

void read_protocol(Reader& in, SiteFile& file) {
  LinkParameters& p = file.parameters;
  p.proof = in.text_or("protocol", "proof", p.proof);
  // Each proof is for one protocol; an unknown name is refused with the other parameters.
  if (const auto proof = make_proof(p.proof)) p.protocol = std::string((*proof)->protocol());
  p.slots_per_block =
      in.count_or("protocol", "slots_per_block", p.slots_per_block, 4'000'000'000ULL);
  p.mu = in.three_or("protocol", "mu", p.mu);
  p.intensity_probability =
      in.three_or("protocol", "intensity_probability", p.intensity_probability);
  p.key_basis_probability =
      in.real_or("protocol", "key_basis_probability", p.key_basis_probability);
  p.epsilon_sec = in.real_or("protocol", "epsilon_sec", p.epsilon_sec);
  p.epsilon_cor = in.real_or("protocol", "epsilon_cor", p.epsilon_cor);
  p.frame_bits =
      static_cast<std::uint32_t>(in.count_or("protocol", "frame_bits", p.frame_bits, 65536));
  p.ledger_pads_target = static_cast<std::uint32_t>(
      in.count_or("protocol", "ledger_pads_target", p.ledger_pads_target, 16384));
  p.ledger_pads_reserve = static_cast<std::uint32_t>(
      in.count_or("protocol", "ledger_pads_reserve", p.ledger_pads_reserve, 16384));
}

void read_delivery(Reader& in, SiteFile& file) {
  if (file.profile == SiteProfile::unit) {
    if (in.has_section("delivery"))
      in.complain("profile \"unit\" has no delivery listener, but there is a [delivery] section",
                  "remove [delivery], or use profile \"network\"");
    return;
  }
  DeliverySection section;
  section.listen = in.address("delivery", "listen");
  section.tls.certificate_file = in.file("delivery", "certificate");
  section.tls.key_file = in.file("delivery", "key");
  section.tls.ca_file = in.file("delivery", "ca");
  section.url_prefix = in.text_or("delivery", "url_prefix", "");
  file.delivery = section;
}

void read_gateway(Reader& in, SiteFile& file) {
  if (!in.has_section("gateway")) return;
  GatewaySection section;
  if (in.has("gateway", "entry") == in.has("gateway", "exit")) {
    in.complain("[gateway] needs either 'entry' or 'exit'",
                "entry takes users in, exit leads to the target");
    return;
  }
  section.is_entry = in.has("gateway", "entry");
  section.listen = in.address("gateway", section.is_entry ? "entry" : "exit");
  section.forward = in.address("gateway", "forward");
  section.own_sae = in.text("gateway", "sae");
  section.peer_sae = in.text("gateway", "peer_sae");
  section.rekey_megabytes = in.count_or("gateway", "rekey_megabytes", 64, 1 << 20);
  section.rekey_seconds =
      static_cast<std::uint32_t>(in.count_or("gateway", "rekey_seconds", 60, 86400));
  if (section.rekey_megabytes == 0 || section.rekey_seconds == 0)
    in.complain("[gateway] re-keying limits must not be 0",
                "for example rekey_megabytes = 64, rekey_seconds = 60");
  file.gateway = section;
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return fail(ErrorCode::configuration, "'" + std::string(text) + "' is no address",
                "write host:port");
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  const std::string_view digits = text.substr(colon + 1);
  unsigned port = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (code != std::errc{} || end != digits.data() + digits.size() || port > 65535)
    return fail(ErrorCode::configuration, "'" + std::string(digits) + "' is no port",
                "write a number from 0 to 65535");
  return HostPort{host.empty() ? std::string("0.0.0.0") : std::string(host),
                  static_cast<std::uint16_t>(port)};
}

std::string to_text(const HostPort& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return (is_v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

Result<SiteFile> load_site_file(const std::string& path) {
  QUOIN_TAKE(bytes, read_file(path, config_bytes_max));
  toml::table root;
  try {
    root = toml::parse(to_text(bytes), path);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::configuration,
                path + ":" + std::to_string(error.source().begin.line) + ": " +
                    std::string(error.description()),
                "correct the line; the file is TOML");
  }
  SiteFile file;
  file.path = path;
  Reader in(root, path);
  in.check_names();
  read_site(in, file);
  read_link(in, file);
  read_protocol(in, file);
  file.fibre_address = in.address("device", "fibre");
  read_delivery(in, file);
  read_gateway(in, file);
  if (const Status valid = file.parameters.validate(); !valid) {
    // The parameter's name is the key's, in quotes.
    const std::string& message = valid.error().message;
    const std::size_t start = message.find('\'') + 1;
    const std::string name = message.substr(start, message.find('\'', start) - start);
    in.complain_at("protocol", name, message, valid.error().cure);
  }
  if (in.error().has_value()) return Failure{*in.error()};
  return file;
}

Status check_is_paired(const SiteFile& file) {
  std::error_code code;
  if (std::filesystem::exists(file.link_tls.ca_file, code)) return success();
  return fail(ErrorCode::configuration,
              "this site is not paired with '" + file.policy.peer_site + "': there is no " +
                  file.link_tls.ca_file,
              "run 'quoin link pair' at both sites and carry each one's line to the other");
}

Result<SiteConfig> SiteFile::site_config() const {
  SiteConfig config;
  config.parameters = parameters;
  config.policy = policy;
  config.kme.role = policy.role;
  config.kme.kme_id = "kme-" + name;
  config.kme.peer_kme_id = "kme-" + policy.peer_site;
  config.key_store.allow_simulated = is_demonstration;
  for (const std::string& sae : saes) QUOIN_TRY(config.saes.add_local(SaeId{sae}));
  for (const std::string& sae : peer_saes) QUOIN_TRY(config.saes.add_remote(SaeId{sae}));
  if (gateway.has_value()) {
    QUOIN_TRY(config.saes.add_local(SaeId{gateway->own_sae}));
    QUOIN_TRY(config.saes.add_remote(SaeId{gateway->peer_sae}));
  }
  if (delivery.has_value()) config.delivery.url_prefix = delivery->url_prefix;
  return config;
}

}  // namespace quoin
