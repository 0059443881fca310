// A hostile peer of reconciliation. The first byte picks role, error rate and goal; every message
// has the right form, and its bits come from the input (then zeros), so that the state behind the
// decoder is reached. Some are sent raw.
#include <algorithm>

#include "core/check.hpp"
#include "distill/reconcile.hpp"

namespace {

using namespace quoin;

SiftedKey fixed_key(std::size_t size_bits) {
  SecretBits bits = SecretBits::zeroed(size_bits);
  std::uint64_t word = 0x9E3779B97F4A7C15ULL;
  for (std::uint64_t& out : bits.expose_secret_mutable()) out = word *= 6364136223846793005ULL;
  bits.trim();
  return SiftedKey::claim_stage(std::move(bits));
}

// Replaces what follows the header by input, keeping the unused bits of the last byte zero.
void spoil(Bytes& message, ByteSpan& input) {
  constexpr std::size_t header = 8;
  const std::size_t body = message.size() > header ? message.size() - header - 1 : 0;
  const std::size_t taken = std::min(body, input.size());
  std::copy_n(input.begin(), taken, message.begin() + header);
  input = input.subspan(taken);
}

constexpr ReconcileGoal goals[] = {ReconcileGoal::few_rounds, ReconcileGoal::balanced,
                                   ReconcileGoal::low_leak};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  if (size < 2) return 0;
  ByteSpan rest = std::as_bytes(std::span(input, size)).subspan(2);
  const QuantumRole role = (input[0] & 1) != 0 ? QuantumRole::bob : QuantumRole::alice;
  const std::size_t key_bits = 64 + input[1] * std::size_t{7};
  const ReconcileParameters parameters{.qber_estimate = (input[0] & 2) != 0 ? 0.02 : 0.2,
                                       .goal = goals[input[0] / 4 % std::size(goals)],
                                       .frame_bits = 512,
                                       .rounds_max = 200};
  auto own = make_reconciler(ReconcileFamily::cascade, role, fixed_key(key_bits), parameters);
  auto mirror =
      make_reconciler(ReconcileFamily::cascade, other(role), fixed_key(key_bits), parameters);
  if (!(*own)->start()) return 0;
  auto raw = (*own)->handle(rest.first(std::min<std::size_t>(rest.size(), 40)));
  if (raw) return 0;
  // The mirror image shows which form is expected.
  auto started = (*mirror)->start();
  auto fresh = make_reconciler(ReconcileFamily::cascade, role, fixed_key(key_bits), parameters);
  auto first = (*fresh)->start();
  std::optional<Bytes> to_own = role == QuantumRole::bob ? *started : std::nullopt;
  std::optional<Bytes> to_mirror = role == QuantumRole::alice ? *first : std::nullopt;
  for (std::size_t rounds = 0;; ++rounds) {
    QUOIN_INVARIANT(rounds < 1000, "reconciliation without an end");
    if (to_mirror) {
      auto answer = (*mirror)->handle(*to_mirror);
      if (!answer || !*answer) return 0;
      to_own = **answer;
    }
    spoil(*to_own, rest);
    auto answer = (*fresh)->handle(*to_own);
    if (!answer || !*answer) return 0;
    to_mirror = **answer;
  }
}
