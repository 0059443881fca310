#include "distill/gllp.hpp"

#include <algorithm>
#include <cmath>

#include "distill/asymptotic.hpp"
#include "distill/proof_checks.hpp"
#include "distill/statistics.hpp"

namespace quoin {

namespace {

MaybeRefusal refuse_input(const GllpCounts& in) {
  // Equal weights: only the order of the intensities is of interest here.
  const DecoySource<3> source{.mu = in.mu, .p = {0.25, 0.25, 0.5}};
  if (auto refusal = refuse_source(source)) return refusal;
  for (std::size_t k = 0; k < 3; ++k)
    if (!(in.sent[k] >= 1 && in.detected[k] <= in.sent[k] && std::isfinite(in.sent[k])))
      return Refusal{"counts", "more detections than pulses, or an intensity was never sent"};
  if (!(std::isfinite(in.leak_bits) && in.efficiency >= 1 && std::isfinite(in.efficiency)))
    return Refusal{"leakage", "the leakage is no count of bits, or the efficiency is below 1"};
  if (auto refusal = refuse_counts("pulses", in.detected, in.errors)) return refusal;
  if (!(in.detected[0] > 0))
    return Refusal{"no_detections", "no signal pulse was detected: nothing arrives"};
  return refuse_gains("equal bases", in.detected, in.sent);
}

MaybeRefusal refuse_result(const GllpCounts& in, const GllpInput& gains, const GllpBounds& b) {
  if (!(b.y1 <= 1))
    return Refusal{"yield_exceeds_one",
                   "the bound on the yield of single photons is above 1: the intensities are not "
                   "what they claim to be"};
  if (!(b.y0 <= 1 && b.q1 <= gains.gain[0]))
    return Refusal{"photon_number_splitting",
                   "single photons would be detected more often than all pulses together: pulses "
                   "of different intensity are treated differently (photon-number splitting)"};
  if (auto refusal = refuse_singles("signals", in.detected[0], b.y1)) return refusal;
  return refuse_phase_error(b.e1, in.errors[1], in.detected[1]);
}

}  // namespace

GllpBounds gllp_bounds(const GllpInput& in) {
  const auto [mu, v1, v2] = in.mu;
  const double scaled1 = in.gain[1] * std::exp(v1);
  const double scaled2 = in.gain[2] * std::exp(v2);
  GllpBounds out;
  out.y0 = std::max((v1 * scaled2 - v2 * scaled1) / (v1 - v2), 0.0);
  const double squares = v1 * v1 - v2 * v2;
  out.y1 = mu / (mu * v1 - mu * v2 - squares) *
           (scaled1 - scaled2 - squares / (mu * mu) * (in.gain[0] * std::exp(mu) - out.y0));
  out.q1 = mu * std::exp(-mu) * out.y1;
  out.e1 = 0.5;
  if (out.y1 > 0)
    out.e1 = std::max(0.0, (in.error[1] * scaled1 - in.error[2] * scaled2) / ((v1 - v2) * out.y1));
  return out;
}

double gllp_rate(const GllpBounds& b, double signal_gain, double signal_error, double efficiency) {
  const double single = b.q1 > 0 ? b.q1 * (1 - binary_entropy(b.e1)) : 0.0;
  return single - efficiency * signal_gain * binary_entropy(signal_error);
}

double channel_gain(const GllpChannel& c, double mu) {
  return c.y0 + 1 - std::exp(-c.transmittance * mu);
}

double channel_error(const GllpChannel& c, double mu) {
  const double arrives = 1 - std::exp(-c.transmittance * mu);
  return (c.y0 / 2 + c.misalignment * arrives) / channel_gain(c, mu);
}

GllpBounds infinite_decoy_values(const GllpChannel& c, double mu) {
  GllpBounds out;
  out.y0 = c.y0;
  out.y1 = c.y0 + c.transmittance;
  out.q1 = mu * std::exp(-mu) * out.y1;
  out.e1 = (c.y0 / 2 + c.misalignment * c.transmittance) / out.y1;
  return out;
}

KeyLength gllp_length(const GllpCounts& in) {
  KeyLength out;
  if (auto refusal = refuse_input(in)) {
    refuse(out, std::move(*refusal));
    return out;
  }
  GllpInput gains{.mu = in.mu, .gain = {}, .error = {}};
  for (std::size_t k = 0; k < 3; ++k) {
    gains.gain[k] = in.detected[k] / in.sent[k];
    gains.error[k] = in.detected[k] > 0 ? in.errors[k] / in.detected[k] : 0.5;
  }
  const GllpBounds b = gllp_bounds(gains);
  const Leakage leakage{.bits = in.leak_bits, .efficiency = in.efficiency};
  const double leak = leakage.of(in.detected[0], gains.error[0]);
  const double secrecy = in.sent[0] * b.q1 * (1 - binary_entropy(b.e1));
  out.derivation = {{"q_signal", gains.gain[0]},
                    {"e_signal", gains.error[0]},
                    {"q_decoy1", gains.gain[1]},
                    {"e_decoy1", gains.error[1]},
                    {"q_decoy2", gains.gain[2]},
                    {"e_decoy2", gains.error[2]},
                    {"y0", b.y0},
                    {"y1", b.y1},
                    {"q1", b.q1},
                    {"e1", b.e1},
                    {"leak_ec", leak},
                    {"rate", (secrecy - leak) / in.sent[0]}};
  if (auto refusal = refuse_result(in, gains, b)) {
    refuse(out, std::move(*refusal));
    return out;
  }
  settle_length(out, {.events = in.detected[0], .secrecy_bits = secrecy, .leak_bits = leak});
  return out;
}

}  // namespace quoin
