#include "apps/proof_numbers.hpp"

#include <boost/json.hpp>

#include "delivery/json_members.hpp"

namespace quoin {

namespace {

constexpr std::size_t entries_max = 16;

Failure malformed(std::string message, std::string cure) {
  return fail(ErrorCode::malformed, std::move(message), std::move(cure));
}

Result<double> number_of(const std::string& name, const boost::json::value& value) {
  if (value.is_int64()) return static_cast<double>(value.as_int64());
  if (value.is_uint64()) return static_cast<double>(value.as_uint64());
  if (value.is_double()) return value.as_double();
  return malformed("'" + name + "' holds something that is no number",
                   "give a number, or an array of numbers");
}

Result<std::vector<double>> numbers_of(const std::string& name, const boost::json::value& value) {
  std::vector<double> out;
  if (!value.is_array()) {
    QUOIN_TAKE(number, number_of(name, value));
    out.push_back(number);
    return out;
  }
  if (value.as_array().size() > entries_max)
    return malformed("'" + name + "' has more than " + std::to_string(entries_max) + " entries",
                     "give one per intensity");
  for (const boost::json::value& entry : value.as_array()) {
    QUOIN_TAKE(number, number_of(name, entry));
    out.push_back(number);
  }
  return out;
}

// A name from outside, for an error: printable and short.
std::string shown(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, 40)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

}  // namespace

Result<ProofNumbers> parse_proof_numbers(std::string_view json) {
  if (json.size() > proof_json_bytes_max)
    return malformed("the input is longer than 65536 bytes", "give one JSON object");
  boost::system::error_code code;
  boost::json::parse_options options;
  options.numbers = boost::json::number_precision::precise;
  const boost::json::value value = boost::json::parse(json, code, {}, options);
  if (code)
    return malformed("the input is no JSON: " + code.message(),
                     "give one object, such as {\"n\": 1000000, \"m\": 30000}");
  if (!value.is_object())
    return malformed("the input is JSON, but no object",
                     "give one object, such as {\"n\": 1000000, \"m\": 30000}");
  if (has_double_members(json))
    return malformed("a field stands there twice", "give every field once");
  ProofNumbers numbers;
  for (const auto& [key, entry] : value.as_object()) {
    const std::string name = shown(key);
    QUOIN_TAKE(values, numbers_of(name, entry));
    numbers[name] = std::move(values);
  }
  return numbers;
}

}  // namespace quoin
