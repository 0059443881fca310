// A small certificate authority in a folder: ca.crt, ca.key, and what it issued.
#include <boost/json.hpp>
#include <ctime>
#include <iostream>

#include "adapters/files.hpp"
#include "adapters/system_clock.hpp"
#include "apps/exit_codes.hpp"
#include "apps/key_commands.hpp"
#include "apps/setup_commands.hpp"
#include "crypto/certificates.hpp"
#include "crypto/random.hpp"

namespace quoin {

namespace {

std::string date_text(std::int64_t unix_s) {
  const std::time_t time = unix_s;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char out[32];
  std::strftime(out, sizeof out, "%Y-%m-%d %H:%M UTC", &parts);
  return out;
}

Result<IssuedCertificate> issue(const std::string& directory, const std::string& site_name,
                                const std::string& sae_name, const std::vector<std::string>& hosts,
                                std::uint32_t days) {
  QUOIN_TAKE(ca_pem, read_file(directory + "/ca.crt", pem_bytes_max));
  QUOIN_TAKE(ca_key, read_secret_file(directory + "/ca.key", pem_bytes_max));
  OpenSslPublicRandom random;
  const std::string ca_text = to_text(ca_pem);
  const AuthorityFiles authority{ca_text, ca_key};
  const Validity validity = valid_for_days(SystemClock().wall_unix_ms(), days);
  if (!sae_name.empty()) return issue_sae_certificate(authority, sae_name, validity, random);
  ServerHosts server;
  for (const std::string& host : hosts) {
    const bool is_address = host.find_first_not_of("0123456789.") == std::string::npos ||
                            host.find(':') != std::string::npos;
    (is_address ? server.ip_addresses : server.dns_names).push_back(host);
  }
  return issue_site_certificate(authority, site_name, server, validity, random);
}

}  // namespace

Status write_certificate(const std::string& directory, const std::string& name,
                         std::string_view certificate_pem, const SecretBytes& key_pem,
                         bool replaces) {
  QUOIN_TRY(create_directories(directory));
  const std::string key = directory + "/" + name + ".key";
  const std::string certificate = directory + "/" + name + ".crt";
  if (!replaces)
    for (const std::string& path : {key, certificate})
      if (read_file(path, pem_bytes_max))
        return fail(ErrorCode::conflict, path + " is there already",
                    "to replace certificate and key, add --renew");
  QUOIN_TRY(
      write_file_atomically(key, key_pem.expose_secret(), FileKind::secret, Existing::replace));
  return write_file_atomically(certificate, as_bytes(certificate_pem), FileKind::ordinary,
                               Existing::replace);
}

int run_pki_init(const std::string& directory, const std::string& name, std::uint32_t days) {
  OpenSslPublicRandom random;
  const auto authority =
      make_certificate_authority(name, valid_for_days(SystemClock().wall_unix_ms(), days), random);
  if (!authority) return report_failure(authority.error());
  if (const Status written = write_certificate(directory, "ca", authority->certificate_pem,
                                               authority->private_key_pem);
      !written)
    return report_failure(written.error());
  std::cout << directory << "/ca.crt is the authority '" << name << "'; keep " << directory
            << "/ca.key where only you can read it\n";
  return exit_ok;
}

int run_pki_issue(const std::string& directory, const std::string& site_name,
                  const std::string& sae_name, const std::vector<std::string>& hosts,
                  std::uint32_t days, bool renews) {
  if (site_name.empty() == sae_name.empty())
    return report_failure(Error{ErrorCode::invalid_argument, "whose certificate is it?",
                                "give either --site NAME or --sae NAME"});
  const auto issued = issue(directory, site_name, sae_name, hosts, days);
  if (!issued) return report_failure(issued.error());
  const std::string name = site_name.empty() ? "sae-" + sae_name : "site-" + site_name;
  if (const Status written = write_certificate(directory, name, issued->certificate_pem,
                                               issued->private_key_pem, renews);
      !written)
    return report_failure(written.error());
  std::cout << directory << "/" << name << ".crt and .key, valid for " << days << " days\n";
  return exit_ok;
}

int run_pki_show(const std::string& certificate_file, bool as_json) {
  const auto pem = read_file(certificate_file, pem_bytes_max);
  if (!pem) return report_failure(pem.error());
  const auto facts = parse_certificate_pem(to_text(*pem));
  if (!facts) return report_failure(facts.error());
  const std::string name =
      site_name_of(*facts).value_or(sae_name_of(*facts).value_or(facts->common_name));
  const char* kind = facts->is_authority                ? "authority"
                     : site_name_of(*facts).has_value() ? "site"
                                                        : "SAE";
  if (as_json) {
    std::cout << boost::json::serialize(
                     boost::json::object{{"name", name},
                                         {"kind", kind},
                                         {"issuer", facts->issuer_name},
                                         {"serial", facts->serial_hex},
                                         {"not_before", date_text(facts->not_before_unix_s)},
                                         {"not_after", date_text(facts->not_after_unix_s)},
                                         {"spki_sha256", fingerprint_text(facts->spki_sha256)}})
              << "\n";
    return exit_ok;
  }
  std::cout << kind << " '" << name << "', issued by '" << facts->issuer_name << "', serial "
            << facts->serial_hex << "\nvalid from " << date_text(facts->not_before_unix_s) << " to "
            << date_text(facts->not_after_unix_s) << "\nkey fingerprint "
            << fingerprint_text(facts->spki_sha256) << "\n";
  return exit_ok;
}

}  // namespace quoin
