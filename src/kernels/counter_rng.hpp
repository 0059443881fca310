// Counter-based random words for the simulator: AES-128 in counter mode (FIPS 197; as a generator:
// Salmon et al., SC 2011, "Parallel random numbers: as easy as 1, 2, 3"). Block j of a stream is
// AES of the 128-bit counter (index, domain and j) under a key made of the seed: a pure function,
// equal on every machine and instruction set, so whatever was drawn can be derived again in any
// order. For simulations only, where whoever runs them knows the seed: never for keys of a real
// system.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace quoin {

// The expanded key of one seed.
class CounterKey {
 public:
  static constexpr std::size_t rounds = 10;
  explicit CounterKey(std::uint64_t seed);
  // AES-128 of any key, for known answers. Byte order of FIPS 197.
  explicit CounterKey(const std::array<std::uint8_t, 16>& key);
  // Round keys one after the other, 16 bytes each.
  std::span<const std::uint8_t, 16 * (rounds + 1)> round_keys() const { return round_keys_; }

 private:
  alignas(16) std::array<std::uint8_t, 16 * (rounds + 1)> round_keys_;
};

struct CounterStream {
  const CounterKey* key = nullptr;  // outlives the stream
  std::uint16_t domain = 0;         // what the words are for
  std::uint64_t index = 0;          // which unit of it
};

constexpr std::uint64_t counter_blocks_max = std::uint64_t{1} << 48;  // of one stream

// Words [2 first_block, 2 first_block + out.size()) of the stream; out.size() is even.
void fill_counter_words(const CounterStream& stream, std::uint64_t first_block,
                        std::span<std::uint64_t> out);
// The same by portable integers, for tests and machines without the instructions.
void fill_counter_words_scalar(const CounterStream& stream, std::uint64_t first_block,
                               std::span<std::uint64_t> out);
// By the best instructions here (Highway).
void fill_counter_words_simd(const CounterStream& stream, std::uint64_t first_block,
                             std::span<std::uint64_t> out);

// One AES-128 block, portable.
std::array<std::uint8_t, 16> encrypt_counter_block(const CounterKey& key,
                                                   const std::array<std::uint8_t, 16>& block);

// Reads a stream front to back.
class CounterRng {
 public:
  explicit CounterRng(const CounterStream& stream) : stream_(stream) {}

  std::uint64_t next() {
    if (at_ == buffer_.size()) refill();
    return buffer_[at_++];
  }
  // Uniform below `bound` > 0; off from uniform by less than bound / 2^64.
  std::uint64_t below(std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(Wide{next()} * bound >> 64);
  }

 private:
  void refill() {
    fill_counter_words(stream_, next_block_, buffer_);
    next_block_ += buffer_.size() / 2;
    at_ = 0;
  }

  CounterStream stream_;
  std::uint64_t next_block_ = 0;
  std::array<std::uint64_t, 128> buffer_;
  std::size_t at_ = 128;
};

}  // namespace quoin
