// expect: ignoring returned value of type .*nodiscard
// expect: ignoring return value of .*declared with 'nodiscard' attribute
#include "core/ports.hpp"

bool save(quoin::Store& store, const quoin::StoreBatch& batch) {
#ifdef MUST_NOT_COMPILE
  store.apply(batch);
  return true;
#else
  return store.apply(batch).has_value();
#endif
}
