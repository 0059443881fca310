#include <algorithm>
#include <cmath>

#include "distill/cascade_frame.hpp"
#include "distill/cascade_key.hpp"
#include "distill/reconcile.hpp"
#include "kernels/bit_ops.hpp"

namespace quoin {

namespace {

constexpr std::size_t frames_max = 65536;
constexpr std::size_t message_header_bytes = 8;  // round, number of bits

// Writes bits front to back into a string of known length.
class BitAppender {
 public:
  explicit BitAppender(std::size_t size_bits) : bits_(size_bits) {}
  void append(bool bit) {
    bits_.words()[at_ / 64] |= std::uint64_t{bit} << (at_ % 64);
    ++at_;
  }
  BitString take() && {
    QUOIN_INVARIANT(at_ == bits_.size_bits(), "a cascade message has another length than counted");
    return std::move(bits_);
  }

 private:
  BitString bits_;
  std::size_t at_ = 0;
};

// A key shorter than a frame is one frame of its own length.
std::size_t full_frame_bits(std::size_t key_bits, std::size_t frame_bits) {
  return key_bits == 0 ? frame_bits : std::min(key_bits, frame_bits);
}

std::size_t last_frame_bits(std::size_t key_bits, std::size_t frame_bits) {
  return key_bits % frame_bits == 0 ? full_frame_bits(key_bits, frame_bits) : key_bits % frame_bits;
}

class Cascade final : public Reconciler {
 public:
  Cascade(QuantumRole role, SiftedKey&& key, const ReconcileParameters& parameters)
      : role_(role),
        rounds_max_(parameters.rounds_max),
        key_bits_(key.size_bits()),
        full_(make_cascade_layout(parameters.permutation_seed,
                                  full_frame_bits(key_bits_, parameters.frame_bits),
                                  parameters.qber_estimate)),
        last_(last_frame_bits(key_bits_, parameters.frame_bits) == full_.frame_bits
                  ? full_
                  : make_cascade_layout(parameters.permutation_seed,
                                        last_frame_bits(key_bits_, parameters.frame_bits),
                                        parameters.qber_estimate)),
        key_(std::move(key), full_, last_) {
    frames_.reserve(key_.frames());
    for (std::size_t f = 0; f < key_.frames(); ++f) {
      frames_.emplace_back(key_.layout(f));
      active_.push_back(f);
    }
    report_.frames = key_.frames();
  }

  Result<std::optional<Bytes>> start() override {
    if (is_started_) return fail(ErrorCode::conflict, "reconciliation was started before");
    is_started_ = true;
    if (role_ == QuantumRole::bob || active_.empty()) return std::optional<Bytes>();
    return std::optional<Bytes>(ask());
  }

  Result<std::optional<Bytes>> handle(ByteSpan message) override {
    if (!is_started_ || is_finished())
      return fail(ErrorCode::conflict, "a reconciliation message out of turn");
    QUOIN_TAKE(bits, decode(message));
    if (role_ == QuantumRole::bob) {
      report_.leak_bits += bits.size_bits();
      report_.reverse_bits += bits.size_bits();
      const BitString differences = compare(bits);
      Bytes answer = encode_round(differences);
      QUOIN_TRY(advance(differences));
      return std::optional<Bytes>(std::move(answer));
    }
    report_.reverse_bits += bits.size_bits();
    QUOIN_TRY(advance(bits));
    if (is_finished()) return std::optional<Bytes>();
    return std::optional<Bytes>(ask());
  }

  bool is_finished() const override { return is_started_ && active_.empty(); }

  ReconcileReport report() const override {
    ReconcileReport out = report_;
    out.error_positions = BitString(key_bits_);
    auto at = out.error_positions.words().begin();
    for (const CascadeFrame& frame : frames_) {
      const WordSpan errors = frame.error_positions();
      at = std::copy(errors.begin(), errors.end(), at);
      if (frame.is_disclosed()) ++out.frames_disclosed;
    }
    return out;
  }

  ReconciledKey take_key() && override {
    QUOIN_INVARIANT(is_finished(), "the key of an unfinished reconciliation");
    return ReconciledKey::claim_stage(std::move(key_).release());
  }

 private:
  std::size_t question_count() const {
    std::size_t total = 0;
    for (const std::size_t f : active_) total += frames_[f].question_count();
    return total;
  }

  Bytes encode_round(const BitString& bits) const {
    ByteWriter out;
    out.u32(static_cast<std::uint32_t>(report_.rounds)).bits(bits);
    return std::move(out).take();
  }

  Result<BitString> decode(ByteSpan message) const {
    const std::size_t expected = question_count();
    ByteReader in(message);
    const std::uint32_t round = in.u32();
    BitString bits = in.bits(expected);
    QUOIN_TRY(in.finish("reconciliation message"));
    if (round != report_.rounds || bits.size_bits() != expected)
      return fail(ErrorCode::malformed, "a reconciliation message of another round or length");
    return bits;
  }

  // Alice: the parities that the round asks for, which are counted as leaked here.
  Bytes ask() {
    BitAppender out(question_count());
    for (const std::size_t f : active_) {
      const CascadeFrame& frame = frames_[f];
      if (frame.phase() == CascadeFrame::Phase::disclosing) {
        const WordSpan words = key_.frame_words(f);
        for (std::size_t i = 0; i < frame.layout().frame_bits; ++i) out.append(bit_at(words, i));
      } else {
        frame.for_each_question(
            [&](std::size_t pass, CascadeNode node) { out.append(key_.parity(f, pass, node)); });
      }
    }
    const BitString bits = std::move(out).take();
    report_.leak_bits += bits.size_bits();
    return encode_round(bits);
  }

  // Bob: where his parities differ from Alice's. A disclosed frame becomes Alice's at once.
  BitString compare(const BitString& alice) {
    BitAppender out(alice.size_bits());
    BitCursor in(alice.words());
    for (const std::size_t f : active_) {
      const CascadeFrame& frame = frames_[f];
      if (frame.phase() == CascadeFrame::Phase::disclosing) {
        adopt_disclosed(f, in, out);
      } else {
        frame.for_each_question([&](std::size_t pass, CascadeNode node) {
          out.append(in.next() != key_.parity(f, pass, node));
        });
      }
    }
    return std::move(out).take();
  }

  void adopt_disclosed(std::size_t f, BitCursor& in, BitAppender& out) {
    const MutableWordSpan words = key_.frame_words_mutable(f);
    const WordSpan corrected = frames_[f].error_positions();
    for (std::size_t i = 0; i < frames_[f].layout().frame_bits; ++i) {
      const bool bit = in.next();
      // Against what Bob measured: corrections made so far are undone first.
      out.append((bit != bit_at(words, i)) != bit_at(corrected, i));
      assign_bit(words, i, bit);
    }
  }

  Status advance(const BitString& differences) {
    ++report_.rounds;
    const bool is_late = report_.rounds >= rounds_max_;
    BitCursor in(differences.words());
    std::size_t kept = 0;
    for (const std::size_t f : active_) {
      CascadeFrame& frame = frames_[f];
      QUOIN_TRY(frame.apply(in));
      if (role_ == QuantumRole::bob)
        for (const std::uint16_t position : frame.found()) key_.flip(f, position);
      if (frame.phase() == CascadeFrame::Phase::finished) continue;
      if (is_late) frame.disclose();
      active_[kept++] = f;
    }
    active_.resize(kept);
    return success();
  }

  QuantumRole role_;
  std::uint64_t rounds_max_;
  std::size_t key_bits_;
  CascadeLayout full_;
  CascadeLayout last_;
  CascadeKey key_;
  std::vector<CascadeFrame> frames_;
  std::vector<std::size_t> active_;  // frames that are not finished, ascending
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
  return std::unique_ptr<Reconciler>(std::make_unique<Cascade>(role, std::move(own), parameters));
}

std::size_t reconcile_message_bytes_max(std::size_t key_bits) {
  return message_header_bytes + bytes_for_bits(key_bits);
}

bool leak_is_plausible(std::uint64_t errors, std::uint64_t key_bits, std::uint64_t leak_bits) {
  if (errors > key_bits) return false;
  if (errors == 0 || errors == key_bits) return true;
  const auto n = static_cast<double>(key_bits);
  const double rate = static_cast<double>(errors) / n;
  const double entropy = -rate * std::log2(rate) - (1 - rate) * std::log2(1 - rate);
  // C(n, e) >= 2^(n h(e/n)) / sqrt(8 e (1 - e/n)) (Cover, Thomas, Lemma 17.5.1).
  const double log2_patterns = n * entropy - std::log2(8 * n * rate * (1 - rate)) / 2;
  constexpr double slack_bits = 64;
  return static_cast<double>(leak_bits) >= log2_patterns - slack_bits;
}

}  // namespace quoin
