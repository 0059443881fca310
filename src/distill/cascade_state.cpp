#include "distill/cascade_state.hpp"

#include <algorithm>
#include <bit>

#include "kernels/bit_ops.hpp"
#include "kernels/block_parity.hpp"

namespace quoin {

namespace {

Failure contradiction() {
  return fail(ErrorCode::conflict, "the peer's parities contradict each other");
}

std::size_t last_frame_bits(const CascadeLayout& layout, std::size_t key_bits) {
  const std::size_t frames = layout.plan().frames;
  return frames == 0 ? 0 : key_bits - (frames - 1) * layout.frame_bits();
}

unsigned log2_of(std::size_t power) { return static_cast<unsigned>(std::bit_width(power) - 1); }

}  // namespace

CascadeState::CascadeState(const CascadeLayout& layout, CascadeKey& key, bool corrects)
    : layout_(&layout),
      key_(&key),
      corrects_(corrects),
      last_frame_bits_(last_frame_bits(layout, key.size_bits())),
      board_stride_(MarkedParts::words_needed(layout.frame_bits())),
      board_(SecretBits::zeroed(layout.plan().frames * layout.passes() * board_stride_ * 64)),
      board_words_(board_.expose_secret_mutable().data()),
      frames_(layout.plan().frames),
      errors_(key.size_bits()) {
  const std::size_t k = layout.block_bits(0);
  if (k >= 2 && k <= 64 && std::has_single_bit(k))
    first_search_.emplace(frames_.size(), log2_of(k));
  for (std::size_t p = 0; p < layout.passes() && !frames_.empty(); ++p)
    for (const std::size_t line : {layout.frame_bits(), line_bits(frames_.size() - 1, p)})
      has_blocks_of_one_ = has_blocks_of_one_ || line % layout.block_bits(p) == 1;
  for (std::size_t f = 0; f < frames_.size(); ++f) {
    active_.push_back(static_cast<std::uint32_t>(f));
    if (blocks_asked(f) >= real_bits(f)) {
      ask_everything(f);
    } else {
      ask_blocks(f);
      frames_[f].bits_asked = static_cast<std::uint32_t>(blocks_asked(f));
    }
  }
}

Status CascadeState::advance(WordSpan differences, bool is_late) {
  BitCursor cursor(differences);
  answers_ = {};
  next_questions_.clear();
  if (block_asking_ != BlockAsking::nothing) take_block_answers(cursor);
  // The first search needs to know the blocks of all frames before it goes on with any.
  const bool is_in_step = first_search_.has_value();
  if (is_in_step) {
    for (const std::uint32_t f : active_) {
      take_in_hand(f, 0);
      QUOIN_TRY(take(f, cursor));
    }
    first_search_->step(*key_);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < active_.size(); ++i) {
    const std::uint32_t f = active_[i];
    if (is_in_step) {
      take_in_hand(f, 0);
    } else {
      QUOIN_TRY(take_ahead(i, cursor));
    }
    if (frames_[f].asking != Asking::nothing) QUOIN_TRY(move_on(f, is_late));
    active_[kept] = f;
    kept += frames_[f].asking == Asking::nothing ? 0U : 1U;
  }
  active_.resize(kept);
  questions_.swap(next_questions_);
  if (is_in_step && (is_late || first_search_->is_done())) first_search_.reset();
  const bool is_told_whole = frames_disclosed_ == frames_.size();
  if (active_.empty() && !is_late && !is_told_whole) return ask_about_block();
  return success();
}

// Takes what the peer said of the frame after the `i`th active one, whose memory then is fetched
// while the `i`th is treated, which is left at hand.
Status CascadeState::take_ahead(std::size_t i, BitCursor& differences) {
  if (i == 0) {
    take_in_hand(active_[0], 0);
    QUOIN_TRY(take(active_[0], differences));
  }
  if (i + 2 < active_.size()) prefetch_questions(active_[i + 2]);
  if (i + 1 < active_.size()) {
    take_in_hand(active_[i + 1], (i + 1) % 2);
    QUOIN_TRY(take(active_[i + 1], differences));
  }
  hand_ = &hands_[i % 2];
  return success();
}

void CascadeState::take_in_hand(std::size_t f, std::size_t hand) {
  hand_ = &hands_[hand];
  hand_->lines.clear();
  for (std::size_t p = 0; p < layout_->passes(); ++p)
    hand_->lines.push_back({parts(f, p), key_->copy(f, p)});
}

// --- what the peer said

Status CascadeState::take(std::size_t f, BitCursor& differences) {
  Frame& frame = frames_[f];
  switch (frame.asking) {
    case Asking::blocks:
      if (first_search_) {
        take_first_blocks(f, differences);
      } else {
        take_blocks(f, differences);
      }
      break;
    case Asking::first_halves: first_search_->take(f, differences); break;
    case Asking::halves:
      take_halves(f, differences);
      prefetch_errors(f);
      break;
    case Asking::masks: take_masks(f, differences); break;
    case Asking::masked_half: take_masked_half(f, differences.next()); break;
    case Asking::everything:
      take_everything(f, differences);
      frame.asking = Asking::nothing;
      break;
    case Asking::nothing: break;
  }
  return success();
}

void CascadeState::take_first_blocks(std::size_t f, BitCursor& differences) {
  Frame& frame = frames_[f];
  const std::size_t k = layout_->block_bits(0);
  const std::size_t line = line_bits(f, 0);
  MarkedParts known = parts(f, 0);
  const std::uint64_t begins = k == 64 ? 1 : ~std::uint64_t{0} / ((std::uint64_t{1} << k) - 1);
  for (std::size_t w = 0; w < words_for_bits(line); ++w)
    known.cut_word(w, w + 1 < words_for_bits(line) ? begins : begins & last_word_mask(line));
  const std::size_t asked = blocks_asked(f);
  for (std::size_t first = 0; first < asked; first += 64) {
    std::uint64_t odd = differences.next_bits(std::min<std::size_t>(64, asked - first));
    frame.is_odd ^= std::popcount(odd) % 2 != 0;
    for (; odd != 0; odd &= odd - 1) {
      const std::size_t block = first + static_cast<std::size_t>(std::countr_zero(odd));
      if ((block + 1) * k <= line) {
        first_search_->add_block(f, block);
      } else {
        // A last block that the key cuts short does not halve in step.
        known.set_mark(block * k);
      }
    }
  }
  frame.passes_open = 1;
}

void CascadeState::take_blocks(std::size_t f, BitCursor& differences) {
  Frame& frame = frames_[f];
  const std::size_t pass = frame.passes_open;
  const std::size_t k = layout_->block_bits(pass);
  const std::size_t asked = blocks_asked(f);
  MarkedParts line = parts(f, pass);
  bool is_odd = false;  // over all blocks asked for
  const auto take_block = [&](std::size_t b, bool differs) {
    line.cut(b * k);
    if (!differs) return;
    line.set_mark(b * k);
    hand_->turned.push_back({static_cast<std::uint16_t>(pass), static_cast<std::uint16_t>(b * k)});
  };
  for (std::size_t b = 0; b < asked; ++b) {
    const bool differs = differences.next();
    is_odd ^= differs;
    take_block(b, differs);
  }
  if (pass == 0) {
    frame.is_odd = is_odd;
  } else {
    take_block(asked, is_odd != frame.is_odd);
  }
  ++frame.passes_open;
}

// All answers are about the state before any error of this round is put right.
void CascadeState::take_halves(std::size_t f, BitCursor& differences) {
  const std::span<const Question> asked =
      std::span(questions_).subspan(frames_[f].first_question, frames_[f].question_count);
  hand_->halves.resize(asked.size());
  hand_->singles.resize(asked.size());
  Question* half = hand_->halves.data();
  Place* single = hand_->singles.data();
  for (auto q = asked.begin(); q != asked.end();) {
    const std::uint16_t pass = q->pass;
    MarkedParts line = hand_->lines[pass].known;
    for (; q != asked.end() && q->pass == pass; ++q) {
      const bool left_differs = differences.next();
      const std::uint16_t begin = left_differs ? q->begin : q->middle;
      const auto last = static_cast<std::uint16_t>(left_differs ? q->middle - 1 : q->last);
      line.cut(q->middle);
      line.set_mark(begin);
      const bool is_single = begin == last;
      *single = {pass, begin};
      single += is_single ? 1 : 0;
      *half = {begin, 0, last, pass};
      half += is_single ? 0 : 1;
    }
  }
  hand_->halves.resize(static_cast<std::size_t>(half - hand_->halves.data()));
  hand_->singles.resize(static_cast<std::size_t>(single - hand_->singles.data()));
}

void CascadeState::prefetch_questions(std::size_t f) const {
  if (frames_[f].asking != Asking::halves) return;
  const std::span<const Question> asked =
      std::span(questions_).subspan(frames_[f].first_question, frames_[f].question_count);
  for (const Question& q : asked) {
    parts(f, q.pass).prefetch(q.middle);
    __builtin_prefetch(key_->copy(f, q.pass) + q.begin / 64);
  }
}

// What the errors of this round will change, in all passes.
void CascadeState::prefetch_errors(std::size_t f) const {
  const std::uint64_t* errors = errors_.words().data() + f * layout_->frame_words();
  for (const Place& single : hand_->singles) {
    const std::size_t position = layout_->position(single.pass, single.place);
    __builtin_prefetch(errors + position / 64, 1);
    for (std::size_t p = 0; p < frames_[f].passes_open; ++p) {
      const std::size_t place = layout_->place(p, position);
      hand_->lines[p].known.prefetch(place);
      __builtin_prefetch(hand_->lines[p].own + place / 64, 1);
    }
  }
}

Status CascadeState::take_singles(std::size_t f) {
  for (const Place& single : hand_->singles) {
    // Another pass may have found the same error in this round.
    if (!hand_->lines[single.pass].known.is_marked(single.place)) continue;
    QUOIN_TRY(take_error(f, layout_->position(single.pass, single.place)));
  }
  hand_->singles.clear();
  return success();
}

void CascadeState::take_masks(std::size_t f, BitCursor& differences) {
  Frame& frame = frames_[f];
  for (std::size_t m = 0; m < layout_->plan().masks; ++m)
    frame.masked.push_back({0, static_cast<std::uint32_t>(layout_->frame_bits()),
                            static_cast<std::uint16_t>(m), differences.next()});
  frame.are_masks_open = true;
}

void CascadeState::take_masked_half(std::size_t f, bool left_is_odd) {
  Frame& frame = frames_[f];
  MaskedPart& part = frame.masked[frame.masked_at];
  const MaskedPart right{part.middle(), part.end, part.mask, !left_is_odd};
  part.end = right.begin;
  part.is_odd = left_is_odd;
  frame.masked.push_back(right);
}

// The peer's own bits, as differences from what this side has by now.
void CascadeState::take_everything(std::size_t f, BitCursor& differences) {
  for (std::size_t i = 0; i < real_bits(f); ++i) {
    if (!differences.next()) continue;
    const std::size_t bit = f * layout_->frame_bits() + i;
    errors_.set(bit, !errors_[bit]);
    toggle_block_parts(f, i);
  }
}

Status CascadeState::note_error(std::size_t f, std::size_t position) {
  const std::size_t bit = f * layout_->frame_bits() + position;
  if (position >= real_bits(f) || errors_[bit]) return contradiction();
  errors_.set(bit, true);
  frames_[f].is_odd = !frames_[f].is_odd;
  toggle_block_parts(f, position);
  return success();
}

Status CascadeState::take_error(std::size_t f, std::size_t position) {
  QUOIN_TRY(note_error(f, position));
  Frame& frame = frames_[f];
  for (std::size_t p = 0; p < frame.passes_open; ++p) {
    MarkedParts line = hand_->lines[p].known;
    const std::size_t place = layout_->place(p, position);
    const std::size_t begin = line.begin_of(place);
    if (corrects_) key_->flip(f, p, place);
    if (line.toggle(begin))
      hand_->turned.push_back({static_cast<std::uint16_t>(p), static_cast<std::uint16_t>(begin)});
  }
  for (MaskedPart& part : frame.masked)
    if (position >= part.begin && position < part.end && bit_at(layout_->mask(part.mask), position))
      part.is_odd = !part.is_odd;
  return success();
}

// --- what is asked next

Status CascadeState::move_on(std::size_t f, bool is_late) {
  Frame& frame = frames_[f];
  const std::size_t answers_before = answers_.size_bits();
  const std::size_t questions_before = next_questions_.size();
  if (first_search_ && !first_search_->is_done()) {
    first_search_->append_answers(f, answers_);
    frame.asking = Asking::first_halves;
  } else {
    if (first_search_) QUOIN_TRY(end_first_search(f));
    QUOIN_TRY(take_singles(f));
    QUOIN_TRY(ask(f));
  }
  if (frame.asking == Asking::nothing) return success();
  const std::size_t asked = answers_.size_bits() - answers_before;
  frame.bits_asked += static_cast<std::uint32_t>(asked);
  // Beyond a parity per bit the frame is as good as told.
  if (!is_late && frame.bits_asked <= real_bits(f)) return success();
  answers_.truncate(answers_before);
  next_questions_.resize(questions_before);
  ask_everything(f);
  return success();
}

Status CascadeState::end_first_search(std::size_t f) {
  const std::size_t k = layout_->block_bits(0);
  MarkedParts known = parts(f, 0);
  const std::size_t cut_short = real_bits(f) / k * k;
  if (cut_short < real_bits(f) && known.is_marked(cut_short))
    hand_->turned.push_back({0, static_cast<std::uint16_t>(cut_short)});
  return first_search_->for_each_found(f, [&](std::size_t block, std::size_t offset) {
    const std::size_t begin = block * k;
    known.cut_word(begin / 64, first_search_->begins_of_search(offset) << (begin % 64));
    if (corrects_) key_->flip(f, 0, begin + offset);
    return note_error(f, begin + offset);
  });
}

Status CascadeState::ask(std::size_t f) {
  Frame& frame = frames_[f];
  for (;;) {
    QUOIN_TRY(ask_halves(f));
    if (frame.question_count > 0) return success();
    if (frame.passes_open < layout_->passes()) {
      ask_blocks(f);
      return success();
    }
    if (!frame.are_masks_open && layout_->plan().masks > 0) {
      ask_masks(f);
      return success();
    }
    // One mask after the other: two of them would mostly chase the same error.
    const auto odd = std::find_if(frame.masked.begin(), frame.masked.end(),
                                  [](const MaskedPart& part) { return part.is_odd; });
    if (odd == frame.masked.end()) {
      frame.asking = Asking::nothing;
      return success();
    }
    if (odd->end - odd->begin > 1) {
      frame.masked_at = static_cast<std::uint32_t>(odd - frame.masked.begin());
      ask_masked_half(f);
      return success();
    }
    // A bit that the mask does not hold cannot differ under it.
    if (!bit_at(layout_->mask(odd->mask), odd->begin)) return contradiction();
    QUOIN_TRY(take_error(f, odd->begin));
  }
}

Status CascadeState::ask_halves(std::size_t f) {
  Frame& frame = frames_[f];
  frame.asking = Asking::halves;
  if (has_blocks_of_one_) QUOIN_TRY(take_blocks_of_one(f));
  const std::size_t first = next_questions_.size();
  next_questions_.resize(first + hand_->halves.size() + hand_->turned.size());
  Question* next = next_questions_.data() + first;
  for (const Question& half : hand_->halves)
    if (hand_->lines[half.pass].known.take_mark(half.begin)) *next++ = ask_half(half);
  for (const Place& turned : hand_->turned) {
    MarkedParts line = hand_->lines[turned.pass].known;
    if (!line.take_mark(turned.place)) continue;
    const auto last = static_cast<std::uint16_t>(line.end_of(turned.place) - 1);
    // A single place that was known to be right cannot turn out wrong.
    if (last == turned.place) return contradiction();
    *next++ = ask_half({turned.place, 0, last, turned.pass});
  }
  hand_->halves.clear();
  hand_->turned.clear();
  next_questions_.resize(static_cast<std::size_t>(next - next_questions_.data()));
  frame.first_question = static_cast<std::uint32_t>(first);
  frame.question_count = static_cast<std::uint32_t>(next_questions_.size() - first);
  return success();
}

// Appends this side's answer; returns the part with its middle.
inline CascadeState::Question CascadeState::ask_half(const Question& part) {
  const std::uint64_t* own = hand_->lines[part.pass].own;
  const std::size_t half = (std::size_t{part.last} + 1 - part.begin) / 2;
  const std::size_t middle = part.begin + half;
  answers_.append(half <= 64 ? short_parity(own, part.begin, half)
                             : range_parity({own, layout_->frame_words()}, part.begin, middle));
  return {part.begin, static_cast<std::uint16_t>(middle), part.last, part.pass};
}

// A last block of one place that differs is an error.
Status CascadeState::take_blocks_of_one(std::size_t f) {
  for (std::size_t i = 0; i < hand_->turned.size(); ++i) {
    const Place turned = hand_->turned[i];
    const MarkedParts line = hand_->lines[turned.pass].known;
    if (line.end_of(turned.place) == turned.place + 1U && line.is_marked(turned.place))
      QUOIN_TRY(take_error(f, layout_->position(turned.pass, turned.place)));
  }
  return success();
}

std::size_t CascadeState::blocks_asked(std::size_t f) const {
  const std::size_t pass = frames_[f].passes_open;
  const std::size_t k = layout_->block_bits(pass);
  const std::size_t blocks = (line_bits(f, pass) + k - 1) / k;
  // From the second pass on the last block follows from the others and the frame as a whole.
  return pass == 0 ? blocks : blocks - 1;
}

// Puts right in the copy of a pass that begins what the passes before have found.
void CascadeState::correct_copy(std::size_t f, std::size_t pass) {
  const std::size_t first = f * layout_->frame_words();
  const std::size_t words = words_for_bits(real_bits(f));
  for (std::size_t w = 0; w < words; ++w) {
    for (std::uint64_t found = errors_.words()[first + w]; found != 0; found &= found - 1)
      key_->flip(f, pass,
                 layout_->place(pass, w * 64 + static_cast<std::size_t>(std::countr_zero(found))));
  }
}

void CascadeState::ask_blocks(std::size_t f) {
  Frame& frame = frames_[f];
  frame.asking = Asking::blocks;
  const std::size_t pass = frame.passes_open;
  const std::size_t k = layout_->block_bits(pass);
  const std::size_t count = blocks_asked(f);
  if (corrects_ && pass > 0) correct_copy(f, pass);
  const WordSpan own = key_->copy_words(f, pass);
  if (k <= 64 && std::has_single_bit(k)) {
    parities_.resize(words_for_bits(own.size() * 64 / k));
    block_parities(own, log2_of(k), parities_);
    answers_.append_words(parities_, count);
    return;
  }
  for (std::size_t b = 0; b < count; ++b)
    answers_.append(range_parity(own, b * k, std::min((b + 1) * k, line_bits(f, pass))));
}

void CascadeState::ask_masks(std::size_t f) {
  frames_[f].asking = Asking::masks;
  for (std::size_t m = 0; m < layout_->plan().masks; ++m)
    answers_.append(
        masked_range_parity(key_->copy_words(f, 0), layout_->mask(m), 0, layout_->frame_bits()));
}

void CascadeState::ask_masked_half(std::size_t f) {
  frames_[f].asking = Asking::masked_half;
  const MaskedPart& part = frames_[f].masked[frames_[f].masked_at];
  answers_.append(masked_range_parity(key_->copy_words(f, 0), layout_->mask(part.mask), part.begin,
                                      part.middle()));
}

void CascadeState::ask_everything(std::size_t f) {
  frames_[f].asking = Asking::everything;
  answers_.append_words(key_->copy_words(f, 0), real_bits(f));
  frames_[f].is_disclosed = true;
  ++frames_disclosed_;
}

// --- the masks of the block

void CascadeState::take_block_answers(BitCursor& differences) {
  if (block_asking_ == BlockAsking::masks) {
    for (std::size_t m = 0; m < layout_->plan().block_masks; ++m)
      block_parts_.push_back({0, static_cast<std::uint32_t>(frames_.size()),
                              static_cast<std::uint16_t>(layout_->plan().masks + m),
                              differences.next()});
  } else {
    BlockPart& part = block_parts_[block_part_at_];
    const bool left_is_odd = differences.next();
    const BlockPart right{part.middle(), part.end, part.mask, !left_is_odd};
    part.end = right.begin;
    part.is_odd = left_is_odd;
    block_parts_.push_back(right);
  }
  block_asking_ = BlockAsking::nothing;
}

Status CascadeState::ask_about_block() {
  if (block_parts_.empty() && layout_->plan().block_masks > 0) {
    block_asking_ = BlockAsking::masks;
    sum_frames(0, frames_.size());
    for (std::size_t m = 0; m < layout_->plan().block_masks; ++m)
      answers_.append(masked_range_parity(sum_.expose_secret(),
                                          layout_->mask(layout_->plan().masks + m), 0,
                                          layout_->frame_bits()));
    return success();
  }
  const auto odd = std::find_if(block_parts_.begin(), block_parts_.end(),
                                [](const BlockPart& part) { return part.is_odd; });
  if (odd == block_parts_.end()) return success();
  if (odd->end - odd->begin > 1) {
    block_asking_ = BlockAsking::half;
    block_part_at_ = static_cast<std::size_t>(odd - block_parts_.begin());
    sum_frames(odd->begin, odd->middle());
    answers_.append(masked_range_parity(sum_.expose_secret(), layout_->mask(odd->mask), 0,
                                        layout_->frame_bits()));
    return success();
  }
  // One frame is left, which goes on with a masked part more. Told whole, it cannot differ.
  const std::size_t f = odd->begin;
  if (frames_[f].is_disclosed) return contradiction();
  frames_[f].masked.push_back(
      {0, static_cast<std::uint32_t>(layout_->frame_bits()), odd->mask, true});
  active_.push_back(static_cast<std::uint32_t>(f));
  take_in_hand(f, 0);
  QUOIN_TRY(move_on(f, false));
  questions_.swap(next_questions_);
  return success();
}

// Under one mask for all, the parity of many frames is that of their sum.
void CascadeState::sum_frames(std::size_t begin, std::size_t end) {
  if (sum_.empty()) sum_ = SecretBits::zeroed(layout_->frame_bits());
  const MutableWordSpan sum = sum_.expose_secret_mutable();
  std::fill(sum.begin(), sum.end(), 0);
  for (std::size_t f = begin; f < end; ++f) {
    if (frames_[f].is_disclosed) continue;
    const std::uint64_t* own = key_->copy(f, 0);
    for (std::size_t w = 0; w < sum.size(); ++w) sum[w] ^= own[w];
  }
}

void CascadeState::toggle_block_parts(std::size_t f, std::size_t position) {
  for (BlockPart& part : block_parts_)
    if (f >= part.begin && f < part.end && bit_at(layout_->mask(part.mask), position))
      part.is_odd = !part.is_odd;
}

}  // namespace quoin
