// The JSON object that `quoin proof` reads: names with numbers or arrays of numbers.
#pragma once

#include <string_view>

#include "distill/proof_calculators.hpp"

namespace quoin {

constexpr std::size_t proof_json_bytes_max = 65536;

// Fails as malformed, naming the field: no JSON, no object, a member twice, something else than
// numbers, an array of more than 16 entries.
Result<ProofNumbers> parse_proof_numbers(std::string_view json);

}  // namespace quoin
