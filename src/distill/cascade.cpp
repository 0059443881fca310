#include "distill/cascade_key.hpp"
#include "distill/cascade_state.hpp"
#include "distill/reconcile.hpp"

namespace quoin {

namespace {

constexpr std::size_t frames_max = 65536;

class Cascade final : public Reconciler {
 public:
  Cascade(QuantumRole role, SiftedKey&& key, const CascadePlan& plan,
          const ReconcileParameters& parameters)
      : role_(role),
        rounds_max_(parameters.rounds_max),
        layout_(plan, parameters.permutation_seed),
        key_(std::move(key), layout_),
        state_(layout_, key_, role == QuantumRole::bob) {}

  Result<std::optional<Bytes>> start() override {
    if (is_started_) return fail(ErrorCode::conflict, "reconciliation was started before");
    is_started_ = true;
    if (role_ == QuantumRole::bob || is_finished()) return std::optional<Bytes>();
    return std::optional<Bytes>(ask());
  }

  Result<std::optional<Bytes>> handle(ByteSpan message) override {
    if (!is_started_ || is_finished())
      return fail(ErrorCode::conflict, "a reconciliation message out of turn");
    QUOIN_TAKE(bits, decode(message));
    report_.reverse_bits += bits.size_bits();
    if (role_ == QuantumRole::alice) {
      QUOIN_TRY(advance(bits));
      if (is_finished()) return std::optional<Bytes>();
      return std::optional<Bytes>(ask());
    }
    report_.leak_bits += bits.size_bits();
    BitString differences = state_.answers().copy();
    for (std::size_t w = 0; w < bits.words().size(); ++w) differences.words()[w] ^= bits.words()[w];
    Bytes answer = encode_round(differences);
    QUOIN_TRY(advance(differences));
    return std::optional<Bytes>(std::move(answer));
  }

  bool is_finished() const override { return is_started_ && state_.is_finished(); }

  ReconcileReport report() const override {
    ReconcileReport out = report_;
    out.frames = layout_.plan().frames;
    out.frames_disclosed = state_.frames_disclosed();
    out.error_positions = state_.error_positions();
    return out;
  }

  ReconciledKey take_key() && override {
    QUOIN_INVARIANT(is_finished(), "the key of an unfinished reconciliation");
    return ReconciledKey::claim_stage(
        role_ == QuantumRole::alice ? std::move(key_).release()
                                    : std::move(key_).release_corrected(state_.error_positions()));
  }

 private:
  Bytes encode_round(const BitString& bits) const {
    ByteWriter out;
    out.u32(static_cast<std::uint32_t>(report_.rounds)).bits(bits);
    return std::move(out).take();
  }

  Result<BitString> decode(ByteSpan message) const {
    const std::size_t expected = state_.answers().size_bits();
    ByteReader in(message);
    const std::uint32_t round = in.u32();
    BitString bits = in.bits(expected);
    QUOIN_TRY(in.finish("reconciliation message"));
    if (round != report_.rounds || bits.size_bits() != expected)
      return fail(ErrorCode::malformed, "a reconciliation message of another round or length");
    return bits;
  }

  // Alice: what the round asks for, which is counted as leaked here.
  Bytes ask() {
    const BitString bits = state_.answers().copy();
    report_.leak_bits += bits.size_bits();
    return encode_round(bits);
  }

  Status advance(const BitString& differences) {
    ++report_.rounds;
    return state_.advance(differences.words(), report_.rounds >= rounds_max_);
  }

  QuantumRole role_;
  std::uint64_t rounds_max_;
  CascadeLayout layout_;
  CascadeKey key_;
  CascadeState state_;
  ReconcileReport report_;
  bool is_started_ = false;
};

}  // namespace

Result<std::unique_ptr<Reconciler>> make_cascade(QuantumRole role, SiftedKey&& key,
                                                 const ReconcileParameters& parameters) {
  SiftedKey own = std::move(key);
  // Written so that a number that is none (NaN) is refused.
  const bool is_rate = parameters.qber_estimate > 0 && parameters.qber_estimate <= 0.5;
  if (!is_rate)
    return fail(ErrorCode::invalid_argument, "the estimated error rate is not within (0, 0.5]");
  if (parameters.frame_bits < 64 || parameters.frame_bits > 65536 ||
      parameters.frame_bits % 64 != 0)
    return fail(ErrorCode::invalid_argument, "frames have 64 to 65536 bits, in steps of 64");
  if (own.size_bits() > parameters.key_bits_max ||
      own.size_bits() / parameters.frame_bits >= frames_max)
    return fail(ErrorCode::too_large, "the sifted key is longer than a block may be");
  const CascadePlan plan = make_cascade_plan(own.size_bits(), parameters);
  return std::unique_ptr<Reconciler>(
      std::make_unique<Cascade>(role, std::move(own), plan, parameters));
}

}  // namespace quoin
