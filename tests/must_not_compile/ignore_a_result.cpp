// expect: ignoring returned value of type .*nodiscard
// expect: ignoring return value of .*declared with 'nodiscard' attribute
#include "core/result.hpp"

quoin::Result<int> measure() { return 7; }

int use() {
#ifdef MUST_NOT_COMPILE
  measure();
  return 0;
#else
  const auto measured = measure();
  return measured ? measured.value() : 0;
#endif
}
