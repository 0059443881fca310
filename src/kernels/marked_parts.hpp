// A line of up to 65536 places cut into parts, of which some are marked: what a side of Cascade
// knows of one frame in one pass. Splitting a part and finding the part that holds a place take a
// few word operations each, without branches on what is marked. For the cascade files.
//
// The memory is the caller's. A word of begins (bit set: a part begins here) and a word of marks
// (bit set: the part that begins here is marked) lie side by side; an index tells which words of
// begins are not zero.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace quoin {

class MarkedParts {
 public:
  // Words of memory that a line of so many places takes.
  static constexpr std::size_t words_needed(std::size_t places) {
    return 2 * words_of(places) + words_of(words_of(places));
  }

  // `memory` has words_needed(places) words, zeroed before the line is first cut. 0 < places.
  MarkedParts(std::uint64_t* memory, std::size_t places)
      : pairs_(memory), begins_index_(memory + 2 * words_of(places)), places_(places) {}

  std::size_t places() const { return places_; }

  // Begins a part at `place`. Beginning a part at 0 comes before all else.
  void cut(std::size_t place) {
    begins(place / 64) |= bit(place);
    begins_index_[place / 4096] |= bit(place / 64);
  }

  // Begins parts at all places of word `w` whose bits are set, one or more.
  void cut_word(std::size_t w, std::uint64_t places) {
    begins(w) |= places;
    begins_index_[w / 64] |= bit(w);
  }

  // Tells the cache that the words around `place` are needed soon.
  void prefetch(std::size_t place) const { __builtin_prefetch(&pairs_[place / 64 * 2], 1); }

  // The first place of the part that holds `place`.
  std::size_t begin_of(std::size_t place) const {
    std::size_t w = place / 64;
    std::uint64_t at_or_below = begins(w) & (~std::uint64_t{0} >> (63 - place % 64));
    if (at_or_below == 0) {
      w = last_word_with_begins_before(w);
      at_or_below = begins(w);
    }
    return w * 64 + static_cast<std::size_t>(63 - std::countl_zero(at_or_below));
  }

  // One past the last place of the part that holds `place`.
  std::size_t end_of(std::size_t place) const {
    const std::uint64_t above = begins(place / 64) >> 1 >> (place % 64);
    if (above != 0) return place + 1 + static_cast<std::size_t>(std::countr_zero(above));
    return first_begin_from_word(place / 64 + 1);
  }

  bool is_marked(std::size_t begin) const { return (marks(begin / 64) & bit(begin)) != 0; }
  // Changes the mark of the part that begins at `begin` where `change` is set; returns the mark.
  bool toggle(std::size_t begin, bool change = true) {
    std::uint64_t& word = marks(begin / 64);
    word ^= std::uint64_t{change} << (begin % 64);
    return (word & bit(begin)) != 0;
  }
  // Takes the mark away; returns whether there was one.
  bool take_mark(std::size_t begin) {
    std::uint64_t& word = marks(begin / 64);
    const bool was_marked = (word & bit(begin)) != 0;
    word &= ~bit(begin);
    return was_marked;
  }
  void set_mark(std::size_t begin) { marks(begin / 64) |= bit(begin); }

 private:
  static constexpr std::size_t words_of(std::size_t bits) { return (bits + 63) / 64; }
  static constexpr std::uint64_t bit(std::size_t i) { return std::uint64_t{1} << (i % 64); }

  std::uint64_t& begins(std::size_t w) { return pairs_[2 * w]; }
  std::uint64_t begins(std::size_t w) const { return pairs_[2 * w]; }
  std::uint64_t& marks(std::size_t w) { return pairs_[2 * w + 1]; }
  std::uint64_t marks(std::size_t w) const { return pairs_[2 * w + 1]; }

  std::size_t last_word_with_begins_before(std::size_t w) const {
    std::size_t i = w / 64;
    std::uint64_t index = begins_index_[i] & (bit(w) - 1);
    while (index == 0) index = begins_index_[--i];
    return i * 64 + static_cast<std::size_t>(63 - std::countl_zero(index));
  }

  std::size_t first_begin_from_word(std::size_t w) const {
    const std::size_t words = words_of(places_);
    if (w >= words) return places_;
    std::size_t i = w / 64;
    std::uint64_t index = begins_index_[i] & (~std::uint64_t{0} << (w % 64));
    while (index == 0) {
      if (++i * 64 >= words) return places_;
      index = begins_index_[i];
    }
    const std::size_t found = i * 64 + static_cast<std::size_t>(std::countr_zero(index));
    return found * 64 + static_cast<std::size_t>(std::countr_zero(begins(found)));
  }

  std::uint64_t* pairs_;
  std::uint64_t* begins_index_;
  std::size_t places_;
};

}  // namespace quoin
