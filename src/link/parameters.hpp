// What both ends of a link must agree on, byte for byte: sent in the Hello, compared, and covered
// by the first tag.
#pragma once

#include <array>
#include <string>

#include "core/bytes.hpp"
#include "core/passport.hpp"
#include "core/quantum_vocabulary.hpp"
#include "link/secrecy_budget.hpp"

namespace quoin {

// Version of the messages between the two ends. Peers of another version are refused by name.
constexpr std::uint16_t link_protocol_version = 1;

struct LinkParameters {
  std::string link_id = "link-1";
  std::string protocol = "bb84-decoy2";
  std::string proof = "variable_length_decoy2";
  std::string reconciliation = "cascade";
  std::uint64_t slots_per_block =
      100'000'000;  // N: emitted slots, fixed in advance (security-rules C3)
  std::array<double, intensity_count> mu{0.5, 0.1, 0.0};
  std::array<double, intensity_count> intensity_probability{0.7, 0.2, 0.1};
  double key_basis_probability = 0.9;
  double epsilon_sec = 1e-10;
  double epsilon_cor = 1e-15;
  std::uint32_t frame_bits = 65536;         // reconciliation frame
  std::uint32_t ledger_pads_target = 2048;  // pads per direction that the ledger is filled up to
  std::uint32_t ledger_pads_reserve = 64;   // below this all new key goes to the ledger
  bool operator==(const LinkParameters&) const = default;

  // Errors name the field and its range.
  Status validate() const;
};

Bytes encode(const LinkParameters& parameters);
Result<LinkParameters> decode_link_parameters(ByteSpan bytes);
// Names of the fields in which two sets differ, for the operator.
std::string describe_difference(const LinkParameters& own, const LinkParameters& peer);

// What one end decides for itself.
struct LinkPolicy {
  QuantumRole role = QuantumRole::alice;
  std::string own_site;
  std::string peer_site;
  KeySource source = KeySource::simulated;
  std::string random_source = "drbg";
  std::uint32_t blocks_in_flight_max = 3;
  bool may_bootstrap = true;           // a fresh link may start from its trust anchor
  double bootstrap_seconds_max = 300;  // then the link stops with an alarm
  std::int64_t closing_tag_after_ns =
      3'000'000'000;  // a tag of its own when no next block carries it
  std::int64_t peer_silence_max_ns = 60'000'000'000;  // then the session ends
  SecrecyBudget secrecy_budget;  // at its limit the link makes no more key in the period
};

}  // namespace quoin
