// Eve as a plug-in between source and detectors. An Eve here is memoryless: slot by slot she turns
// what Alice sent into a distribution of click masks at Bob's live detectors. That covers
// intercept-resend, photon-number splitting (she may count photons), blinding (she may force or
// suppress clicks per basis) and the honest fibre. Carried by the simulator and by src/lab.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "core/quantum_vocabulary.hpp"
#include "core/result.hpp"
#include "quantum/link_physics.hpp"

namespace quoin {

struct PulseSetting {
  Basis basis = Basis::key_x;
  Intensity intensity = Intensity::signal;
  bool bit = false;
};

// Indexed by mask: bit 0 = detector of outcome 0 clicked, bit 1 = detector of outcome 1. Sums to 1.
using ClickMaskProbabilities = std::array<double, 4>;

// The honest optics, for an Eve to build on. Calls no libm: the simulator draws from it.
class OpticalChannel {
 public:
  explicit OpticalChannel(const LinkPhysics& physics) : physics_(physics) {}

  const LinkPhysics& physics() const { return physics_; }
  double mu(Intensity intensity) const { return physics_.mu[static_cast<std::size_t>(intensity)]; }
  // A coherent pulse of mean `mean_photons` at the fibre's input, in state (basis, bit), measured
  // by Bob in `measured`: loss, misalignment, efficiency and dark counts applied.
  ClickMaskProbabilities masks_for_state(double mean_photons, Basis basis, bool bit,
                                         Basis measured) const;
  // Independent Poisson means absorbed in the two detectors, dark counts added.
  ClickMaskProbabilities masks_for_absorbed(std::array<double, 2> means) const;

 private:
  LinkPhysics physics_;
};

class Eve {
 public:
  virtual ~Eve() = default;
  virtual std::string name() const = 0;
  // Must not call libm (results have to be equal on every CPU).
  virtual ClickMaskProbabilities click_masks(const OpticalChannel& channel,
                                             const PulseSetting& sent, Basis measured) const = 0;
};

// The fibre alone.
class NoEve final : public Eve {
 public:
  std::string name() const override { return "none"; }
  ClickMaskProbabilities click_masks(const OpticalChannel& channel, const PulseSetting& sent,
                                     Basis measured) const override;
};

// Measures a fraction of the pulses in a random basis with an ideal photon-counting receiver and
// resends as many photons in the state she found (majority vote). Gains stay as they are; the error
// rate of either basis grows by fraction/4 (1 - 2 e0).
class InterceptResend final : public Eve {
 public:
  // invalid_argument unless 0 <= fraction <= 1.
  static Result<std::shared_ptr<const Eve>> make(double fraction);
  std::string name() const override { return "intercept-resend"; }
  ClickMaskProbabilities click_masks(const OpticalChannel& channel, const PulseSetting& sent,
                                     Basis measured) const override;

 private:
  explicit InterceptResend(double fraction) : fraction_(fraction) {}
  double fraction_;
};

}  // namespace quoin
