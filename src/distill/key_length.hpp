// What every proof of the secret key length gives back: a length or the reason why there is none,
// and the derivation step by step. For the proofs, the session, the planner and the tools.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quoin {

struct KeyLength {
  std::uint64_t secret_bits = 0;
  std::string reason;       // why it is 0, for people; empty otherwise
  std::string reason_code;  // the same for programs, such as "phase_error"; empty otherwise
  std::vector<std::pair<std::string, double>> derivation;  // named steps, in order
};

// Why a proof makes no statement. `code` is one of a small set of snake_case words
// (docs/proofs.md).
struct Refusal {
  std::string_view code;
  std::string text;
};
using MaybeRefusal = std::optional<Refusal>;

// Sets reason and code and a length of 0.
void refuse(KeyLength& out, Refusal refusal);

// Floors a real-valued length; never above `events`, the number of key bits that went in. Refuses
// as "nothing_left" below one bit, with the terms in the reason.
struct LengthTerms {
  double events = 0;        // key bits
  double secrecy_bits = 0;  // what single photons (and vacuum) carry
  double leak_bits = 0;
  double penalty_bits = 0;
};
void settle_length(KeyLength& out, const LengthTerms& terms);

// "%.4g", for reasons.
std::string short_number(double value);

}  // namespace quoin
