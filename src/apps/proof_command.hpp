// `quoin proof`: the proofs of the secret key length as calculators.
#pragma once

#include <string>

namespace quoin {

struct ProofOptions {
  std::string name;
  bool as_json = false;
  bool lists = false;
};

// Reads a JSON object of counts from standard input and prints every step of the derivation. A
// length of 0 is an answer as well: exit status 0, with the reason.
int run_proof(const ProofOptions& options);

}  // namespace quoin
