// What both sides of Cascade know of one frame: which parities are known, which of them differ, and
// what is asked next. Public state only; both sides hold equal copies. Only for the cascade files.
//
// While `asking`, a round asks for the left halves of parts that differ and for the blocks of
// passes that begin; while `disclosing`, for every bit. A part that differs is halved until one bit
// is left: that bit is an error, and it changes the difference of the part that holds it in every
// other pass. Only the smallest known parts keep a difference bit; those above follow from them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/result.hpp"
#include "distill/cascade_plan.hpp"

namespace quoin {

// Reads bits front to back; the caller has checked that there are enough.
class BitCursor {
 public:
  explicit BitCursor(WordSpan words) : words_(words) {}
  bool next() {
    const bool bit = bit_at(words_, at_);
    ++at_;
    return bit;
  }

 private:
  WordSpan words_;
  std::size_t at_ = 0;
};

class CascadeFrame {
 public:
  enum class Phase : std::uint8_t { asking, disclosing, finished };

  // `layout` outlives the frame.
  explicit CascadeFrame(const CascadeLayout& layout);

  Phase phase() const { return phase_; }
  const CascadeLayout& layout() const { return *layout_; }
  // Parities, or disclosed bits, that this round asks for.
  std::size_t question_count() const { return question_count_; }

  // Calls ask(pass index, node) for every question of the round, in the order both sides derive.
  // Not in the phase disclosing, where every bit is asked for.
  template <class Ask>
  void for_each_question(Ask ask) const {
    for (std::size_t p = 0; p < passes_open_; ++p) {
      if (!trees_[p].is_searched) continue;
      for (const CascadeNode node : trees_[p].odd) ask(p, layout_->passes[p].left_of(node));
    }
    for (std::size_t p = passes_open_; p < passes_asked_; ++p)
      for (std::size_t b = 0; b < asked_blocks(p); ++b) ask(p, layout_->passes[p].root(b));
  }

  // Takes the differences of all questions, in order, and moves on to the next questions. Fails as
  // conflict when the answers contradict each other, which those of an honest peer cannot.
  Status apply(BitCursor& differences);
  // Positions of the errors that the last apply found.
  std::span<const std::uint16_t> found() const { return found_; }

  // Gives up searching: the next question is for the whole frame.
  void disclose();
  bool is_disclosed() const { return is_disclosed_; }

  // All errors found so far, one bit per bit of the frame.
  WordSpan error_positions() const { return is_error_; }

 private:
  struct PassTree {
    std::vector<std::uint64_t> is_split;  // per node above single bits: both halves are known
    std::vector<std::uint64_t> is_odd;    // per node; only smallest known parts are kept right
    std::vector<CascadeNode> odd;         // all smallest known parts that differ, ascending
    std::vector<CascadeNode> turned_odd;  // to be merged into `odd`
    std::array<bool, 2> root_is_odd{};    // masked passes, until they are first searched
    bool is_changed = false;              // `odd` may hold parts that are even by now
    bool is_searched = false;             // asks in this round
  };
  struct Single {
    std::size_t pass;
    CascadeNode node;
  };

  std::size_t asked_blocks(std::size_t pass) const {
    // From the second pass on the last block follows from the others and the frame as a whole.
    return layout_->passes[pass].blocks - (pass == 0 ? 0 : 1);
  }
  void allocate(std::size_t pass);
  bool is_odd(std::size_t pass, CascadeNode node) const;
  void take_root(std::size_t pass, std::size_t block, bool odd);
  void take_opening(BitCursor& differences);
  void take_searching(BitCursor& differences);
  void take_disclosure(BitCursor& differences);
  CascadeNode split(std::size_t pass, CascadeNode node, bool left_is_odd);
  CascadeNode descend_past_empty(std::size_t pass, CascadeNode node);
  Status take_singles();
  Status take_error(std::size_t position);
  void toggle(std::size_t pass, std::size_t position);
  void merge_odd(std::size_t pass);
  Status settle();
  std::size_t choose_searches();
  void open_next_passes();
  void count_questions();

  const CascadeLayout* layout_;
  std::vector<PassTree> trees_;
  std::vector<Single> singles_;  // parts of one bit that differed when they became known
  std::vector<std::uint16_t> found_;
  std::vector<std::uint64_t> is_error_;
  std::size_t passes_open_ = 0;   // passes whose blocks are known
  std::size_t passes_asked_ = 0;  // asks for the blocks of passes [passes_open_, passes_asked_)
  std::size_t question_count_ = 0;
  std::size_t asked_ = 0;  // questions answered so far
  Phase phase_ = Phase::asking;
  bool is_frame_odd_ = false;  // the number of errors left, modulo 2
  bool is_disclosed_ = false;
};

}  // namespace quoin
