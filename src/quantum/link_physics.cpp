#include "quantum/link_physics.hpp"

#include "quantum/series.hpp"

namespace quoin {

namespace {

constexpr double ln_10 = 2.302585092994045684;
constexpr double ns_per_second = 1e9;
constexpr std::uint64_t dead_time_slots_max = std::uint64_t{1} << 32;
constexpr double retention_slots_max = 1e15;

double transmittance(double loss_db) { return exp_of_minus(loss_db * (ln_10 / 10)); }

// Written so that NaN is outside every range.
bool is_within(double value, double low, double high) { return value >= low && value <= high; }

Status check_range(const char* name, double value, double low, double high, const char* cure) {
  if (is_within(value, low, high)) return success();
  return fail(ErrorCode::configuration,
              std::string(name) + " is " + std::to_string(value) + ", which no link can have",
              cure);
}

Status check_line(const LinkPhysics& p) {
  QUOIN_TRY(check_range("slot_rate_hz", p.slot_rate_hz, 1e3, 1e11, "give 1e3 to 1e11"));
  QUOIN_TRY(check_range("distance_km", p.distance_km, 0, 2000, "give 0 to 2000"));
  QUOIN_TRY(check_range("loss_db_per_km", p.loss_db_per_km, 0, 100,
                        "give 0 to 100; a loss is positive (0.2 for telecom fibre)"));
  return check_range("receiver_loss_db", p.receiver_loss_db, 0, 100,
                     "give 0 to 100; a loss is positive");
}

Status check_source(const LinkPhysics& p) {
  double sum = 0;
  for (std::size_t k = 0; k < intensity_count; ++k) {
    QUOIN_TRY(check_range("mu", p.mu[k], 0, 10, "give mean photon numbers from 0 to 10"));
    QUOIN_TRY(check_range("intensity_probability", p.intensity_probability[k], 0, 1,
                          "give probabilities from 0 to 1"));
    sum += p.intensity_probability[k];
  }
  if (!is_within(sum, 1 - 1e-9, 1 + 1e-9))
    return fail(ErrorCode::configuration,
                "the intensity probabilities sum to " + std::to_string(sum),
                "make signal, decoy and vacuum sum to 1");
  if (!(p.mu[1] > p.mu[2] && p.mu[0] > p.mu[1] + p.mu[2]))
    return fail(ErrorCode::configuration, "the intensities do not suit the decoy method (Lim 2014)",
                "choose mu so that decoy > vacuum >= 0 and signal > decoy + vacuum");
  return check_range("key_basis_probability", p.key_basis_probability, 0.001, 0.999,
                     "give 0.001 to 0.999; both bases are needed");
}

Status check_receiver(const LinkPhysics& p) {
  QUOIN_TRY(check_range("misalignment", p.misalignment, 0, 0.5, "give 0 to 0.5"));
  for (std::size_t d = 0; d < 2; ++d) {
    QUOIN_TRY(check_range("detector_efficiency", p.detector_efficiency[d], 0, 1,
                          "give 0 to 1 per detector"));
    QUOIN_TRY(check_range("dark_counts_per_s", p.dark_counts_per_s[d], 0, p.slot_rate_hz,
                          "give 0 to at most one per slot"));
  }
  QUOIN_TRY(check_range("dead_time_ns", p.dead_time_ns, 0, 1e9, "give 0 to 1e9"));
  if (p.dead_time_slots() > dead_time_slots_max)
    return fail(ErrorCode::configuration, "dead_time_ns covers more than 2^32 slots",
                "shorten the dead time or lower slot_rate_hz");
  QUOIN_TRY(check_range("afterpulse_probability", p.afterpulse_probability, 0, 0.9,
                        "give 0 to 0.9; a click that always causes another never ends"));
  QUOIN_TRY(check_range("afterpulse_lifetime_ns", p.afterpulse_lifetime_ns, 0.01, 1e6,
                        "give 0.01 to 1e6"));
  QUOIN_TRY(check_range("retention_s", p.retention_s, 0.001, 1e6, "give 0.001 to 1e6"));
  return check_range("retention_s * slot_rate_hz", p.retention_s * p.slot_rate_hz, 1,
                     retention_slots_max, "shorten retention_s");
}

}  // namespace

double LinkPhysics::fibre_transmittance() const {
  return transmittance(distance_km * loss_db_per_km);
}

double LinkPhysics::total_efficiency(std::size_t detector) const {
  return fibre_transmittance() * transmittance(receiver_loss_db) * detector_efficiency[detector];
}

double LinkPhysics::dark_count_probability(std::size_t detector) const {
  return one_minus_exp_of_minus(dark_counts_per_s[detector] / slot_rate_hz);
}

std::uint64_t LinkPhysics::dead_time_slots() const {
  const double slots = dead_time_ns * slot_rate_hz / ns_per_second;
  // 20 ns at 100 MHz is 2 slots, not 3, whatever the rounding of the product.
  const double shy = slots * (1 - 1e-12);
  const auto whole = static_cast<std::uint64_t>(shy);
  return static_cast<double>(whole) < shy ? whole + 1 : whole;
}

double LinkPhysics::release_probability() const {
  return one_minus_exp_of_minus(ns_per_second / (afterpulse_lifetime_ns * slot_rate_hz));
}

std::uint64_t LinkPhysics::retention_slots() const {
  return static_cast<std::uint64_t>(retention_s * slot_rate_hz);
}

DeviceCalibration LinkPhysics::calibration() const {
  DeviceCalibration c;
  c.slot_rate_hz = slot_rate_hz;
  c.mu = mu;
  c.intensity_probability = intensity_probability;
  c.key_basis_probability = key_basis_probability;
  c.dark_count_probability = (dark_count_probability(0) + dark_count_probability(1)) / 2;
  c.detector_efficiency = (detector_efficiency[0] + detector_efficiency[1]) / 2;
  c.dead_time_slots = dead_time_slots();
  c.retention_slots = retention_slots();
  c.source = KeySource::simulated;
  c.description = "simulated decoy-state BB84 over fibre";
  return c;
}

Status validate(const LinkPhysics& physics) {
  QUOIN_TRY(check_line(physics));
  QUOIN_TRY(check_source(physics));
  return check_receiver(physics);
}

}  // namespace quoin
