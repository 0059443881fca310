#include "kernels/instruction_set.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace quoin {
namespace {

TEST(InstructionSet, is_limited_to_each_that_the_machine_has) {
  const std::string before = instruction_set_in_use();
  ASSERT_TRUE(limit_instruction_set("best"));
  const std::vector<std::string> all = instruction_sets();
  ASSERT_FALSE(all.empty());
  for (const std::string& name : all) {
    ASSERT_TRUE(limit_instruction_set(name)) << name;
    EXPECT_EQ(instruction_set_in_use(), name);
  }
  EXPECT_FALSE(limit_instruction_set("mmx"));
  ASSERT_TRUE(limit_instruction_set(before));
}

// So that a run under QUOIN_ISA cannot pass without obeying it.
TEST(InstructionSet, of_this_run_is_the_one_asked_for) {
  const char* const wanted = std::getenv("QUOIN_ISA");
  if (wanted == nullptr) GTEST_SKIP() << "QUOIN_ISA is not set";
  EXPECT_EQ(instruction_set_in_use(), wanted);
}

}  // namespace
}  // namespace quoin
