#include "delivery/json_members.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <set>
#include <string>
#include <vector>

namespace quoin {

namespace {

// Follows the members of the objects that are open; everything else passes.
struct MemberWatch {
  static constexpr std::size_t max_object_size = 4096;
  static constexpr std::size_t max_array_size = 65536;
  static constexpr std::size_t max_key_size = 1024;
  static constexpr std::size_t max_string_size = 65536;
  using Code = boost::system::error_code;
  using Text = boost::json::string_view;

  std::vector<std::set<std::string>> open;
  std::string name;
  bool found_double = false;

  bool on_object_begin(Code&) {
    open.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, Code&) {
    open.pop_back();
    return true;
  }
  bool on_key_part(Text part, std::size_t, Code&) {
    name.append(part);
    return true;
  }
  bool on_key(Text part, std::size_t, Code&) {
    name.append(part);
    if (!open.back().insert(std::exchange(name, {})).second) found_double = true;
    return true;
  }
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t, Code&) { return true; }
  bool on_string_part(Text, std::size_t, Code&) { return true; }
  bool on_string(Text, std::size_t, Code&) { return true; }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t, Text, Code&) { return true; }
  bool on_uint64(std::uint64_t, Text, Code&) { return true; }
  bool on_double(double, Text, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

}  // namespace

bool has_double_members(std::string_view text) {
  boost::json::basic_parser<MemberWatch> parser{boost::json::parse_options{}};
  boost::system::error_code error;
  parser.write_some(false, text.data(), text.size(), error);
  // What this parser does not take to its end is not known to be free of doubles.
  return error || parser.handler().found_double;
}

}  // namespace quoin
