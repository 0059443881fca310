// Reading the vectors of the proofs: real numbers, arrays of them, and comparison to 1e-6.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <sstream>

#include "../vectors/vector_file.hpp"

namespace quoin {

inline double number(const VectorRecord& record, const std::string& name) {
  return std::stod(record.text(name));
}

template <std::size_t K>
std::array<double, K> numbers(const VectorRecord& record, const std::string& name) {
  std::istringstream text(record.text(name));
  std::array<double, K> out{};
  for (double& value : out) text >> value;
  EXPECT_FALSE(text.fail()) << name;
  return out;
}

// To 1e-6 relative; an expected 0 must be 0. The digits of the record may round a little more.
inline void expect_close(const std::string& what, double expected, double actual) {
  EXPECT_NEAR(actual, expected, 1e-6 * std::abs(expected)) << what;
}

inline void expect_close(const VectorRecord& record, const std::string& label,
                         const std::string& name, double actual) {
  expect_close(label + ": " + name, number(record, name), actual);
}

}  // namespace quoin
