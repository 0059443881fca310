// Reconciliation: Bob's sifted key becomes Alice's, by public messages that are counted where they
// are sent. One interface for every family of codes. For the session and its jobs; a Reconciler is
// used by one thread at a time and shares no state with others.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/bytes.hpp"
#include "core/key_stages.hpp"
#include "core/quantum_vocabulary.hpp"
#include "core/result.hpp"

namespace quoin {

// Both sides must use equal parameters.
struct ReconcileParameters {
  double qber_estimate = 0.02;                   // within (0, 0.5]
  std::array<std::byte, 32> permutation_seed{};  // public, fresh per block
  std::size_t frame_bits = 65536;  // a multiple of 64 in [64, 65536]; at most 65536 frames
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
  // message that is not the expected one is an Error: the block ends, the object is of no further
  // use.
  virtual Result<std::optional<Bytes>> handle(ByteSpan message) = 0;
  virtual bool is_finished() const = 0;
  virtual ReconcileReport report() const = 0;
  // Only once finished.
  virtual ReconciledKey take_key() && = 0;
};

// Cascade with parity memory; Bob corrects to Alice. `role` is the owner's.
Result<std::unique_ptr<Reconciler>> make_cascade(QuantumRole role, SiftedKey&& key,
                                                 const ReconcileParameters& parameters);

// Largest message of the peer that `handle` can expect, for the transport's bound.
std::size_t reconcile_message_bytes_max(std::size_t key_bits);

// False when fewer bits were sent than an error pattern of that weight takes: leak below
// log2 C(n, e) - 64 happens by chance with probability below 2^-64, so the counting is wrong
// (f < 1 is impossible).
bool leak_is_plausible(std::uint64_t errors, std::uint64_t key_bits, std::uint64_t leak_bits);

}  // namespace quoin
