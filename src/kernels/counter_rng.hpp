// Counter-based random words for the simulator: Philox4x64-10 (Salmon et al., SC 2011, "Parallel
// random numbers: as easy as 1, 2, 3"). Word i of stream (key, stream) is a pure function of the
// three, equal on every machine, so whatever was drawn can be derived again. Statistical quality
// only: never for keys of a real system.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace quoin {

struct CounterStream {
  std::uint64_t key = 0;     // the seed of the run
  std::uint64_t domain = 0;  // what the words are for
  std::uint64_t index = 0;   // which unit of it
};

// One Philox4x64-10 block.
std::array<std::uint64_t, 4> philox4x64(std::array<std::uint64_t, 4> counter,
                                        std::array<std::uint64_t, 2> key);

// Words [4 * first_block, 4 * first_block + out.size()) of the stream; out.size() is a multiple
// of 4.
void fill_counter_words(const CounterStream& stream, std::uint64_t first_block,
                        std::span<std::uint64_t> out);

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
    next_block_ += buffer_.size() / 4;
    at_ = 0;
  }

  CounterStream stream_;
  std::uint64_t next_block_ = 0;
  std::array<std::uint64_t, 256> buffer_;
  std::size_t at_ = 256;
};

}  // namespace quoin
