// expect: could not convert .*SiftedKey|invalid initialization of reference of type .*SecretKey
// expect: no viable conversion|no matching function for call to 'store'
#include <utility>

#include "core/key_stages.hpp"

std::size_t store(quoin::SecretKey&& key) { return key.size_bits(); }

std::size_t finish(quoin::SiftedKey&& sifted, quoin::SecretKey&& secret) {
#ifdef MUST_NOT_COMPILE
  return store(std::move(sifted)) + secret.size_bits();
#else
  return store(std::move(secret)) + sifted.size_bits();
#endif
}
