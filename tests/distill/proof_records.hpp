// What tests of the proofs share: reading their vectors, comparison to 1e-6, the tables' integers
// as a block.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <sstream>

#include "../vectors/vector_file.hpp"
#include "distill/proof.hpp"

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

// The integers of the tables, as the counts of a block.
inline ProofInput block_input() {
  ProofInput in;
  in.counts.key = {{7'000'000, 820'000, 9'000}, {80'000, 9'600, 4'300}};
  in.counts.test = {{780'000, 91'000, 1'000}, {9'000, 1'100, 480}};
  in.counts.emitted.sent = {
      {{700'000'000, 200'000'000, 100'000'000}, {78'000'000, 22'000'000, 11'000'000}}};
  in.counts.slots = in.counts.emitted.total();
  in.counts.detections = 10'000'000;
  in.mu = {0.5, 0.2, 0.0005};
  in.p = {0.7, 0.2, 0.1};
  in.leak_ec_bits = 851'303;
  in.epsilon_sec = 1e-9;
  return in;
}

}  // namespace quoin
