// Proofs for blocks of a link: integer counts in, length of the secret key and its derivation out.
// For the session (length and passport), the planner and the tools. A proof never fails: impossible
// or suspicious input gives length 0 and a reason in words. The formulas are in lim2014.hpp and
// variable_length.hpp.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/quantum_vocabulary.hpp"
#include "core/result.hpp"
#include "distill/key_length.hpp"

namespace quoin {

struct ProofInput {
  BlockCounts counts;
  std::array<double, intensity_count> mu{};  // mean photon numbers: signal, decoy, vacuum
  std::array<double, intensity_count> p{};   // probabilities with which they are chosen
  std::uint64_t leak_ec_bits = 0;            // as sent; without the verification tag
  double epsilon_sec = 1e-10;
  double epsilon_cor = 1e-15;
  std::uint64_t verification_bits = 128;
  // Two-way reconciliation tells Eve where the errors were; then vacuum events give no secrecy
  // (security-rules C1). The proofs of variable length count none in any case.
  bool error_positions_public = true;
};

class SecurityProof {
 public:
  virtual ~SecurityProof() = default;
  virtual std::string_view name() const = 0;      // "variable_length_decoy2"
  virtual std::string_view protocol() const = 0;  // "bb84-decoy2"
  // False for bounds that take sample sizes as fixed, where a link fixes only the slots
  // (security-rules C3): good for plans and comparisons, never for key.
  virtual bool may_release_key() const = 0;
  // What must hold for the length to mean anything, including what the proof does not cover of
  // what runs: goes into every passport (each below 256 characters).
  virtual std::vector<std::string> assumptions() const = 0;
  // How two-way reconciliation is charged, for the passport.
  virtual std::string_view leak_accounting(bool error_positions_public) const = 0;
  virtual KeyLength key_length(const ProofInput& input) const = 0;
};

// The proof that a link uses unless its configuration names another.
constexpr std::string_view default_link_proof = "variable_length_decoy2";

// Proofs of a block: "variable_length_decoy2" (bb84-decoy2), "variable_length_decoy1" (bb84-decoy1:
// no vacuum pulses are sent) and "lim2014" (bb84-decoy2; for plans, may_release_key() is false).
// Fails as configuration for an unknown name, naming these.
Result<std::unique_ptr<const SecurityProof>> make_proof(std::string_view name);

// Alice proposes one bit less than her proof allows and Bob accepts any claim not above his own:
// libm differs between processors (security-rules C7).
std::uint64_t proposed_length(const KeyLength& own);
// Fails as conflict for a claim above the own value, and as no_key with the own reason for 0.
Status accept_length(const KeyLength& own, std::uint64_t claimed_bits);

}  // namespace quoin
