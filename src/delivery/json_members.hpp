// Whether JSON names a member of an object twice, which the parser would let pass (the last one
// wins) and two readers may understand differently. For src/delivery.
#pragma once

#include <string_view>

namespace quoin {

// False as well when the text is no JSON: the parser says so.
bool has_double_members(std::string_view text);

}  // namespace quoin
