// One side's progress through Cascade: which parities are known, which of them differ, what is
// asked next and what this side's own answer is. All but the answers is public and equal on both
// sides. Only for the cascade files.
//
// A frame asks in a round for the left halves of parts that differ, or for the blocks of a pass
// that begins, or for its masked parities; when it has given up searching, for every bit. A part
// that differs is halved until one place is left: that is an error, and it changes the difference
// of the part that holds it in every other pass. Nothing is asked twice: the known parts of all
// passes stay, and only the smallest ones need a difference, for those above follow.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/result.hpp"
#include "distill/cascade_bits.hpp"
#include "distill/cascade_first_search.hpp"
#include "distill/cascade_key.hpp"
#include "distill/cascade_plan.hpp"
#include "kernels/marked_parts.hpp"

namespace quoin {

class CascadeState {
 public:
  // `layout` and `key` outlive the object. `corrects`: errors found are put right in `key`.
  CascadeState(const CascadeLayout& layout, CascadeKey& key, bool corrects);

  bool is_finished() const { return active_.empty() && block_asking_ == BlockAsking::nothing; }
  // This side's own answers to what the round asks for: frame by frame, and in a frame pass by pass
  // and in ascending order of places.
  const BitAppender& answers() const { return answers_; }

  // Takes the differences of all answers and moves on to the next round. `is_late`: frames still
  // open give up searching. Fails as conflict when the differences contradict each other, which
  // those of an honest peer cannot.
  Status advance(WordSpan differences, bool is_late);

  const BitString& error_positions() const { return errors_; }
  std::size_t frames_disclosed() const { return frames_disclosed_; }

 private:
  enum class Asking : std::uint8_t {
    blocks,        // of pass `passes_open`
    first_halves,  // the first search: left halves of all blocks that differ
    halves,        // left halves of parts that differ
    masks,
    masked_half,  // the left half of masked[masked_at]
    everything,
    nothing,  // finished
  };
  // The left half [begin, middle) of a part [begin, last] that differs.
  struct Question {
    std::uint16_t begin;
    std::uint16_t middle;
    std::uint16_t last;
    std::uint16_t pass;
  };
  // Positions [begin, end) under a mask.
  struct MaskedPart {
    std::uint32_t begin;
    std::uint32_t end;
    std::uint16_t mask;
    bool is_odd;
    std::uint32_t middle() const { return (begin + end) / 2; }
  };
  // A place of a pass, or the part that begins there.
  struct Place {
    std::uint16_t pass;
    std::uint16_t place;
  };
  // Frames [begin, end) together, all of their positions under a mask.
  struct BlockPart {
    std::uint32_t begin;
    std::uint32_t end;
    std::uint16_t mask;
    bool is_odd;
    std::uint32_t middle() const { return (begin + end) / 2; }
  };
  // What is asked about the block when no frame asks.
  enum class BlockAsking : std::uint8_t { nothing, masks, half };
  struct Frame {
    std::uint32_t first_question = 0;
    std::uint32_t question_count = 0;
    std::uint32_t bits_asked = 0;  // with those of this round
    std::uint8_t passes_open = 0;  // passes whose blocks are known
    Asking asking = Asking::blocks;
    bool are_masks_open = false;
    bool is_disclosed = false;
    bool is_odd = false;  // the number of errors left, modulo 2
    std::uint32_t masked_at = 0;
    std::vector<MaskedPart> masked;
  };

  struct Line {
    MarkedParts known;
    const std::uint64_t* own;  // this side's bits
  };
  // Between what the peer said of a frame and what is asked next.
  struct FrameAtHand {
    std::vector<Line> lines;       // per pass
    std::vector<Question> halves;  // that differ, still marked
    std::vector<Place> singles;    // parts of one place that differ
    std::vector<Place> turned;     // parts that came to differ, some more than once or no longer
  };

  void take_in_hand(std::size_t f, std::size_t hand);
  MarkedParts parts(std::size_t f, std::size_t pass) const {
    return {board_words_ + (f * layout_->passes() + pass) * board_stride_, line_bits(f, pass)};
  }
  // Bits of the frame that belong to the key.
  std::size_t real_bits(std::size_t f) const {
    return f + 1 == frames_.size() ? last_frame_bits_ : layout_->frame_bits();
  }
  // The first pass of the last frame ends with the key; shuffled ones have holes instead.
  std::size_t line_bits(std::size_t f, std::size_t pass) const {
    return pass == 0 ? real_bits(f) : layout_->frame_bits();
  }
  std::size_t blocks_asked(std::size_t f) const;

  // What the peer said.
  Status take_ahead(std::size_t i, BitCursor& differences);
  Status take(std::size_t f, BitCursor& differences);
  void take_first_blocks(std::size_t f, BitCursor& differences);
  void take_blocks(std::size_t f, BitCursor& differences);
  void take_halves(std::size_t f, BitCursor& differences);
  void take_masks(std::size_t f, BitCursor& differences);
  void take_masked_half(std::size_t f, bool left_is_odd);
  void take_everything(std::size_t f, BitCursor& differences);
  Status take_singles(std::size_t f);
  void prefetch_questions(std::size_t f) const;
  void prefetch_errors(std::size_t f) const;
  Status note_error(std::size_t f, std::size_t position);
  Status take_error(std::size_t f, std::size_t position);

  // What is asked next, and this side's answers to it.
  Status move_on(std::size_t f, bool is_late);
  Status end_first_search(std::size_t f);
  Status ask(std::size_t f);
  Status ask_halves(std::size_t f);
  Status take_blocks_of_one(std::size_t f);
  Question ask_half(const Question& part);
  void correct_copy(std::size_t f, std::size_t pass);
  void ask_blocks(std::size_t f);
  void ask_masks(std::size_t f);
  void ask_masked_half(std::size_t f);
  void ask_everything(std::size_t f);

  // The masks of the block, once all frames have ended.
  void take_block_answers(BitCursor& differences);
  Status ask_about_block();
  void sum_frames(std::size_t begin, std::size_t end);
  void toggle_block_parts(std::size_t f, std::size_t position);

  const CascadeLayout* layout_;
  CascadeKey* key_;
  bool corrects_;
  std::size_t last_frame_bits_;
  bool has_blocks_of_one_ = false;  // a pass of a frame ends with a block of one place
  std::size_t board_stride_;
  // MarkedParts, frame by frame, and in a frame pass by pass. Not secret, but large enough to want
  // a block buffer's huge pages.
  SecretBits board_;
  std::uint64_t* board_words_;
  std::vector<Frame> frames_;
  std::vector<std::uint32_t> active_;  // frames that are not finished, ascending
  std::vector<BlockPart> block_parts_;
  std::size_t block_part_at_ = 0;
  SecretBits sum_;  // of frames
  BlockAsking block_asking_ = BlockAsking::nothing;
  std::optional<CascadeFirstSearch> first_search_;  // until it has ended
  // Parts under search have no mark in the board; other parts that differ have one.
  std::vector<Question> questions_;       // of this round
  std::vector<Question> next_questions_;  // of the one that is being prepared
  // Two frames at a time: while one is treated, the memory that the next one needs is fetched.
  std::array<FrameAtHand, 2> hands_;
  FrameAtHand* hand_ = hands_.data();
  std::vector<std::uint64_t> parities_;  // of the blocks of the frame at hand
  BitAppender answers_;
  BitString errors_;
  std::size_t frames_disclosed_ = 0;
};

}  // namespace quoin
