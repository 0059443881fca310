// JSON for `quoin proof`: whatever parses must go through every calculator to a length or a reason,
// and no length may exceed the bits that went in.
#include "apps/proof_numbers.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "apps/proof_numbers.cpp"  // the program's own sources are in no library

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace quoin;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto given = parse_proof_numbers(text);
  if (!given) return 0;
  for (const ProofCalculator& proof : proof_calculators()) {
    const auto numbers = complete_numbers(proof, *given);
    if (!numbers) continue;
    const KeyLength length = proof.compute(*numbers);
    if ((length.secret_bits == 0) == length.reason.empty()) std::abort();
    double events = 0;
    for (const auto& [name, values] : *numbers)
      if (name.starts_with("n"))
        for (const double value : values) events += std::max(value, 0.0);
    if (static_cast<double>(length.secret_bits) > events) std::abort();
  }
  return 0;
}
