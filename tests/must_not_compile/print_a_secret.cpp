// expect: no match for 'operator<<'
// expect: invalid operands to binary expression
#include <ostream>

#include "core/secret.hpp"

void print(std::ostream& out, const quoin::SecretBytes& secret) {
#ifdef MUST_NOT_COMPILE
  out << secret;
#else
  out << secret.size_bytes();
#endif
}
