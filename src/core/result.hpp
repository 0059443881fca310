// Failures are values: Result<T> carries a value or an Error, and the compiler insists that it is
// looked at. For every layer. Exceptions of libraries are turned into Errors in the adapter that
// calls the library.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "core/check.hpp"

namespace quoin {

enum class ErrorCode : std::uint8_t {
  invalid_argument,  // the caller asked for something that cannot be
  malformed,         // bytes from outside do not decode
  too_large,         // a declared bound was exceeded
  unauthenticated,   // a tag, certificate or identity did not verify
  unauthorised,      // known, but not allowed
  not_found,
  conflict,       // both sides disagree, or the state does not allow the move
  exhausted,      // out of key, pads, budget or space; trying later may help
  unavailable,    // the other side or a device is not there; trying later may help
  no_key,         // the security proof gives no key; the message names the reason
  configuration,  // the operator has to change something
  io,             // the operating system refused
  internal,       // a bug, reported instead of hidden
};

const char* to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  // what happened, never with key bytes
  std::string cure;     // what the reader can do about it; may be empty
  // "message; cure" for people.
  std::string text() const;
};

// std::unexpected's role: `return Failure{...}` or `return fail(code, message, cure)`.
struct Failure {
  Error error;
};
inline Failure fail(ErrorCode code, std::string message, std::string cure = {}) {
  return Failure{Error{code, std::move(message), std::move(cure)}};
}

// A class of its own, since an alias of std::expected would lose [[nodiscard]].
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Failure failure) : state_(std::in_place_index<1>, std::move(failure.error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  // Asking for the value of an error ends the process: check first.
  T& value() & {
    QUOIN_INVARIANT(has_value(), "value() of a failed Result");
    return std::get<0>(state_);
  }
  const T& value() const& {
    QUOIN_INVARIANT(has_value(), "value() of a failed Result");
    return std::get<0>(state_);
  }
  T&& value() && {
    QUOIN_INVARIANT(has_value(), "value() of a failed Result");
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const {
    QUOIN_INVARIANT(!has_value(), "error() of a good Result");
    return std::get<1>(state_);
  }
  Failure failure() const { return Failure{error()}; }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Failure failure) : error_(std::move(failure.error)), failed_(true) {}

  bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  const Error& error() const {
    QUOIN_INVARIANT(failed_, "error() of a good Result");
    return error_;
  }
  Failure failure() const { return Failure{error()}; }

 private:
  Error error_;
  bool failed_ = false;
};

using Status = Result<void>;
inline Status success() { return {}; }

}  // namespace quoin

// QUOIN_TRY(expr): returns the failure of a Status or Result to the caller.
// QUOIN_TAKE(name, expr): declares `name` from the value, or returns the failure.
#define QUOIN_CONCAT_INNER(a, b) a##b
#define QUOIN_CONCAT(a, b) QUOIN_CONCAT_INNER(a, b)
#define QUOIN_TRY(expr)                                       \
  do {                                                        \
    auto quoin_try_result = (expr);                           \
    if (!quoin_try_result) return quoin_try_result.failure(); \
  } while (false)
#define QUOIN_TAKE_AS(temporary, name, expr)  \
  auto temporary = (expr);                    \
  if (!temporary) return temporary.failure(); \
  auto name = std::move(temporary).value()
#define QUOIN_TAKE(name, expr) QUOIN_TAKE_AS(QUOIN_CONCAT(quoin_take_, __LINE__), name, expr)
