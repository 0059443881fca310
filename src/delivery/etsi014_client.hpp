// The client side of ETSI GS QKD 014 V1.1.1: builds request bytes and reads answers. No I/O; used
// by `quoin key`, by the gateway and by tests, behind the HTTPS client of src/adapters. Tolerant of
// what other servers are known to send (etsi014 survey: "Keys", unknown members, error bodies of
// any kind), bounded in all of it.
#pragma once

#include "kme/sae_registry.hpp"

namespace quoin {

struct Etsi014Endpoint {
  std::string host;        // for the Host header, with the port if it is not 443
  std::string url_prefix;  // as in Etsi014Limits
};

struct KeyQuery {
  std::uint32_t number = 1;
  std::optional<std::uint32_t> size_bits{};
  std::vector<SaeId> additional_slaves{};  // asks by POST when there are any
};

Bytes status_request(const Etsi014Endpoint& endpoint, const SaeId& slave);
Bytes enc_keys_request(const Etsi014Endpoint& endpoint, const SaeId& slave, const KeyQuery& query);
Bytes dec_keys_request(const Etsi014Endpoint& endpoint, const SaeId& master,
                       std::span<const KeyId> ids);

constexpr std::size_t response_bytes_max = std::size_t{1} << 20;
// Whether `bytes` hold a whole response (to a request of ours, so with a body). Errors: malformed,
// too_large. For the blocking client: read until true or the peer closes.
Result<bool> is_response_complete(ByteSpan bytes);

struct Etsi014Status {
  std::string source_kme_id, target_kme_id;
  SaeId master, slave;
  std::uint64_t key_bits_default = 0, key_bits_min = 0, key_bits_max = 0;
  std::uint64_t stored_key_count = 0, key_count_max = 0;
  std::uint64_t keys_per_request_max = 0, additional_slaves_max = 0;
};
struct FetchedKey {
  KeyId id;
  SecretBytes key;
  std::string extension;  // key_extension as JSON text, empty when there is none
};

// The answer, or the server's refusal as an Error: invalid_argument (400), unauthorised (401, 403),
// not_found (404), unavailable (503), internal otherwise; the server's message is quoted, cut and
// cleaned. Parsing is done in wiped memory.
Result<Etsi014Status> parse_status_response(ByteSpan response);
Result<std::vector<FetchedKey>> parse_keys_response(ByteSpan response);

}  // namespace quoin
