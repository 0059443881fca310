// An application (SAE) that talks to its site's key manager by ETSI GS QKD 014, as the command line
// uses it.
#pragma once

#include "adapters/https_client.hpp"
#include "apps/config.hpp"
#include "delivery/etsi014_client.hpp"

namespace quoin {

struct SaeAccess {
  HostPort kme;
  TlsFiles tls;
  std::string expected_site;  // empty: the certificate must be for the host
  std::string url_prefix;
};

class SaeClient {
 public:
  static Result<SaeClient> connect(const SaeAccess& access);
  Result<Etsi014Status> status(const std::string& slave);
  Result<std::vector<FetchedKey>> get(const std::string& slave, const KeyQuery& query);
  Result<std::vector<FetchedKey>> fetch(const std::string& master, std::span<const KeyId> ids);
  // Name in our own certificate: what the key manager calls us.
  const std::string& own_name() const { return own_name_; }

 private:
  SaeClient(HttpsClient client, Etsi014Endpoint endpoint, std::string own_name)
      : client_(std::move(client)),
        endpoint_(std::move(endpoint)),
        own_name_(std::move(own_name)) {}
  Result<SecretBytes> exchange(const Bytes& request);

  HttpsClient client_;
  Etsi014Endpoint endpoint_;
  std::string own_name_;
};

}  // namespace quoin
