// The proofs as calculators with named numbers in and named steps out, for `quoin proof`, the
// planner and reports: one list, so that no tool keeps its own. Counts may be real-valued here.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "distill/key_length.hpp"

namespace quoin {

struct ProofField {
  std::string_view name;                               // "n_x"
  std::string_view meaning;                            // for help texts
  std::size_t entries = 1;                             // 1: a number; more: an array of so many
  std::optional<double> default_value = std::nullopt;  // none: the field is required
};

using ProofNumbers = std::map<std::string, std::vector<double>, std::less<>>;

struct ProofCalculator {
  std::string_view name;     // "lim2014"
  std::string_view title;    // one line for a list
  std::string_view source;   // paper and equation
  std::string_view example;  // numbers as JSON, which give a key
  std::span<const ProofField> fields;
  // `numbers` has exactly the fields, with their sizes (complete_numbers sees to it).
  KeyLength (*compute)(const ProofNumbers& numbers);
};

std::span<const ProofCalculator> proof_calculators();
// Null for an unknown name.
const ProofCalculator* find_proof_calculator(std::string_view name);

// Fills in defaults. Fails as invalid_argument naming the field: unknown, missing, of another size,
// or no finite number below 1e18 in size.
Result<ProofNumbers> complete_numbers(const ProofCalculator& calculator, ProofNumbers numbers);

// What a step of a derivation is, in words; empty for an unknown name.
std::string_view step_meaning(std::string_view step);

}  // namespace quoin
