// The security statement that every secret block carries. It never contains key bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/quantum_vocabulary.hpp"
#include "core/result.hpp"

namespace quoin {

// What the key's authenticity rests on, weakest first. Names are exact (security-rules A8):
// information_theoretic means "given that the bootstrap held in its window".
enum class Grade : std::uint8_t {
  bootstrap_pki = 1,
  bootstrap_openpgp = 2,
  bootstrap_psk = 3,
  information_theoretic = 4
};
const char* to_string(Grade grade);

enum class KeySource : std::uint8_t { hardware = 1, simulated = 2, replayed = 3 };
const char* to_string(KeySource source);

struct Passport {
  BlockId block{};
  std::string protocol;  // "bb84-decoy2"
  std::string proof;     // "variable_length_decoy2"
  std::vector<std::string> assumptions;
  std::string leak_accounting;  // how two-way reconciliation was charged
  double epsilon_sec = 0;
  double epsilon_cor = 0;
  double epsilon_accumulated =
      0;  // of the link since its ledger's lineage began, authentication included
  BlockCounts counts;
  std::uint64_t leak_ec_bits = 0;  // as sent and compared by both sides, verification excluded
  std::uint64_t verification_bits = 0;
  std::uint64_t secret_bits = 0;  // length after amplification
  std::uint64_t ledger_bits = 0;  // of these, kept as authentication key
  Grade grade = Grade::bootstrap_pki;
  std::string bootstrap_anchor;  // "pki"
  std::uint64_t lineage = 0;     // changes with every bootstrap
  double bootstrap_seconds = 0;  // length of the window; 0 while it is open
  KeySource source = KeySource::simulated;
  std::string random_source;  // "drbg", "qrng"
  std::string monitors;       // verdict, "ok" or the alarms
  std::int64_t made_unix_ms = 0;
};

std::vector<std::byte> encode(const Passport& passport);
Result<Passport> decode_passport(std::span<const std::byte> bytes);

}  // namespace quoin
