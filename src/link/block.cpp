#include "link/block.hpp"

namespace quoin {

namespace {

struct LegalMove {
  QuantumRole own_role;
  BlockPhase phase;
  FrameType received;
};

// Commitments open a block and aborts end one in any phase; both are handled before this table.
constexpr LegalMove legal_moves[] = {
    {QuantumRole::alice, BlockPhase::awaiting_estimate, FrameType::estimate},
    {QuantumRole::alice, BlockPhase::reconciling, FrameType::reconcile},
    {QuantumRole::alice, BlockPhase::awaiting_verify_result, FrameType::verify_result},
    {QuantumRole::bob, BlockPhase::awaiting_sift, FrameType::sift},
    {QuantumRole::bob, BlockPhase::awaiting_reconcile_start, FrameType::reconcile_start},
    {QuantumRole::bob, BlockPhase::reconciling, FrameType::reconcile},
    {QuantumRole::bob, BlockPhase::reconciling, FrameType::verify},
    {QuantumRole::bob, BlockPhase::awaiting_amplify, FrameType::amplify},
};

}  // namespace

const char* to_string(BlockPhase phase) {
  switch (phase) {
    case BlockPhase::awaiting_commitment_tag: return "awaiting the tag over the commitment";
    case BlockPhase::sifting: return "sifting";
    case BlockPhase::awaiting_estimate: return "awaiting the estimate";
    case BlockPhase::awaiting_verify_result: return "awaiting the verification result";
    case BlockPhase::awaiting_closing_tag: return "awaiting the closing tag";
    case BlockPhase::committing: return "committing to detections";
    case BlockPhase::awaiting_sift: return "awaiting the sift message";
    case BlockPhase::awaiting_reconcile_start: return "awaiting the start of reconciliation";
    case BlockPhase::awaiting_amplify: return "awaiting the amplification seed";
    case BlockPhase::awaiting_amplify_tag: return "awaiting the tag over the seed";
    case BlockPhase::reconciling: return "reconciling";
    case BlockPhase::amplifying: return "amplifying";
    case BlockPhase::prepared: return "prepared";
  }
  return "unknown";
}

bool is_legal(QuantumRole own_role, BlockPhase phase, FrameType received) {
  for (const LegalMove& move : legal_moves)
    if (move.own_role == own_role && move.phase == phase && move.received == received) return true;
  return false;
}

}  // namespace quoin
