// expect: no match for 'operator<<'
// expect: invalid operands to binary expression
#include <ostream>

#include "core/key_stages.hpp"

void print(std::ostream& out, const quoin::SecretKey& key) {
#ifdef MUST_NOT_COMPILE
  out << key;
#else
  out << key.size_bits();
#endif
}
