#include "sim/seeded_random.hpp"

#include <algorithm>
#include <cstring>

namespace quoin {

std::uint64_t SeededRandom::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

void SeededRandom::fill(MutableByteSpan out) {
  while (!out.empty()) {
    const std::uint64_t word = next();
    const std::size_t size = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, size);
    out = out.subspan(size);
  }
}

std::uint64_t SeededRandom::below(std::uint64_t bound) { return next() % bound; }

bool SeededRandom::happens(double probability) {
  return static_cast<double>(next() >> 11) * 0x1p-53 < probability;
}

}  // namespace quoin
