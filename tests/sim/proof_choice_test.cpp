// Whole sites under each proof that a link may name.
#include <gtest/gtest.h>

#include "sim/world.hpp"

namespace quoin {
namespace {

WorldConfig world_under(const char* protocol, const char* proof) {
  WorldConfig config = small_world(61);
  config.faults = FaultPlan{};
  config.parameters.protocol = protocol;
  config.parameters.proof = proof;
  return config;
}

TEST(ProofChoice, TwoDecoysMakeKey) {
  auto world = World::make(world_under("bb84-decoy2", "variable_length_decoy2")).value();
  world->run_until(Instant{3 * ns_per_s});
  const WorldOutcome outcome = world->settle_and_compare(2 * ns_per_s);
  EXPECT_TRUE(outcome.violations.empty()) << outcome.violations.front();
  EXPECT_GT(outcome.keys_equal, 0U) << outcome.last_no_key;
}

// The length leans on errors of the key basis, which are known only after reconciliation.
TEST(ProofChoice, OneDecoyMakesKeyWithoutVacuumPulses) {
  WorldConfig config = world_under("bb84-decoy1", "variable_length_decoy1");
  config.physics.intensity_probability = {0.6, 0.4, 0.0};
  config.parameters.intensity_probability = config.physics.intensity_probability;
  auto world = World::make(config).value();
  world->run_until(Instant{3 * ns_per_s});
  const WorldOutcome outcome = world->settle_and_compare(2 * ns_per_s);
  EXPECT_TRUE(outcome.violations.empty()) << outcome.violations.front();
  EXPECT_GT(outcome.keys_equal, 0U) << outcome.last_no_key;
}

TEST(ProofChoice, ProtocolProofAndProbabilitiesMustFit) {
  const auto is_valid = [](const char* protocol, const char* proof, double vacuum) {
    LinkParameters p = world_under(protocol, proof).parameters;
    p.intensity_probability = {0.6, 0.4 - vacuum, vacuum};
    return p.validate().has_value();
  };
  EXPECT_TRUE(is_valid("bb84-decoy2", "variable_length_decoy2", 0.1));
  EXPECT_TRUE(is_valid("bb84-decoy1", "variable_length_decoy1", 0));
  EXPECT_FALSE(is_valid("bb84-decoy2", "variable_length_decoy2", 0));
  EXPECT_FALSE(is_valid("bb84-decoy1", "variable_length_decoy1", 0.1));
  EXPECT_FALSE(is_valid("bb84-decoy1", "variable_length_decoy2", 0.1));
  EXPECT_FALSE(is_valid("bb84-decoy2", "variable_length_decoy1", 0));
  EXPECT_FALSE(is_valid("bb84-decoy2", "rusca2018", 0.1));
  // A fixed-length bound plans and compares; it releases no key.
  EXPECT_FALSE(is_valid("bb84-decoy2", "lim2014", 0.1));
}

}  // namespace
}  // namespace quoin
