// Runs under clang's memory sanitizer with secrets marked as uninitialised: every branch and every
// address that depends on a secret is then an error. Built by the preset `ct`, run by
// tools/constant_time.sh. (Not valgrind: Highway's library starts with an instruction that valgrind
// refuses on virtual machines.)
//   constant_time NAME     one case; `leaky` is the control that has to be reported
#include <sanitizer/msan_interface.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "core/bits.hpp"
#include "core/secret.hpp"
#include "kernels/bit_ops.hpp"
#include "kernels/instruction_set.hpp"
#include "kernels/poly_hash.hpp"
#include "kernels/toeplitz_matrix.hpp"

namespace quoin {
namespace {

// A secret of `size` bytes whose content the sanitizer follows.
SecretBytes marked_secret(std::size_t size, unsigned char first) {
  SecretBytes secret = SecretBytes::zeroed(size);
  std::byte* const bytes = secret.expose_secret_mutable().data();
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(first + i);
  __msan_poison(bytes, size);
  return secret;
}
// A result that may be seen by everyone.
template <class T>
T published(T value) {
  __msan_unpoison(&value, sizeof value);
  return value;
}

int leaky() {
  const SecretBytes a = marked_secret(32, 1);
  const SecretBytes b = marked_secret(32, 1);
  for (std::size_t i = 0; i < 32; ++i)
    if (a.expose_secret()[i] != b.expose_secret()[i]) return 1;
  return 0;
}

int compare() {
  const SecretBytes a = marked_secret(48, 1);
  const SecretBytes b = marked_secret(48, 1);
  const SecretBytes c = marked_secret(48, 2);
  // The verdict is public, the contents are not: equal_constant_time reads it once at its end.
  return published(equal_constant_time(a.expose_secret(), b.expose_secret())) &&
                 !published(equal_constant_time(a.expose_secret(), c.expose_secret()))
             ? 0
             : 1;
}

int hash_under_secret_key() {
  const SecretBytes key = marked_secret(poly_hash_bytes, 7);
  std::array<std::byte, 1000> message{};
  const PolyHashValue tag =
      poly_hash(key.expose_secret().first<poly_hash_bytes>(), std::span(message));
  return published(tag) == PolyHashValue{} ? 1 : 0;
}

int hash_of_secret_message() {
  const SecretBytes key = marked_secret(poly_hash_bytes, 9);
  const SecretBytes message = marked_secret(777, 3);
  const PolyHashValue tag =
      poly_hash(key.expose_secret().first<poly_hash_bytes>(), message.expose_secret());
  return published(tag) == PolyHashValue{} ? 1 : 0;
}

int wipe_and_trim() {
  SecretBits bits = SecretBits::zeroed(130);
  __msan_poison(bits.expose_secret_mutable().data(), 24);
  bits.trim();
  bits.wipe();
  SecretBytes moved = marked_secret(64, 1);
  const SecretBytes taken = SecretBytes::take_and_wipe(moved.expose_secret_mutable());
  return taken.clone_secret().size_bytes() == 64 ? 0 : 1;
}

SecretBits marked_bits(std::size_t size_bits) {
  SecretBits bits = SecretBits::zeroed(size_bits);
  __msan_poison(bits.expose_secret_mutable().data(), words_for_bits(size_bits) * 8);
  return bits;
}

// The sanitizer does not know GF2P8AFFINEQB and takes its results for wholly secret reads: AVX2 is
// the best that it can follow.
int amplify_a_secret(const ToeplitzPlan& plan) {
  if (!limit_instruction_set("avx2")) return 3;
  constexpr std::size_t rows = 3000;
  constexpr std::size_t columns = 9001;
  std::array<std::uint64_t, words_for_bits(rows + columns - 1)> diagonals{};
  for (std::size_t i = 0; i < diagonals.size(); ++i) diagonals[i] = i * 0x9E3779B97F4A7C15ULL;
  diagonals.back() &= last_word_mask(rows + columns - 1);
  const ToeplitzMatrix matrix(diagonals, rows, columns, plan);
  const SecretBits key = marked_bits(columns);
  SecretBits out = SecretBits::zeroed(rows);
  matrix.multiply_add(out.expose_secret_mutable(), key.expose_secret(), 0);
  out.trim();
  return published(out.expose_secret()[0]) == 1 ? 2 : 0;
}
int amplify_by_fft() { return amplify_a_secret({ToeplitzMethod::additive_fft, 0, 7}); }
int amplify_by_squares() { return amplify_a_secret({ToeplitzMethod::karatsuba, 40, 0}); }

int select_secret_bits() {
  const SecretBits bits = marked_bits(1000);
  std::array<std::uint64_t, 16> mask{};
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i * 0xD1B54A32D192ED03ULL;
  SecretBits out = SecretBits::zeroed(1024);
  return compress_bits(bits.expose_secret(), mask, out.expose_secret_mutable()) > 0 ? 0 : 1;
}

struct Case {
  std::string_view name;
  int (*run)();
};
constexpr Case cases[] = {
    {"leaky", leaky},
    {"compare", compare},
    {"hash_under_secret_key", hash_under_secret_key},
    {"hash_of_secret_message", hash_of_secret_message},
    {"wipe_and_trim", wipe_and_trim},
    {"amplify_by_fft", amplify_by_fft},
    {"amplify_by_squares", amplify_by_squares},
    {"select_secret_bits", select_secret_bits},
};

}  // namespace
}  // namespace quoin

int main(int argc, char** argv) {
  for (const quoin::Case& one : quoin::cases) {
    if (argc < 2)
      std::puts(one.name.data());
    else if (one.name == argv[1])
      return one.run();
  }
  return argc < 2 ? 0 : 2;
}
