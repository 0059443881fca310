// The parts of a request target (RFC 3986, RFC 9112 section 3.2). For src/delivery.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/result.hpp"

namespace quoin {

// Everything but unreserved characters becomes %XX.
std::string percent_encoded(std::string_view text);
// Malformed for a % without two hex digits.
Result<std::string> percent_decoded(std::string_view text);

struct RequestTarget {
  std::string_view path;                                   // still encoded
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
};
// Splits origin form and absolute form. `target` must outlive the result.
Result<RequestTarget> parse_target(std::string_view target);

// A decimal number without sign that fits.
std::optional<std::uint32_t> parse_number(std::string_view text);

}  // namespace quoin
