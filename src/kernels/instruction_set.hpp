// Limits the instruction sets that kernels choose from, for tests, measurements and fault finding.
// For a program's main, before any kernel ran: it reads the environment variable QUOIN_ISA and
// calls limit_instruction_set; nothing here reads the environment by itself. All kernels follow,
// for all are dispatched by Highway.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace quoin {

// The names this build and machine know, the plainest first, such as scalar sse4 avx2 avx512
// avx512-gfni on x86-64.
std::vector<std::string> instruction_sets();

// The one that kernels use now.
std::string instruction_set_in_use();

// Kernels use nothing better than `name` from now on; "" and "best" are no limit. Fails as
// configuration for a name that is none of the above. Not thread-safe.
Status limit_instruction_set(std::string_view name);

}  // namespace quoin
