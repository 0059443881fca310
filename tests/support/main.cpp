// The main of every test program that has kernels in it: QUOIN_ISA names the best instruction set
// that they may use. Exit code 77 (skipped, for ctest) where this machine lacks it.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "kernels/instruction_set.hpp"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const char* const wanted = std::getenv("QUOIN_ISA");
  if (const quoin::Status limited = quoin::limit_instruction_set(wanted != nullptr ? wanted : "");
      !limited) {
    std::fprintf(stderr, "%s\n", limited.error().text().c_str());
    return 77;
  }
  std::printf("kernels use %s\n", quoin::instruction_set_in_use().c_str());
  return RUN_ALL_TESTS();
}
