#include "kernels/poly_hash.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace quoin {

namespace poly_hash_blocks {

namespace {

std::uint64_t load_big_endian(const std::byte* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  static_assert(std::endian::native == std::endian::little);
  return std::byteswap(word);
}

// A GHASH block, its bytes reversed: word 0 holds the coefficients of the low powers in POLYVAL's
// sense.
Words load_block(const std::byte* at) { return {load_big_endian(at + 8), load_big_endian(at)}; }

// Low 64 bits of the carry-less product. Every fourth bit is kept at a time, so that the carries of
// the integer product fall into the three zeros above it: at most 16 terms meet in a position, and
// 16 only in the topmost, whose carry leaves the word. Constant time where integer multiplication
// is.
std::uint64_t multiply_low(std::uint64_t a, std::uint64_t b) {
  constexpr std::uint64_t every_fourth = 0x1111'1111'1111'1111;
  std::array<std::uint64_t, 4> sums{};
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned j = 0; j < 4; ++j)
      sums[(i + j) % 4] ^= (a & every_fourth << i) * (b & every_fourth << j);
  std::uint64_t product = 0;
  for (unsigned i = 0; i < 4; ++i) product |= sums[i] & every_fourth << i;
  return product;
}

std::uint64_t reverse_bits(std::uint64_t word) {
  const auto swap_groups = [&word](std::uint64_t mask, unsigned shift) {
    word = (word >> shift & mask) | (word & mask) << shift;
  };
  swap_groups(0x5555'5555'5555'5555, 1);
  swap_groups(0x3333'3333'3333'3333, 2);
  swap_groups(0x0f0f'0f0f'0f0f'0f0f, 4);
  return std::byteswap(word);
}

// The full product of 127 bits as (low, high): the high half is the low half of the mirrored
// operands, mirrored.
Words multiply_wide(std::uint64_t a, std::uint64_t b) {
  return {multiply_low(a, b), reverse_bits(multiply_low(reverse_bits(a), reverse_bits(b))) >> 1};
}

// a b x^-128 modulo x^128 + x^127 + x^126 + x^121 + 1 (RFC 8452, 3: dot). Each fold adds a multiple
// of the modulus that clears 64 low bits.
Words dot(const Words& a, const Words& b) {
  const Words low = multiply_wide(a[0], b[0]);
  const Words high = multiply_wide(a[1], b[1]);
  const Words both = multiply_wide(a[0] ^ a[1], b[0] ^ b[1]);
  std::array<std::uint64_t, 4> product = {low[0], low[1] ^ low[0] ^ high[0] ^ both[0],
                                          high[0] ^ low[1] ^ high[1] ^ both[1], high[1]};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::uint64_t w = product[i];
    product[i + 1] ^= w << 63 ^ w << 62 ^ w << 57;
    product[i + 2] ^= w ^ w >> 1 ^ w >> 2 ^ w >> 7;
  }
  return {product[2], product[3]};
}

// Multiplication by x in POLYVAL's field: turns a GHASH key into the POLYVAL key that gives the
// same hash (RFC 8452, appendix A).
Words multiply_by_x(const Words& a) {
  const std::uint64_t carry = 0 - (a[1] >> 63);
  return {a[0] << 1 ^ (carry & 1), (a[1] << 1 | a[0] >> 63) ^ (carry & 0xc200'0000'0000'0000)};
}

}  // namespace

void make_powers(std::span<const std::byte, poly_hash_bytes> key, std::span<Words> powers) {
  QUOIN_INVARIANT(powers.size() == powers_count, "a table of 32 powers");
  powers[powers_count - 1] = multiply_by_x(load_block(key.data()));
  for (std::size_t i = powers_count - 1; i-- > 0;)
    powers[i] = dot(powers[i + 1], powers[powers_count - 1]);
}

void absorb_scalar(Words& accumulator, std::span<const Words> powers, ByteSpan blocks) {
  const Words& key = powers[powers_count - 1];
  for (std::size_t at = 0; at < blocks.size(); at += poly_hash_bytes) {
    const Words block = load_block(blocks.data() + at);
    accumulator = dot({accumulator[0] ^ block[0], accumulator[1] ^ block[1]}, key);
  }
}

}  // namespace poly_hash_blocks

namespace {

using poly_hash_blocks::powers_count;
using poly_hash_blocks::Words;

std::span<const Words> view_powers(const SecretBytes& powers) {
  return {reinterpret_cast<const Words*>(powers.expose_secret().data()), powers_count};
}

}  // namespace

PolyHash::PolyHash(std::span<const std::byte, poly_hash_bytes> key)
    : powers_(SecretBytes::zeroed(powers_count * sizeof(Words))) {
  poly_hash_blocks::make_powers(
      key, {reinterpret_cast<Words*>(powers_.expose_secret_mutable().data()), powers_count});
}

PolyHash::~PolyHash() { wipe_state(); }

void PolyHash::wipe_state() {
  secure_wipe(std::as_writable_bytes(std::span(accumulator_)));
  secure_wipe(partial_);
  size_bytes_ = 0;
}

void PolyHash::update(ByteSpan bytes) {
  const std::size_t held = size_bytes_ % poly_hash_bytes;
  size_bytes_ += bytes.size();
  if (held > 0) {
    const std::size_t taken = std::min(poly_hash_bytes - held, bytes.size());
    std::copy_n(bytes.begin(), taken, partial_.begin() + static_cast<std::ptrdiff_t>(held));
    bytes = bytes.subspan(taken);
    if (held + taken < poly_hash_bytes) return;
    poly_hash_blocks::absorb_simd(accumulator_, view_powers(powers_), partial_);
  }
  const std::size_t whole = bytes.size() - bytes.size() % poly_hash_bytes;
  poly_hash_blocks::absorb_simd(accumulator_, view_powers(powers_), bytes.first(whole));
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(whole), bytes.end(), partial_.begin());
}

PolyHashValue PolyHash::finish() {
  const std::size_t held = size_bytes_ % poly_hash_bytes;
  if (held > 0) {
    std::fill(partial_.begin() + static_cast<std::ptrdiff_t>(held), partial_.end(), std::byte{0});
    poly_hash_blocks::absorb_simd(accumulator_, view_powers(powers_), partial_);
  }
  const std::array<std::uint64_t, 2> length = {std::byteswap(size_bytes_ >> 61),
                                               std::byteswap(size_bytes_ << 3)};
  poly_hash_blocks::absorb_simd(accumulator_, view_powers(powers_),
                                std::as_bytes(std::span(length)));
  const std::array<std::uint64_t, 2> out = {std::byteswap(accumulator_[1]),
                                            std::byteswap(accumulator_[0])};
  wipe_state();
  return std::bit_cast<PolyHashValue>(out);
}

PolyHashValue poly_hash(std::span<const std::byte, poly_hash_bytes> key, ByteSpan message) {
  PolyHash hash(key);
  hash.update(message);
  return hash.finish();
}

}  // namespace quoin
