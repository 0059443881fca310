// expect: cannot convert .*PublicRandom|invalid initialization of reference of type .*SecretRandom
// expect: no matching function for call to 'draw_key'
#include "core/ports.hpp"

quoin::SecretBytes draw_key(quoin::SecretRandom& random) { return random.draw(32); }

quoin::SecretBytes make(quoin::PublicRandom& open, quoin::SecretRandom& secret) {
#ifdef MUST_NOT_COMPILE
  (void)secret;
  return draw_key(open);
#else
  (void)open;
  return draw_key(secret);
#endif
}
