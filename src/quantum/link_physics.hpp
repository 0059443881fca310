// The parameters of a decoy-state BB84 link over fibre: source, fibre, receiver. For whoever
// configures, simulates or plans a link. Defaults: 100 MHz over 25 km, SNSPD receiver, about 5.7
// Mb/s sifted in the key basis, QBER about 0.6 %. Intensities, their probabilities and the bias are
// chosen for finite blocks: Lim 2014 with epsilon_sec 1e-10 and s_0 = 0 gives key from about 3e6
// sifted bits on, and 2 Mb/s of it at 1e7.
#pragma once

#include <array>
#include <cstdint>

#include "core/quantum_vocabulary.hpp"
#include "core/result.hpp"
#include "quantum/device.hpp"

namespace quoin {

struct LinkPhysics {
  double slot_rate_hz = 100e6;
  double distance_km = 25;
  double loss_db_per_km = 0.2;
  double receiver_loss_db = 1.0;  // optics in front of the detectors

  // Signal, decoy, vacuum: phase-randomised coherent pulses. Lim 2014 asks mu_0 > mu_1 + mu_2 and
  // mu_1 > mu_2 >= 0.
  std::array<double, intensity_count> mu{0.6, 0.2, 0.0};
  std::array<double, intensity_count> intensity_probability{0.60, 0.25, 0.15};
  double key_basis_probability = 0.9;  // on both sides

  double misalignment = 0.006;  // probability that a photon takes the wrong port in its own basis
  std::array<double, 2> detector_efficiency{0.85, 0.85};  // detector of outcome 0, of outcome 1
  std::array<double, 2> dark_counts_per_s{100.0, 100.0};  // per detector, gate = whole slot
  double dead_time_ns = 20;            // after a click in any detector all are off for this long
  double afterpulse_probability = 0;   // that a click causes one more in its detector later on
  double afterpulse_lifetime_ns = 50;  // of the trapped carrier, counted from the end of dead time
  double retention_s = 30;             // how far back Alice's settings are kept

  // Fibre only, 0..1.
  double fibre_transmittance() const;
  // Fibre, receiver and detector: from Alice's output to a count in detector `detector`.
  double total_efficiency(std::size_t detector) const;
  double dark_count_probability(std::size_t detector) const;
  // Slots after a click that are dead for any part of them.
  std::uint64_t dead_time_slots() const;
  // That a trapped carrier is released in a slot, given that it was not before.
  double release_probability() const;
  std::uint64_t retention_slots() const;
  DeviceCalibration calibration() const;
};

// ErrorCode::configuration with the field and the cure: values no link can have (efficiency over 1,
// negative loss, probabilities that do not sum to 1, intensities the decoy method cannot use, ...).
Status validate(const LinkPhysics& physics);

}  // namespace quoin
