#include "distill/tomamichel2012.hpp"

#include <cmath>

#include "distill/proof_checks.hpp"
#include "distill/statistics.hpp"

namespace quoin {

namespace {

MaybeRefusal refuse_input(const TomamichelInput& in) {
  if (auto refusal = refuse_epsilons(in.epsilon_sec, in.epsilon_cor)) return refusal;
  if (auto refusal = refuse_leak(in.leak_bits)) return refusal;
  if (!(in.n >= 1 && std::isfinite(in.n))) return Refusal{"no_detections", "there are no key bits"};
  if (!(in.k >= 1 && std::isfinite(in.k)))
    return Refusal{"no_detections", "there are no test bits: the phase error rate is unknown"};
  if (!(in.q_tol >= 0 && in.q_tol < 0.5))
    return Refusal{"phase_error", "the tolerated error rate must be within [0, 0.5)"};
  if (!(in.preparation_quality > 0 && in.preparation_quality <= 1))
    return Refusal{"preparation", "the preparation quality must be within (0, 1]"};
  return {};
}

}  // namespace

TomamichelBounds tomamichel2012_bounds(const TomamichelInput& in) {
  TomamichelBounds out;
  out.mu =
      std::sqrt((in.n + in.k) / (in.n * in.k) * (in.k + 1) / in.k * std::log(4 / in.epsilon_sec));
  out.phase_error = in.q_tol + out.mu;
  out.secrecy_bits = in.n * (in.preparation_quality - binary_entropy(out.phase_error));
  out.penalty_bits = 1 - 2 * std::log2(in.epsilon_sec) - std::log2(in.epsilon_cor);
  out.length_bits = out.secrecy_bits - in.leak_bits - out.penalty_bits;
  return out;
}

KeyLength tomamichel2012_length(const TomamichelInput& in) {
  KeyLength out;
  if (auto refusal = refuse_input(in)) {
    refuse(out, std::move(*refusal));
    return out;
  }
  const TomamichelBounds b = tomamichel2012_bounds(in);
  out.derivation = {{"n", in.n},
                    {"k", in.k},
                    {"q_tol", in.q_tol},
                    {"mu", b.mu},
                    {"phase_error", b.phase_error},
                    {"leak_ec", in.leak_bits},
                    {"penalty", b.penalty_bits}};
  if (auto refusal = refuse_phase_error(b.phase_error, in.q_tol * in.k, in.k)) {
    out.derivation.emplace_back("length", b.length_bits);
    refuse(out, std::move(*refusal));
    return out;
  }
  settle_length(out, {.events = in.n,
                      .secrecy_bits = b.secrecy_bits,
                      .leak_bits = in.leak_bits,
                      .penalty_bits = b.penalty_bits});
  return out;
}

}  // namespace quoin
