// Subcommands that use keys: key status|get|fetch, seal, open, gateway. Each returns an exit status
// and has printed why it failed.
#pragma once

#include "apps/sae_client.hpp"

namespace quoin {

// Prints the error of a failed subcommand and gives its exit status.
int report_failure(const Error& error);

int run_key_status(const SaeAccess& access, const std::string& peer, bool as_json);
int run_key_get(const SaeAccess& access, const std::string& peer, std::uint32_t number,
                std::optional<std::uint32_t> size_bits, bool as_json);
int run_key_fetch(const SaeAccess& access, const std::string& master,
                  const std::vector<std::string>& ids, bool as_json);

// `output` empty: FILE.quoin, or FILE without .quoin.
int run_seal(const SaeAccess& access, const std::string& peer, const std::string& input,
             std::string output, bool as_json);
int run_open(const SaeAccess& access, const std::string& input, std::string output, bool as_json);

struct GatewayOptions {
  SaeAccess access;
  GatewaySection section;  // own_sae is taken from the certificate
};
int run_gateway(const GatewayOptions& options);

}  // namespace quoin
