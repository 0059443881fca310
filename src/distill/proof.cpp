#include "distill/proof.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "distill/lim2014.hpp"

namespace quoin {

namespace {

constexpr std::array<const char*, intensity_count> intensity_names{"signal", "decoy", "vacuum"};

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

// A reason why the link's parameters allow no statement, or an empty text.
std::string refuse_parameters(const ProofInput& in) {
  // Written so that a number that is none (NaN) is refused.
  const auto& mu = in.mu;
  const bool is_ordered = mu[2] >= 0 && mu[1] > mu[2] && mu[0] > mu[1] + mu[2] && mu[0] < 10;
  if (!is_ordered) return "the intensities must satisfy mu1 > mu2 + mu3 and mu2 > mu3 >= 0";
  const auto is_within_0_1 = [](double value) { return value > 0 && value < 1; };
  if (!std::ranges::all_of(in.p, is_within_0_1))
    return "every intensity must be sent with a probability within (0, 1)";
  if (std::abs(in.p[0] + in.p[1] + in.p[2] - 1) > 1e-9)
    return "the probabilities of the intensities do not add up to 1";
  if (!is_within_0_1(in.epsilon_sec) || !is_within_0_1(in.epsilon_cor))
    return "the epsilons must be within (0, 1)";
  return {};
}

std::string refuse_basis(const char* name, const BasisCounts& counts,
                         const std::array<std::uint64_t, intensity_count>& sent) {
  for (std::size_t k = 0; k < intensity_count; ++k) {
    if (counts.errors[k] > counts.detected[k])
      return std::string("more errors than detections in the ") + name + " basis";
    if (counts.detected[k] > sent[k])
      return std::string("more detections than pulses in the ") + name + " basis (" +
             intensity_names[k] + ")";
  }
  if (counts.detected_total() == 0)
    return std::string("no detections in the ") + name +
           " basis: the block is too short or the loss too high";
  return {};
}

// The detection rate must fall with the intensity; five standard deviations are forgiven.
std::string refuse_gains(const char* name, const BasisCounts& counts,
                         const std::array<std::uint64_t, intensity_count>& sent) {
  constexpr double deviations = 5;
  for (std::size_t k = 0; k + 1 < intensity_count; ++k) {
    if (sent[k] == 0 || sent[k + 1] == 0) continue;
    const auto brighter = static_cast<double>(counts.detected[k]);
    const auto dimmer = static_cast<double>(counts.detected[k + 1]);
    const auto n_brighter = static_cast<double>(sent[k]);
    const auto n_dimmer = static_cast<double>(sent[k + 1]);
    const double deviation = std::sqrt((brighter + 1) / (n_brighter * n_brighter) +
                                       (dimmer + 1) / (n_dimmer * n_dimmer));
    if (dimmer / n_dimmer > brighter / n_brighter + deviations * deviation)
      return std::string("the gain of ") + intensity_names[k + 1] + " pulses exceeds that of " +
             intensity_names[k] + " pulses in the " + name +
             " basis: someone treats them differently, or the source is miscalibrated";
  }
  return {};
}

std::string refuse_counts(const ProofInput& in) {
  const BlockCounts& c = in.counts;
  const auto& sent_key = c.emitted.sent[static_cast<std::size_t>(Basis::key_x)];
  const auto& sent_test = c.emitted.sent[static_cast<std::size_t>(Basis::test_z)];
  if (c.emitted.total() != c.slots) return "the emitted pulses do not add up to the slots";
  if (c.key.detected_total() + c.test.detected_total() > c.detections || c.detections > c.slots)
    return "more detections were sifted than there were";
  for (const auto& reason :
       {refuse_basis("key", c.key, sent_key), refuse_basis("test", c.test, sent_test),
        refuse_gains("key", c.key, sent_key), refuse_gains("test", c.test, sent_test)})
    if (!reason.empty()) return reason;
  return {};
}

// The tag misses a difference with probability (blocks of 128 bits + 3) / 2^t; security-rules C5.
std::string refuse_verification(const ProofInput& in) {
  const double blocks = std::ceil(static_cast<double>(in.counts.key.detected_total()) / 128) + 3;
  const double epsilon = blocks * std::exp2(-static_cast<double>(in.verification_bits));
  if (epsilon > in.epsilon_cor)
    return "a verification tag of " + std::to_string(in.verification_bits) +
           " bits misses an error with probability " + number(epsilon) + ", above epsilon_cor " +
           number(in.epsilon_cor);
  return {};
}

LimBasis to_real(const BasisCounts& counts) {
  LimBasis out;
  for (std::size_t k = 0; k < intensity_count; ++k) {
    out.detected[k] = static_cast<double>(counts.detected[k]);
    out.errors[k] = static_cast<double>(counts.errors[k]);
  }
  return out;
}

// Bounds that contradict what was counted (a photon-number-splitting attack looks like this).
std::string refuse_bounds(const LimBounds& b, double n_x, double n_z) {
  if (b.s_x0 > n_x || b.s_z0 > n_z)
    return "the bound on vacuum events exceeds the detections: the intensities are not what they "
           "claim to be";
  if (b.s_x1 > n_x - b.s_x0 || b.s_z1 > n_z - b.s_z0)
    return "the bound on single-photon events exceeds the detections: photons of different pulse "
           "intensities are treated differently (photon-number splitting)";
  return {};
}

std::string explain_zero(const LimBounds& b, const ProofInput& in) {
  const auto n_x = static_cast<double>(in.counts.key.detected_total());
  if (b.s_x1 <= 0)
    return "no single-photon events can be guaranteed in the key basis (bound " + number(b.s_x1) +
           " of " + number(n_x) + " detections): the block is too short or the loss too high";
  if (b.s_z1 <= 0)
    return "no single-photon events can be guaranteed in the test basis (bound " + number(b.s_z1) +
           "): the block is too short or the loss too high";
  if (b.phi_x >= 0.5)
    return "phase error bound 0.5 or more: too many errors in the test basis (" +
           std::to_string(in.counts.test.errors_total()) + " of " +
           std::to_string(in.counts.test.detected_total()) + "), or too small a sample";
  const double secrecy = b.length_bits + b.penalty_bits + static_cast<double>(in.leak_ec_bits);
  return "single photons carry " + number(secrecy) + " secret bits (" + number(b.s_x1) +
         " events, phase error bound " + number(b.phi_x) + "), error correction leaked " +
         number(static_cast<double>(in.leak_ec_bits)) + " and the finite size costs " +
         number(b.penalty_bits) + ": nothing is left";
}

class Lim2014 final : public SecurityProof {
 public:
  std::string_view name() const override { return "lim2014"; }
  std::string_view protocol() const override { return "bb84-decoy2"; }

  std::vector<std::string> assumptions() const override {
    return {
        "Lim et al., PRA 89, 022307 (2014): two decoys, Hoeffding bounds",
        "the probability of detection does not depend on the basis",
        "detectors have no memory: slots within any dead time are dropped",
        "the source emits phase-randomised Poissonian pulses",
        "intensities are exact and do not leak",
        "double clicks become random bits",
        "not covered: the proof takes sample sizes as fixed, here only the number of slots is",
        "not covered: dead time and afterpulses make detections depend on each other",
    };
  }

  std::string_view leak_accounting(bool error_positions_public) const override {
    return error_positions_public
               ? "alice's parities counted; error positions public, so vacuum events count 0"
               : "alice's messages counted; error positions secret";
  }

  KeyLength key_length(const ProofInput& in) const override {
    KeyLength out;
    for (const auto& refuse : {refuse_parameters, refuse_counts, refuse_verification}) {
      out.reason = refuse(in);
      if (!out.reason.empty()) return out;
    }
    LimInput real;
    real.key = to_real(in.counts.key);
    real.test = to_real(in.counts.test);
    real.mu = in.mu;
    real.p = in.p;
    real.leak_bits = static_cast<double>(in.leak_ec_bits);
    real.correctness_bits =
        std::max(static_cast<double>(in.verification_bits), std::log2(2 / in.epsilon_cor));
    real.epsilon_sec = in.epsilon_sec;
    real.vacuum_counts = !in.error_positions_public;
    const LimBounds bounds = lim2014_bounds(real);
    const auto n_x = static_cast<double>(in.counts.key.detected_total());
    const auto n_z = static_cast<double>(in.counts.test.detected_total());
    describe(bounds, real, n_x, n_z, out);
    out.reason = refuse_bounds(bounds, n_x, n_z);
    if (!out.reason.empty()) return out;
    if (!(bounds.length_bits >= 1)) {
      out.reason = explain_zero(bounds, in);
      return out;
    }
    out.secret_bits = static_cast<std::uint64_t>(std::floor(std::min(bounds.length_bits, n_x)));
    return out;
  }

 private:
  static void describe(const LimBounds& b, const LimInput& in, double n_x, double n_z,
                       KeyLength& out) {
    out.derivation = {{"n_x", n_x},
                      {"n_z", n_z},
                      {"tau0", b.tau0},
                      {"tau1", b.tau1},
                      {"s_x0", b.s_x0},
                      {"s_x0_counted", in.vacuum_counts ? b.s_x0 : 0.0},
                      {"s_x1", b.s_x1},
                      {"s_z1", b.s_z1},
                      {"v_z1", b.v_z1},
                      {"phi_x", b.phi_x},
                      {"leak_ec", in.leak_bits},
                      {"penalty", b.penalty_bits},
                      {"length", b.length_bits}};
  }
};

}  // namespace

Result<std::unique_ptr<const SecurityProof>> make_proof(std::string_view name) {
  if (name == "lim2014") return std::unique_ptr<const SecurityProof>(std::make_unique<Lim2014>());
  return fail(ErrorCode::configuration, "no security proof is called \"" + std::string(name) + "\"",
              "use \"lim2014\"");
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
