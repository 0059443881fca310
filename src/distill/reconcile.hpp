// Reconciliation: Bob's sifted key becomes Alice's, by public messages that are counted where they
// are sent. One interface for every family of codes; which one serves a block is chosen per block
// and named to the peer. For the session and its jobs; a Reconciler is used by one thread at a time
// and shares no state with others.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "core/bytes.hpp"
#include "core/key_stages.hpp"
#include "core/quantum_vocabulary.hpp"
#include "core/result.hpp"

namespace quoin {

// Numbers on the wire. A family of one syndrome and blind rounds (LDPC) takes the next one; what it
// cannot reconcile goes on with Cascade.
enum class ReconcileFamily : std::uint8_t { cascade = 1 };
// What a family favours where its rounds, its leakage and its speed pull apart.
enum class ReconcileGoal : std::uint8_t { few_rounds = 1, balanced = 2, low_leak = 3 };

const char* to_string(ReconcileFamily family);
const char* to_string(ReconcileGoal goal);
// Fail as malformed for numbers and names that are none.
Result<ReconcileFamily> reconcile_family(std::uint8_t number);
Result<ReconcileFamily> reconcile_family(std::string_view name);
Result<ReconcileGoal> reconcile_goal(std::uint8_t number);

// Both sides must use equal parameters.
struct ReconcileParameters {
  double qber_estimate = 0.02;                   // within (0, 0.5]
  std::array<std::byte, 32> permutation_seed{};  // public, fresh per block
  ReconcileGoal goal = ReconcileGoal::balanced;
  std::size_t frame_bits = 65536;  // at most; a multiple of 64 in [64, 65536]; 65536 frames
  std::size_t key_bits_max = std::size_t{1} << 27;  // longer keys are refused
  std::uint64_t rounds_max = 4096;  // frames still open after so many rounds are disclosed whole
};

struct ReconcileReport {
  // Bits about the key that Alice sent: parities and disclosed bits (security-rules C1, C2).
  // Disclosed frames count whole, on top of the parities sent before.
  std::uint64_t leak_bits = 0;
  std::uint64_t reverse_bits = 0;  // difference bits that Bob sent: they reveal error positions
  std::uint64_t rounds = 0;        // message pairs
  std::uint64_t frames = 0;
  std::uint64_t frames_disclosed = 0;
  BitString error_positions;  // one bit per key bit; equal on both sides
};

class Reconciler {
 public:
  virtual ~Reconciler() = default;
  // Alice's side starts with a message, Bob's with none; no message either where there is nothing
  // to reconcile. Call it once, first, on both sides.
  virtual Result<std::optional<Bytes>> start() = 0;
  // Each peer message gives the answer, until finished; the last message of all has no answer. A
  // message that is not the expected one (malformed) or contradicts what the peer said before
  // (conflict) is an Error: the block ends, the object is of no further use.
  virtual Result<std::optional<Bytes>> handle(ByteSpan message) = 0;
  virtual bool is_finished() const = 0;
  virtual ReconcileReport report() const = 0;
  // Only once finished.
  virtual ReconciledKey take_key() && = 0;
};

// `role` is the owner's. Fails as invalid_argument for parameters out of range, as too_large for a
// key longer than key_bits_max.
Result<std::unique_ptr<Reconciler>> make_reconciler(ReconcileFamily family, QuantumRole role,
                                                    SiftedKey&& key,
                                                    const ReconcileParameters& parameters);

// Cascade with parity memory; Bob corrects to Alice.
Result<std::unique_ptr<Reconciler>> make_cascade(QuantumRole role, SiftedKey&& key,
                                                 const ReconcileParameters& parameters);

// What the link looks like when a block is to be reconciled.
struct ReconcileConditions {
  double qber = 0.02;
  std::uint64_t key_bits = 0;
  double round_trip_seconds = 0;
  // How long the block may take without holding up those behind it: the time between blocks, times
  // the blocks in flight.
  double seconds_available = 0;
  double core_share = 1;  // of one core, that reconciliation of this link may use
};

// The goal that leaks least among those that keep up; few_rounds where none does.
ReconcileGoal choose_reconcile_goal(const ReconcileConditions& conditions);

// Largest message of the peer that `handle` can expect, for the transport's bound.
std::size_t reconcile_message_bytes_max(std::size_t key_bits);

// Error rate to expect of a block, from its test bits and from the errors that were corrected in
// the block before (zero bits: there was none). The larger count decides while both agree within
// four standard deviations; after that the link has changed and the test bits are believed. Within
// [1e-4, 0.5].
struct ErrorCount {
  std::uint64_t errors = 0;
  std::uint64_t bits = 0;
};
double estimate_qber(const ErrorCount& test, const ErrorCount& last_block);

// False when fewer bits were sent than an error pattern of that weight takes: leak below
// log2 C(n, e) - 64 happens by chance with probability below 2^-64, so the counting is wrong
// (f < 1 is impossible).
bool leak_is_plausible(std::uint64_t errors, std::uint64_t key_bits, std::uint64_t leak_bits);

// Fails as internal when the report cannot be true: a leakage that is not plausible, more
// disclosed frames than frames, or error positions of another length.
Status check_reconcile_report(const ReconcileReport& report, std::uint64_t key_bits);

}  // namespace quoin
