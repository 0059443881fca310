#include "quantum/eve.hpp"

#include "quantum/series.hpp"

namespace quoin {

ClickMaskProbabilities OpticalChannel::masks_for_absorbed(std::array<double, 2> means) const {
  std::array<double, 2> click{};
  for (std::size_t d = 0; d < 2; ++d) {
    const double dark = physics_.dark_count_probability(d);
    click[d] = dark + (1 - dark) * one_minus_exp_of_minus(means[d]);
  }
  return {(1 - click[0]) * (1 - click[1]), click[0] * (1 - click[1]), (1 - click[0]) * click[1],
          click[0] * click[1]};
}

ClickMaskProbabilities OpticalChannel::masks_for_state(double mean_photons, Basis basis, bool bit,
                                                       Basis measured) const {
  // Poisson light split by a beam splitter stays Poisson and independent in both arms.
  const double stray = basis == measured ? physics_.misalignment : 0.5;
  const std::size_t right = bit ? 1 : 0;
  std::array<double, 2> means{};
  means[right] = mean_photons * physics_.total_efficiency(right) * (1 - stray);
  means[1 - right] = mean_photons * physics_.total_efficiency(1 - right) * stray;
  return masks_for_absorbed(means);
}

ClickMaskProbabilities NoEve::click_masks(const OpticalChannel& channel, const PulseSetting& sent,
                                          Basis measured) const {
  return channel.masks_for_state(channel.mu(sent.intensity), sent.basis, sent.bit, measured);
}

Result<std::shared_ptr<const Eve>> InterceptResend::make(double fraction) {
  if (!(fraction >= 0 && fraction <= 1))
    return fail(ErrorCode::invalid_argument,
                "intercept-resend takes a fraction of the pulses, not " + std::to_string(fraction),
                "give 0 to 1");
  return std::shared_ptr<const Eve>(new InterceptResend(fraction));
}

ClickMaskProbabilities InterceptResend::click_masks(const OpticalChannel& channel,
                                                    const PulseSetting& sent,
                                                    Basis measured) const {
  // She resends as many photons as she counted, and that number is Poisson whatever state she
  // found: the light that leaves her is a coherent pulse of the same mean. In Alice's basis she
  // finds Alice's bit; in the other one her result is a fair coin.
  const double mean = channel.mu(sent.intensity);
  const Basis wrong = sent.basis == Basis::key_x ? Basis::test_z : Basis::key_x;
  const auto untouched = channel.masks_for_state(mean, sent.basis, sent.bit, measured);
  const auto zero = channel.masks_for_state(mean, wrong, false, measured);
  const auto one = channel.masks_for_state(mean, wrong, true, measured);
  ClickMaskProbabilities masks{};
  for (std::size_t m = 0; m < masks.size(); ++m)
    masks[m] = (1 - fraction_ / 2) * untouched[m] + fraction_ / 2 * ((zero[m] + one[m]) / 2);
  return masks;
}

}  // namespace quoin
