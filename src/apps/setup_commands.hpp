// Subcommands that make certificates, sites and pairs: pki init|issue|show, site init, link
// pair|check|reset. Each returns an exit status and has printed what it did or why not.
#pragma once

#include "apps/config.hpp"

namespace quoin {

int run_pki_init(const std::string& directory, const std::string& name, std::uint32_t days);
// One of site_name and sae_name is empty.
int run_pki_issue(const std::string& directory, const std::string& site_name,
                  const std::string& sae_name, const std::vector<std::string>& hosts,
                  std::uint32_t days, bool renews);
int run_pki_show(const std::string& certificate_file, bool as_json);

struct SiteInitOptions {
  std::string directory;
  std::string name;
  std::string peer;
  QuantumRole role = QuantumRole::alice;
  std::string link_listen;  // one of these two
  std::string link_connect;
  std::string fibre = "127.0.0.1:7800";
  std::string delivery = "127.0.0.1:7443";  // empty: profile unit
  std::string sae = "app";
  std::string peer_sae = "app";
  std::vector<std::string> hosts;  // names and addresses of this site for its certificate
  std::uint32_t days = 365;
};
// Makes the folder: configuration, keys, an authority of its own, certificates of the site and of
// one application.
Status init_site(const SiteInitOptions& options);
int run_site_init(const SiteInitOptions& options);

// Without `line`: prints this site's line for the other. With it: takes the other's line in.
int run_link_pair(const SiteFile& file, const std::string& line);
// Ports, certificates, round trip, clocks, versions, with the peer's `link check` or node.
int run_link_check(const SiteFile& file, std::uint32_t wait_s);
// A new lineage: forgets the ledger of authentication key. An operator's act, at both sites.
int run_link_reset(const SiteFile& file);

// Secret and public file of a certificate in `directory`: NAME.key and NAME.crt. Unless it
// replaces, neither may be there.
Status write_certificate(const std::string& directory, const std::string& name,
                         std::string_view certificate_pem, const SecretBytes& key_pem,
                         bool replaces = false);

}  // namespace quoin
