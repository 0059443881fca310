#include "core/result.hpp"

namespace quoin {

const char* to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid argument";
    case ErrorCode::malformed: return "malformed";
    case ErrorCode::too_large: return "too large";
    case ErrorCode::unauthenticated: return "unauthenticated";
    case ErrorCode::unauthorised: return "unauthorised";
    case ErrorCode::not_found: return "not found";
    case ErrorCode::conflict: return "conflict";
    case ErrorCode::exhausted: return "exhausted";
    case ErrorCode::unavailable: return "unavailable";
    case ErrorCode::no_key: return "no key";
    case ErrorCode::configuration: return "configuration";
    case ErrorCode::io: return "input/output";
    case ErrorCode::internal: return "internal";
  }
  return "unknown";
}

std::string Error::text() const { return cure.empty() ? message : message + "; " + cure; }

}  // namespace quoin
