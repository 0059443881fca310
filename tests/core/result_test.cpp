#include "core/result.hpp"

#include <gtest/gtest.h>

#include <string>

namespace quoin {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return fail(ErrorCode::invalid_argument, "odd", "give an even number");
  return n / 2;
}
Result<std::string> quarter_text(int n) {
  QUOIN_TAKE(once, half(n));
  QUOIN_TAKE(twice, half(once));
  return std::to_string(twice);
}

TEST(Result, CarriesValueOrError) {
  EXPECT_EQ(quarter_text(8).value(), "2");
  const auto failed = quarter_text(6);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(failed.error().text(), "odd; give an even number");
}

TEST(ResultDeathTest, ValueOfAnErrorEndsTheProcess) {
  EXPECT_DEATH((void)half(3).value(), "invariant broken");
}

}  // namespace
}  // namespace quoin
