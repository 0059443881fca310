// Polynomial hash over GF(2^128) in GHASH bit order (NIST SP 800-38D, 6.3 and 6.4), running.
//
// The message is cut into 16-byte blocks, the last one filled with zeros, and one more block holds
// the length of the message in bits, big-endian, 128 bits. With l blocks m_1..m_l (length block
// included) the hash is sum m_i k^(l+1-i). For a uniform key k two different messages, each of at
// most l blocks, have a given XOR of hashes with probability at most l / 2^128: an
// epsilon-almost-XOR-universal family. XORed with a one-time pad it is a Wegman-Carter tag; under a
// fresh public seed it verifies a reconciled key.
//
// For src/distill and src/auth. Takes time that depends on the lengths only. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "core/secret.hpp"

namespace quoin {

constexpr std::size_t poly_hash_bytes = 16;
using PolyHashValue = std::array<std::byte, poly_hash_bytes>;

class PolyHash {
 public:
  // Powers of the key live in the locked arena (512 bytes) and are wiped with the object.
  explicit PolyHash(std::span<const std::byte, poly_hash_bytes> key);
  PolyHash(PolyHash&&) noexcept = default;
  PolyHash& operator=(PolyHash&&) noexcept = default;
  PolyHash(const PolyHash&) = delete;
  PolyHash& operator=(const PolyHash&) = delete;
  ~PolyHash();

  // Any split of a message into updates gives the same hash. At most 2^60 bytes per message.
  void update(ByteSpan bytes);
  // The hash of all bytes since the start or the last finish(), length block included. Starts anew
  // under the same key. Without a pad over it the hash reveals the key to whoever knows the
  // message.
  PolyHashValue finish();
  // Bytes absorbed since the start or the last finish().
  std::uint64_t size_bytes() const { return size_bytes_; }

 private:
  void wipe_state();

  SecretBytes powers_;
  std::array<std::uint64_t, 2> accumulator_{};
  std::array<std::byte, poly_hash_bytes> partial_{};
  std::uint64_t size_bytes_ = 0;
};

PolyHashValue poly_hash(std::span<const std::byte, poly_hash_bytes> key, ByteSpan message);

// Hashing n full blocks, below the running interface, so that tests and benchmarks can compare the
// instruction sets. Elements are held in POLYVAL form (RFC 8452, appendix A): the block's bytes
// reversed, as (low, high) words; `powers` holds k^32 .. k^1 in that form.
namespace poly_hash_blocks {

constexpr std::size_t powers_count = 32;
using Words = std::array<std::uint64_t, 2>;

void make_powers(std::span<const std::byte, poly_hash_bytes> key, std::span<Words> powers);
// accumulator = (accumulator + m_1) k^n + m_2 k^(n-1) + ... + m_n k, for n = blocks.size() / 16.
void absorb_scalar(Words& accumulator, std::span<const Words> powers, ByteSpan blocks);
// The same by carry-less multiplication, on the best instruction set of this machine.
void absorb_simd(Words& accumulator, std::span<const Words> powers, ByteSpan blocks);

}  // namespace poly_hash_blocks

}  // namespace quoin
