# One place for compiler flags: warnings are errors under both compilers, hardening is on in release.
add_library(quoin_flags INTERFACE)
target_compile_options(quoin_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wcast-align -Wimplicit-fallthrough -Werror
  -ffp-contract=off -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero -g1)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(quoin_flags INTERFACE -fcf-protection=full)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # These guess about inlined standard containers and are wrong there in g++ 14 (insert of a byte span into a vector; moving
  # a variant that can hold a move_only_function). clang, the second compiler, keeps its own -Wuninitialized family.
  target_compile_options(quoin_flags INTERFACE -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-restrict
    -Wno-maybe-uninitialized)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(quoin_flags INTERFACE -Wno-deprecated-declarations)
endif()
target_compile_definitions(quoin_flags INTERFACE _GLIBCXX_ASSERTIONS)
if(NOT QUOIN_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(quoin_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
target_link_options(quoin_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
if(QUOIN_SANITIZE)
  target_compile_options(quoin_flags INTERFACE -fsanitize=${QUOIN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(quoin_flags INTERFACE -fsanitize=${QUOIN_SANITIZE})
endif()
if(QUOIN_FUZZ AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(quoin_flags INTERFACE -fsanitize=fuzzer-no-link)  # the fuzzer sees into the libraries
endif()
if(QUOIN_COVERAGE)
  target_compile_options(quoin_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(quoin_flags INTERFACE -fprofile-instr-generate)
endif()
