#include "quantum/link_model.hpp"

#include <cmath>
#include <vector>

namespace quoin {

namespace {

// A detector that absorbs `mean` photons and has dark probability `dark` clicks with 1 - (1 -
// dark) e^-mean.
double click_of(double mean, double dark) { return dark + (1 - dark) * -std::expm1(-mean); }

// Alice's bit is `bit`; a photon reaches its own port with probability 1 - `stray`.
ClickRates rates_for_bit(const LinkPhysics& p, double mu, double stray, std::size_t bit) {
  const double line_db = p.distance_km * p.loss_db_per_km + p.receiver_loss_db;
  const double line = std::pow(10.0, -line_db / 10);
  const std::size_t other = 1 - bit;
  const double dark_right = -std::expm1(-p.dark_counts_per_s[bit] / p.slot_rate_hz);
  const double dark_wrong = -std::expm1(-p.dark_counts_per_s[other] / p.slot_rate_hz);
  const double right = click_of(mu * line * p.detector_efficiency[bit] * (1 - stray), dark_right);
  const double wrong = click_of(mu * line * p.detector_efficiency[other] * stray, dark_wrong);
  return {.gain = right + wrong - right * wrong,
          .double_click = right * wrong,
          .wrong_only = wrong * (1 - right)};
}

ClickRates rates(const LinkPhysics& p, double mu, double stray) {
  const ClickRates zero = rates_for_bit(p, mu, stray, 0);
  const ClickRates one = rates_for_bit(p, mu, stray, 1);
  return {.gain = (zero.gain + one.gain) / 2,
          .double_click = (zero.double_click + one.double_click) / 2,
          .wrong_only = (zero.wrong_only + one.wrong_only) / 2};
}

// The probability that the receiver is alive when a carrier is released, for a receiver that clicks
// with probability p per live slot: release falls on the live slots behind the click's own dead
// time with a geometric law, and a later click may have killed it. u(g), alive g slots behind the
// dead time: one minus the chance of a click in the dead_slots slots before.
double alive_at_release(double p, double release, std::uint64_t dead_slots) {
  std::vector<double> alive;
  double recent = 0;  // sum of the chances of a click in the last dead_slots slots
  double total = 0;
  double pending = 1;
  for (std::size_t g = 0; pending > 1e-12 && g < 1'000'000; ++g) {
    alive.push_back(1 - p * recent);
    total += pending * release * alive[g];
    pending *= 1 - release;
    recent += alive[g];
    if (g + 1 > dead_slots) recent -= alive[g - dead_slots];
  }
  return total / (1 - pending);
}

// Light and afterpulses together: each click releases a carrier with the afterpulse probability,
// and a carrier released into a live slot clicks. Exact to first order in that probability, and
// close to second.
double afterpulse_per_live_slot(const LinkPhysics& p, double light) {
  if (p.afterpulse_probability == 0 || light == 0) return 0;
  double afterpulse = 0;
  for (int i = 0; i < 20; ++i) {
    const double click = light + afterpulse - light * afterpulse;
    const double alive = alive_at_release(click, p.release_probability(), p.dead_time_slots());
    // Per slot the receiver clicks `click` times the live fraction, and the releases that find it
    // alive fall on that fraction of the slots.
    afterpulse = p.afterpulse_probability * click * alive;
  }
  return afterpulse;
}

// A released carrier clicks in one detector, whatever the pulse.
void add_afterpulse(ClickRates& rates, double afterpulse) {
  const double single = rates.gain - rates.double_click;
  rates.wrong_only *= 1 - afterpulse / 2;
  rates.wrong_only += (1 - rates.gain) * afterpulse / 2;
  rates.double_click += single * afterpulse / 2;
  rates.gain += (1 - rates.gain) * afterpulse;
}

std::uint64_t rounded(double count) { return static_cast<std::uint64_t>(std::llround(count)); }

}  // namespace

LinkModel link_model(const LinkPhysics& physics) {
  LinkModel m;
  const double q = physics.key_basis_probability;
  const double same = q * q + (1 - q) * (1 - q);
  for (std::size_t k = 0; k < intensity_count; ++k) {
    m.same_basis[k] = rates(physics, physics.mu[k], physics.misalignment);
    m.different_basis[k] = rates(physics, physics.mu[k], 0.5);
    const double pk = physics.intensity_probability[k];
    m.click_probability +=
        pk * (same * m.same_basis[k].gain + (1 - same) * m.different_basis[k].gain);
  }
  m.afterpulse_probability = afterpulse_per_live_slot(physics, m.click_probability);
  m.click_probability += (1 - m.click_probability) * m.afterpulse_probability;
  double gain = 0;
  double errors = 0;
  for (std::size_t k = 0; k < intensity_count; ++k) {
    const double pk = physics.intensity_probability[k];
    add_afterpulse(m.same_basis[k], m.afterpulse_probability);
    add_afterpulse(m.different_basis[k], m.afterpulse_probability);
    gain += pk * m.same_basis[k].gain;
    errors += pk * m.same_basis[k].gain * m.same_basis[k].error_rate();
  }
  // Non-paralysable dead time, common to all detectors (finitekey.md 5).
  m.live_fraction = 1 / (1 + m.click_probability * static_cast<double>(physics.dead_time_slots()));
  m.sifted_key_per_slot = q * q * gain * m.live_fraction;
  m.qber_key = gain > 0 ? errors / gain : 0.0;
  m.sifted_key_bps = m.sifted_key_per_slot * physics.slot_rate_hz;
  return m;
}

BlockCounts expected_counts(const LinkPhysics& physics, std::uint64_t slots) {
  const LinkModel m = link_model(physics);
  const double q = physics.key_basis_probability;
  const double n = static_cast<double>(slots);
  BlockCounts counts;
  counts.slots = slots;
  double doubles = 0;
  for (std::size_t k = 0; k < intensity_count; ++k) {
    const double pk = physics.intensity_probability[k];
    const double live = n * pk * m.live_fraction;
    const ClickRates& same = m.same_basis[k];
    const double key = live * q * q * same.gain;
    const double test = live * (1 - q) * (1 - q) * same.gain;
    counts.key.detected[k] = rounded(key);
    counts.test.detected[k] = rounded(test);
    counts.key.errors[k] = rounded(key * same.error_rate());
    counts.test.errors[k] = rounded(test * same.error_rate());
    counts.emitted.sent[0][k] = rounded(n * q * pk);
    counts.emitted.sent[1][k] = rounded(n * (1 - q) * pk);
    doubles += live * ((q * q + (1 - q) * (1 - q)) * same.double_click +
                       2 * q * (1 - q) * m.different_basis[k].double_click);
  }
  counts.detections = rounded(n * m.click_probability * m.live_fraction);
  counts.double_clicks = rounded(doubles);
  return counts;
}

}  // namespace quoin
