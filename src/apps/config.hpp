// The configuration file of a site: TOML with a checked schema. An unknown key is an error that
// names the nearest known one.
#pragma once

#include <optional>
#include <string>

#include "adapters/tls.hpp"
#include "link/parameters.hpp"
#include "site/site.hpp"

namespace quoin {

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
// "host:port", "[v6]:port" or ":port" (all addresses).
Result<HostPort> parse_host_port(std::string_view text);
std::string to_text(const HostPort& address);

// How far key travels inside the site (security-rules, docs/threat-model.md).
enum class SiteProfile : std::uint8_t {
  unit,     // device, key manager and consumer in one process: no delivery listener exists
  network,  // keys are delivered over the site's network by ETSI GS QKD 014
};

struct GatewaySection {
  bool is_entry = true;  // entry: local port in, tunnel out; exit: tunnel in, target out
  HostPort listen;
  HostPort forward;
  std::string own_sae;
  std::string peer_sae;
  std::uint64_t rekey_megabytes = 64;
  std::uint32_t rekey_seconds = 60;
};

struct DeliverySection {
  HostPort listen;
  TlsFiles tls;
  std::string url_prefix;
};

struct SiteFile {
  std::string path;  // of the file itself
  std::string name;
  SiteProfile profile = SiteProfile::network;
  bool is_demonstration = false;  // simulated key is accepted only here
  std::string data_directory;
  std::vector<std::string> saes;
  std::vector<std::string> peer_saes;

  LinkParameters parameters;
  LinkPolicy policy;
  bool listens = true;  // for the peer; otherwise connects to it
  HostPort link_address;
  TlsFiles link_tls;

  HostPort fibre_address;  // the simulated device
  std::optional<DeliverySection> delivery;
  std::optional<GatewaySection> gateway;

  std::string store_path() const { return data_directory + "/site.db"; }
  std::string file_key_path() const { return data_directory + "/key-encryption.key"; }
  std::string status_path() const { return data_directory + "/status.json"; }
  // What the site is made of.
  Result<SiteConfig> site_config() const;
};

// Relative paths in the file are relative to the file's folder. Errors name the file, the line and
// the cure.
Result<SiteFile> load_site_file(const std::string& path);

// Whether 'quoin link pair' has put the peer's authority in its place. Fails as configuration.
Status check_is_paired(const SiteFile& file);

}  // namespace quoin
