// expect: use of deleted function .*SecretBytes
// expect: functional-style cast from .*SecretBytes.* uses deleted function
#include <utility>

#include "core/secret.hpp"

quoin::SecretBytes pass_on(quoin::SecretBytes&& secret) {
#ifdef MUST_NOT_COMPILE
  return secret.empty() ? quoin::SecretBytes() : quoin::SecretBytes(secret);
#else
  return std::move(secret);
#endif
}
