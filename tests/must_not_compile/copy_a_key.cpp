// expect: use of deleted function
// expect: functional-style cast from .*SecretKey.* uses deleted function
#include "core/key_stages.hpp"

quoin::SecretKey pass_on(quoin::SecretKey&& key) {
#ifdef MUST_NOT_COMPILE
  return quoin::SecretKey(key);
#else
  return quoin::SecretKey(std::move(key));
#endif
}
