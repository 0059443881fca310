// Known parts of a line against a plain list of them.
#include "kernels/marked_parts.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace quoin {
namespace {

TEST(MarkedParts, finds_splits_and_marks_like_a_list) {
  for (const std::size_t places : {1U, 2U, 63U, 64U, 65U, 1000U, 4097U, 65535U, 65536U}) {
    SCOPED_TRACE(std::to_string(places) + " places");
    std::mt19937_64 engine(places);
    std::vector<std::uint64_t> memory(MarkedParts::words_needed(places));
    MarkedParts line(memory.data(), places);
    std::map<std::size_t, bool> expected{{0, false}};  // begin -> marked
    line.cut(0);
    for (int step = 0; step < 3000; ++step) {
      const std::size_t place = engine() % places;
      const auto part = std::prev(expected.upper_bound(place));
      const auto next = std::next(part);
      ASSERT_EQ(line.begin_of(place), part->first);
      ASSERT_EQ(line.end_of(place), next == expected.end() ? places : next->first);
      ASSERT_EQ(line.is_marked(part->first), part->second);
      switch (engine() % 4) {
        case 0:
          line.cut(place);
          expected.emplace(place, false);
          break;
        case 1:
          part->second = !part->second;
          ASSERT_EQ(line.toggle(part->first), part->second);
          break;
        case 2:
          ASSERT_EQ(line.take_mark(part->first), part->second);
          part->second = false;
          break;
        default: line.set_mark(part->first); part->second = true;
      }
    }
  }
}

TEST(MarkedParts, a_word_of_begins_is_that_of_single_cuts) {
  std::mt19937_64 engine(5);
  std::vector<std::uint64_t> one(MarkedParts::words_needed(640));
  std::vector<std::uint64_t> other(one.size());
  MarkedParts by_word(one.data(), 640);
  MarkedParts by_place(other.data(), 640);
  for (std::size_t w = 0; w < 10; ++w) {
    const std::uint64_t begins = engine() | 1;
    by_word.cut_word(w, begins);
    for (std::size_t i = 0; i < 64; ++i)
      if ((begins >> i & 1) != 0) by_place.cut(w * 64 + i);
  }
  EXPECT_EQ(one, other);
}

}  // namespace
}  // namespace quoin
