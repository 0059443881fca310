#include "distill/key_length.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace quoin {

void refuse(KeyLength& out, Refusal refusal) {
  out.secret_bits = 0;
  out.reason_code = refusal.code;
  out.reason = std::move(refusal.text);
}

std::string short_number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

void settle_length(KeyLength& out, const LengthTerms& terms) {
  const double length = terms.secrecy_bits - terms.leak_bits - terms.penalty_bits;
  out.derivation.emplace_back("length", length);
  // Written so that a number that is none (NaN) gives no key.
  if (!(length >= 1)) {
    refuse(out,
           {"nothing_left", "the undisturbed photons carry " + short_number(terms.secrecy_bits) +
                                " secret bits, error correction leaked " +
                                short_number(terms.leak_bits) + " and the finite size costs " +
                                short_number(terms.penalty_bits) + ": nothing is left"});
    return;
  }
  constexpr double largest = 9e15;  // integers below are exact in a double
  out.secret_bits =
      static_cast<std::uint64_t>(std::floor(std::min({length, terms.events, largest})));
}

}  // namespace quoin
