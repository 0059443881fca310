#include "distill/proof.hpp"

#include <algorithm>
#include <cmath>

#include "distill/lim2014.hpp"
#include "distill/proof_checks.hpp"
#include "distill/variable_length.hpp"

namespace quoin {

namespace {

constexpr std::array<const char*, intensity_count> intensity_names{"signal", "decoy", "vacuum"};

MaybeRefusal refuse_basis(const char* name, const BasisCounts& counts,
                          const std::array<std::uint64_t, intensity_count>& sent) {
  for (std::size_t k = 0; k < intensity_count; ++k) {
    if (counts.errors[k] > counts.detected[k])
      return Refusal{"counts", std::string("more errors than detections in the ") + name};
    if (counts.detected[k] > sent[k])
      return Refusal{"counts", std::string("more detections than pulses in the ") + name + " (" +
                                   intensity_names[k] + ")"};
  }
  if (counts.detected_total() == 0)
    return Refusal{"no_detections", std::string("no detections in the ") + name +
                                        ": the block is too short or the loss too high"};
  return {};
}

// With the pulses really sent: sharper than with their probabilities.
MaybeRefusal refuse_block_gains(const char* name, const BasisCounts& counts,
                                const std::array<std::uint64_t, intensity_count>& sent) {
  std::array<double, intensity_count> n{};
  std::array<double, intensity_count> pulses{};
  for (std::size_t k = 0; k < intensity_count; ++k) {
    n[k] = static_cast<double>(counts.detected[k]);
    pulses[k] = static_cast<double>(sent[k]);
  }
  return refuse_gains(name, n, pulses);
}

MaybeRefusal refuse_block(const ProofInput& in) {
  const BlockCounts& c = in.counts;
  const auto& sent_key = c.emitted.sent[static_cast<std::size_t>(Basis::key_x)];
  const auto& sent_test = c.emitted.sent[static_cast<std::size_t>(Basis::test_z)];
  if (c.emitted.total() != c.slots)
    return Refusal{"counts", "the emitted pulses do not add up to the slots"};
  if (c.key.detected_total() + c.test.detected_total() > c.detections || c.detections > c.slots)
    return Refusal{"counts", "more detections were sifted than there were"};
  if (auto refusal = refuse_basis("key basis", c.key, sent_key)) return refusal;
  if (auto refusal = refuse_basis("test basis", c.test, sent_test)) return refusal;
  if (auto refusal = refuse_block_gains("key basis", c.key, sent_key)) return refusal;
  return refuse_block_gains("test basis", c.test, sent_test);
}

// The tag misses a difference with probability (blocks of 128 bits + 3) / 2^t; security-rules C5.
MaybeRefusal refuse_verification(const ProofInput& in) {
  const double blocks = std::ceil(static_cast<double>(in.counts.key.detected_total()) / 128) + 3;
  const double epsilon = blocks * std::exp2(-static_cast<double>(in.verification_bits));
  if (epsilon <= in.epsilon_cor) return {};
  return Refusal{"verification", "a verification tag of " + std::to_string(in.verification_bits) +
                                     " bits misses an error with probability " +
                                     short_number(epsilon) + ", above epsilon_cor " +
                                     short_number(in.epsilon_cor)};
}

template <std::size_t K>
DecoyBasis<K> to_real(const BasisCounts& counts) {
  DecoyBasis<K> out;
  for (std::size_t k = 0; k < K; ++k) {
    out.detected[k] = static_cast<double>(counts.detected[k]);
    out.errors[k] = static_cast<double>(counts.errors[k]);
  }
  return out;
}

template <std::size_t K>
DecoySource<K> source_of(const ProofInput& in) {
  DecoySource<K> out;
  std::copy_n(in.mu.begin(), K, out.mu.begin());
  std::copy_n(in.p.begin(), K, out.p.begin());
  return out;
}

// The tag is subtracted whole, once (security-rules C5).
double correctness_bits(const ProofInput& in) {
  return std::max(static_cast<double>(in.verification_bits), std::log2(2 / in.epsilon_cor));
}

// What holds for the devices and the session whichever formula is used.
std::vector<std::string> common_assumptions() {
  return {
      "the probability of detection does not depend on the basis",
      "detectors have no memory: slots within any dead time are dropped",
      "the source emits phase-randomised Poissonian pulses",
      "intensities are exact and do not leak; settings of pulses are independent",
      "double clicks become random bits, so that a squashing map exists",
      "not covered: afterpulses, and dead time in effect, make detections depend on each other",
      "not covered: messages carry counters under their tags, not times of synchronised clocks",
  };
}

std::string_view account_of(bool error_positions_public) {
  return error_positions_public
             ? "alice's parities counted; error positions public, so vacuum events count 0"
             : "alice's messages counted; error positions secret";
}

class Lim2014 final : public SecurityProof {
 public:
  std::string_view name() const override { return "lim2014"; }
  bool may_release_key() const override { return false; }
  std::string_view protocol() const override { return "bb84-decoy2"; }
  std::string_view leak_accounting(bool is_public) const override { return account_of(is_public); }

  std::vector<std::string> assumptions() const override {
    std::vector<std::string> all = common_assumptions();
    all.insert(all.begin(), "Lim et al., PRA 89, 022307 (2014): two decoys, Hoeffding bounds");
    all.emplace_back(
        "not covered: the proof takes sample sizes as fixed, here only the number of slots is");
    return all;
  }

  KeyLength key_length(const ProofInput& in) const override {
    KeyLength out;
    // The formula's own checks come first: with bad parameters nothing else means anything.
    const LimInput real{.key = to_real<3>(in.counts.key),
                        .test = to_real<3>(in.counts.test),
                        .source = source_of<3>(in),
                        .leak_bits = static_cast<double>(in.leak_ec_bits),
                        .correctness_bits = correctness_bits(in),
                        .epsilon_sec = in.epsilon_sec,
                        .vacuum_counts = !in.error_positions_public};
    for (auto refusal :
         {refuse_source(real.source), refuse_epsilons(in.epsilon_sec, in.epsilon_cor),
          refuse_block(in), refuse_verification(in)})
      if (refusal) {
        refuse(out, std::move(*refusal));
        return out;
      }
    return lim2014_length(real, in.epsilon_cor);
  }
};

// Two decoys (K = 3 intensities) or one (K = 2).
template <std::size_t K>
class VariableLength final : public SecurityProof {
 public:
  std::string_view name() const override {
    return K == 3 ? "variable_length_decoy2" : "variable_length_decoy1";
  }
  bool may_release_key() const override { return true; }
  std::string_view protocol() const override { return K == 3 ? "bb84-decoy2" : "bb84-decoy1"; }
  std::string_view leak_accounting(bool is_public) const override { return account_of(is_public); }

  std::vector<std::string> assumptions() const override {
    std::vector<std::string> all = common_assumptions();
    all.insert(all.begin(),
               K == 3 ? "variable length, two decoys: arXiv:2408.17349 and arXiv:2405.16578; never "
                        "above Lim et al., PRA 89, 022307 (2014)"
                      : "variable length, one decoy: arXiv:2408.17349 and arXiv:2405.16578; never "
                        "above Rusca et al., APL 112, 171104 (2018)");
    all.emplace_back(
        "Cascade's messages are a function of Alice's parities and the error positions, which Eve "
        "is given (arXiv:2307.00576)");
    return all;
  }

  KeyLength key_length(const ProofInput& in) const override {
    KeyLength out;
    const VariableLengthInput<K> real{.key = to_real<K>(in.counts.key),
                                      .test = to_real<K>(in.counts.test),
                                      .source = source_of<K>(in),
                                      .leak_bits = static_cast<double>(in.leak_ec_bits),
                                      .correctness_bits = correctness_bits(in),
                                      .epsilon_sec = in.epsilon_sec};
    for (auto refusal : {refuse_vacuum(in), refuse_source(real.source),
                         refuse_epsilons(in.epsilon_sec, in.epsilon_cor), refuse_block(in),
                         refuse_verification(in)})
      if (refusal) {
        refuse(out, std::move(*refusal));
        return out;
      }
    return variable_length(real, in.epsilon_cor);
  }

 private:
  // One decoy knows no third intensity; its pulses would be key bits outside the statistics.
  static MaybeRefusal refuse_vacuum(const ProofInput& in) {
    if (K == 3) return {};
    const auto& sent = in.counts.emitted.sent;
    if (in.p[2] == 0 && sent[0][2] == 0 && sent[1][2] == 0) return {};
    return Refusal{"intensities", "with one decoy the third intensity must never be sent"};
  }
};

}  // namespace

Result<std::unique_ptr<const SecurityProof>> make_proof(std::string_view name) {
  using Made = std::unique_ptr<const SecurityProof>;
  if (name == "variable_length_decoy2") return Made(std::make_unique<VariableLength<3>>());
  if (name == "variable_length_decoy1") return Made(std::make_unique<VariableLength<2>>());
  if (name == "lim2014") return Made(std::make_unique<Lim2014>());
  return fail(ErrorCode::configuration, "no security proof is called \"" + std::string(name) + "\"",
              "use \"variable_length_decoy2\", \"variable_length_decoy1\" or \"lim2014\"");
}

std::uint64_t proposed_length(const KeyLength& own) {
  return own.secret_bits > 0 ? own.secret_bits - 1 : 0;
}

Status accept_length(const KeyLength& own, std::uint64_t claimed_bits) {
  if (claimed_bits > own.secret_bits)
    return fail(ErrorCode::conflict, "the peer claims " + std::to_string(claimed_bits) +
                                         " secret bits where the own proof allows " +
                                         std::to_string(own.secret_bits));
  if (own.secret_bits == 0) return fail(ErrorCode::no_key, own.reason);
  return success();
}

}  // namespace quoin
