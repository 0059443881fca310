// expect: could not convert|invalid initialization of reference of type .*SecretKey
// expect: no viable conversion|no matching function for call to 'store'
#include <utility>

#include "core/key_stages.hpp"

std::size_t store(quoin::SecretKey&& key) { return key.size_bits(); }

std::size_t finish(quoin::SecretBits&& bits) {
#ifdef MUST_NOT_COMPILE
  return store(std::move(bits));
#else
  return store(quoin::SecretKey::claim_stage(std::move(bits)));
#endif
}
