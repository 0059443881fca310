// Broken invariants end the process, in release builds too, after wiping the locked memory.
#pragma once

namespace quoin {

// Wipes the secret arena, writes "invariant broken: <what> (<file>:<line>)" to standard error and
// aborts.
[[noreturn]] void invariant_broken(const char* what, const char* file, int line);

}  // namespace quoin

#define QUOIN_INVARIANT(condition, what)                   \
  do {                                                     \
    if (!(condition)) [[unlikely]]                         \
      ::quoin::invariant_broken(what, __FILE__, __LINE__); \
  } while (false)
