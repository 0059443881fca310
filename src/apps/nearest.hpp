// What someone who mistyped a name may have meant. For messages about configuration and usage.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace quoin {

// The known name with the fewest changes of a letter away from `word`; empty if none is known.
std::string nearest_of(std::string_view word, const std::vector<std::string>& known);

}  // namespace quoin
