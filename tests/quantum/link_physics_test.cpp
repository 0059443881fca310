#include "quantum/link_physics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "quantum/eve.hpp"
#include "quantum/link_model.hpp"
#include "quantum/series.hpp"
#include "quantum/simulator.hpp"

namespace quoin {
namespace {

TEST(Series, AgreesWithLibm) {
  for (double x = 0; x < 60; x = x * 1.3 + 1e-9) {
    EXPECT_NEAR(exp_of_minus(x) / std::exp(-x), 1, 2e-13) << x;
    if (x > 0) {
      EXPECT_NEAR(one_minus_exp_of_minus(x) / -std::expm1(-x), 1, 2e-13) << x;
    }
  }
  EXPECT_EQ(exp_of_minus(800), 0);
}

TEST(LinkPhysics, DefaultsAreTheReferenceLink) {
  const LinkPhysics physics;
  ASSERT_TRUE(validate(physics));
  const LinkModel model = link_model(physics);
  EXPECT_NEAR(model.sifted_key_bps, 5.7e6, 0.1e6);
  EXPECT_GT(model.qber_key, 0.005);
  EXPECT_LT(model.qber_key, 0.010);
  EXPECT_NEAR(physics.fibre_transmittance(), std::pow(10.0, -0.5), 1e-14);
  EXPECT_EQ(physics.dead_time_slots(), 2u);
  EXPECT_EQ(physics.calibration().source, KeySource::simulated);
}

TEST(LinkPhysics, DeadTimeCoversWholeSlots) {
  LinkPhysics physics;
  const auto slots = [&](double ns, double rate) {
    physics.dead_time_ns = ns;
    physics.slot_rate_hz = rate;
    return physics.dead_time_slots();
  };
  EXPECT_EQ(slots(0, 1e8), 0u);
  EXPECT_EQ(slots(0.1, 1e8), 1u);
  EXPECT_EQ(slots(30, 1e8), 3u);
  EXPECT_EQ(slots(30.01, 1e8), 4u);
  EXPECT_EQ(slots(10, 2.5e9), 25u);
}

struct Impossible {
  const char* field;
  std::function<void(LinkPhysics&)> change;
};

TEST(LinkPhysics, RefusesWhatNoLinkCanHave) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Impossible cases[] = {
      {"detector_efficiency", [](LinkPhysics& p) { p.detector_efficiency[1] = 1.01; }},
      {"detector_efficiency", [](LinkPhysics& p) { p.detector_efficiency[0] = -0.1; }},
      {"loss_db_per_km", [](LinkPhysics& p) { p.loss_db_per_km = -0.2; }},
      {"receiver_loss_db", [](LinkPhysics& p) { p.receiver_loss_db = -1; }},
      {"distance_km", [](LinkPhysics& p) { p.distance_km = -1; }},
      {"distance_km", [=](LinkPhysics& p) { p.distance_km = nan; }},
      {"slot_rate_hz", [](LinkPhysics& p) { p.slot_rate_hz = 0; }},
      {"slot_rate_hz", [=](LinkPhysics& p) { p.slot_rate_hz = nan; }},
      {"sum to", [](LinkPhysics& p) { p.intensity_probability[0] = 0.7; }},
      {"intensity_probability", [](LinkPhysics& p) { p.intensity_probability = {1.1, 0, -0.1}; }},
      {"decoy method", [](LinkPhysics& p) { p.mu = {0.5, 0.1, 0.1}; }},
      {"decoy method", [](LinkPhysics& p) { p.mu = {0.5, 0.3, 0.2}; }},
      {"mu", [](LinkPhysics& p) { p.mu[2] = -0.01; }},
      {"key_basis_probability", [](LinkPhysics& p) { p.key_basis_probability = 1; }},
      {"misalignment", [](LinkPhysics& p) { p.misalignment = 0.6; }},
      {"dark_counts_per_s", [](LinkPhysics& p) { p.dark_counts_per_s[0] = -1; }},
      {"dark_counts_per_s", [](LinkPhysics& p) { p.dark_counts_per_s[1] = 2e8; }},
      {"dead_time_ns", [](LinkPhysics& p) { p.dead_time_ns = -1; }},
      {"retention_s", [](LinkPhysics& p) { p.retention_s = 0; }},
  };
  for (const Impossible& one : cases) {
    LinkPhysics physics;
    one.change(physics);
    const Status status = validate(physics);
    ASSERT_FALSE(status) << one.field;
    EXPECT_EQ(status.error().code, ErrorCode::configuration);
    EXPECT_NE(status.error().message.find(one.field), std::string::npos) << status.error().text();
    EXPECT_FALSE(status.error().cure.empty()) << one.field;
    EXPECT_FALSE(SimulatedLink::make(physics, 1)) << one.field;
  }
}

// Rows of the GYS table in the finite-key reference (Ma et al. 2005): gain and error rate of mu =
// 0.48. The table adds dark counts and light and ignores double clicks, hence the tolerances.
TEST(LinkModel, AgreesWithTheGysTable) {
  struct Row {
    double km, gain, error_rate;
  };
  for (const Row& row :
       {Row{0, 0.0213700906, 0.0330371501}, Row{25, 0.00642937997, 0.03312348},
        Row{50, 0.00192495021, 0.0334124263}, Row{100, 0.000173260181, 0.0375821261},
        Row{130, 4.19202733e-05, 0.0519383307}}) {
    LinkPhysics gys;
    gys.slot_rate_hz = 2e6;
    gys.distance_km = row.km;
    gys.loss_db_per_km = 0.21;
    gys.receiver_loss_db = 0;
    gys.detector_efficiency = {0.045, 0.045};
    gys.dark_counts_per_s = {1.7, 1.7};  // 0.85e-6 per pulse and detector
    gys.misalignment = 0.033;
    gys.mu = {0.48, 0.05, 0};
    ASSERT_TRUE(validate(gys));
    const ClickRates rates = link_model(gys).same_basis[0];
    EXPECT_NEAR(rates.gain / row.gain, 1, 1e-5) << row.km;
    EXPECT_NEAR(rates.error_rate() / row.error_rate, 1, 0.012) << row.km;
  }
}

TEST(LinkModel, ExpectedCountsAddUp) {
  LinkPhysics physics;
  physics.detector_efficiency = {0.9, 0.7};
  const BlockCounts counts = expected_counts(physics, 100'000'000);
  EXPECT_NEAR(static_cast<double>(counts.emitted.total()), 1e8, 6);
  const LinkModel model = link_model(physics);
  EXPECT_NEAR(static_cast<double>(counts.key.detected_total()), 1e8 * model.sifted_key_per_slot, 3);
  EXPECT_NEAR(static_cast<double>(counts.key.errors_total()),
              model.qber_key * static_cast<double>(counts.key.detected_total()), 3);
  EXPECT_GT(counts.detections, counts.key.detected_total() + counts.test.detected_total());
}

TEST(Eve, MasksOfAnyEveSumToOne) {
  LinkPhysics physics;
  physics.detector_efficiency = {0.9, 0.7};
  const OpticalChannel channel(physics);
  const auto half = InterceptResend::make(0.5);
  ASSERT_TRUE(half);
  for (const Eve* eve : std::initializer_list<const Eve*>{half->get()})
    for (const Basis sent : {Basis::key_x, Basis::test_z})
      for (const Basis measured : {Basis::key_x, Basis::test_z})
        for (const bool bit : {false, true}) {
          const auto masks = eve->click_masks(channel, {sent, Intensity::signal, bit}, measured);
          EXPECT_NEAR(masks[0] + masks[1] + masks[2] + masks[3], 1, 1e-14);
        }
  EXPECT_FALSE(InterceptResend::make(1.5));
  EXPECT_FALSE(InterceptResend::make(std::numeric_limits<double>::quiet_NaN()));
}

}  // namespace
}  // namespace quoin
