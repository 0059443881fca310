// One block in flight, and the table of legal moves: which frame of the peer may arrive in which
// phase, for both roles.
#pragma once

#include <deque>
#include <memory>

#include "auth/authenticator.hpp"
#include "core/ports.hpp"
#include "distill/proof.hpp"
#include "distill/reconcile.hpp"
#include "distill/sift.hpp"
#include "link/messages.hpp"

namespace quoin {

enum class BlockPhase : std::uint8_t {
  // Alice
  awaiting_commitment_tag,  // nothing that depends on bases leaves before this tag verified
                            // (security-rules A1)
  sifting,                  // also Bob's, from the sift message to his estimate
  awaiting_estimate,
  awaiting_verify_result,
  awaiting_closing_tag,
  // Bob
  committing,
  awaiting_sift,
  awaiting_reconcile_start,
  awaiting_amplify,
  awaiting_amplify_tag,
  // both
  reconciling,
  amplifying,
  prepared,
};
const char* to_string(BlockPhase phase);

// True when the peer of `own_role` may send this frame while our block is in this phase.
bool is_legal(QuantumRole own_role, BlockPhase phase, FrameType received);

struct QueuedFrame {
  FrameHeader header;
  Bytes payload;
};

// What jobs read and write. Jobs share its ownership, so that a block may end while its job still
// runs.
struct BlockWork {
  Commitment commitment;
  RawKey outcomes;
  SettingPlanes settings;
  EmissionSums emitted;
  SiftedBlock sifted;
  std::unique_ptr<Reconciler> reconciler;
  ReconcileReport report;
  ReconciledKey reconciled;
  VerifiedKey verified;
  SecretKey secret;
};

struct LinkBlock {
  BlockId id{};
  BlockPhase phase{};
  Instant started;
  Instant reconcile_started;  // Alice
  bool is_busy = false;       // a job or a device request is under way; frames wait in the inbox
  std::deque<QueuedFrame> inbox;
  std::shared_ptr<BlockWork> work = std::make_shared<BlockWork>();

  Bytes commitment_message;  // Alice: until its tag has verified
  bool is_information_theoretic =
      false;  // every frame of it under Wegman-Carter with key from the ledger
  std::uint64_t covering_counter =
      0;  // the peer tag that covers this frame counter lets the block go on
  std::uint64_t commitment_tag_counter =
      0;  // Bob: Alice's sift must have been made after she processed this frame
  BlockCounts counts;
  std::uint32_t qber_estimate_ppm = 0;
  Verify verify;  // Alice: what she sent
  KeyLength own_length;
  Amplify amplify;
  Passport passport;  // from when it was prepared
  double f_ec = 0;
  double qber_key = 0;
  double qber_test = 0;
  bool peer_is_prepared = false;
};

}  // namespace quoin
