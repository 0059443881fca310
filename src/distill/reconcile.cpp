#include "distill/reconcile.hpp"

#include <cmath>

namespace quoin {

namespace {

constexpr std::size_t message_header_bytes = 8;  // round, number of bits

}  // namespace

std::size_t reconcile_message_bytes_max(std::size_t key_bits) {
  return message_header_bytes + bytes_for_bits(key_bits);
}

bool leak_is_plausible(std::uint64_t errors, std::uint64_t key_bits, std::uint64_t leak_bits) {
  if (errors > key_bits) return false;
  if (errors == 0 || errors == key_bits) return true;
  const auto n = static_cast<double>(key_bits);
  const double rate = static_cast<double>(errors) / n;
  const double entropy = -rate * std::log2(rate) - (1 - rate) * std::log2(1 - rate);
  // C(n, e) >= 2^(n h(e/n)) / sqrt(8 e (1 - e/n)) (Cover, Thomas, Lemma 17.5.1).
  const double log2_patterns = n * entropy - std::log2(8 * n * rate * (1 - rate)) / 2;
  constexpr double slack_bits = 64;
  return static_cast<double>(leak_bits) >= log2_patterns - slack_bits;
}

}  // namespace quoin
