#include "delivery/url.hpp"

#include <charconv>

namespace quoin {

namespace {

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::optional<unsigned> hex_pair(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (text.size() != 2 || error != std::errc{} || end != text.data() + 2) return std::nullopt;
  return value;
}

constexpr std::size_t query_parameters_max = 16;

}  // namespace

std::string percent_encoded(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (is_unreserved(c)) {
      out.push_back(c);
    } else {
      out.append({'%', digits[byte >> 4], digits[byte & 15]});
    }
  }
  return out;
}

Result<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const auto byte = hex_pair(text.substr(i + 1, 2));
    if (!byte) return fail(ErrorCode::malformed, "the URL has a % without two hex digits");
    out.push_back(static_cast<char>(*byte));
    i += 2;
  }
  return out;
}

Result<RequestTarget> parse_target(std::string_view target) {
  if (const auto scheme = target.find("://"); scheme != target.npos && target[0] != '/') {
    const auto path = target.find('/', scheme + 3);
    target = path == target.npos ? "/" : target.substr(path);
  }
  RequestTarget out;
  const auto mark = target.find('?');
  out.path = target.substr(0, mark);
  std::string_view rest = mark == target.npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    if (out.query.size() == query_parameters_max)
      return fail(ErrorCode::malformed, "the URL has too many query parameters");
    const auto end = rest.find('&');
    const std::string_view part = rest.substr(0, end);
    rest = end == rest.npos ? "" : rest.substr(end + 1);
    const auto equals = part.find('=');
    QUOIN_TAKE(name, percent_decoded(part.substr(0, equals)));
    QUOIN_TAKE(value, percent_decoded(equals == part.npos ? "" : part.substr(equals + 1)));
    out.query.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace quoin
