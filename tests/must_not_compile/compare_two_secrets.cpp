// expect: use of deleted function .*operator==
// expect: overload resolution selected deleted operator '=='
#include "core/secret.hpp"

bool same(const quoin::SecretBytes& a, const quoin::SecretBytes& b) {
#ifdef MUST_NOT_COMPILE
  return a == b;
#else
  return quoin::equal_constant_time(a.expose_secret(), b.expose_secret());
#endif
}
