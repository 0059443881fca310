// Cascade written plainly, bit by bit, from the true error pattern: what src/distill/cascade* must
// ask, in which order, and what it must find. The oracle of the tests and the baseline of the
// benchmark. It shares only the plan and the permutations with what it checks.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "distill/cascade_plan.hpp"

namespace quoin::testing_support {

struct ReferenceOutcome {
  std::uint64_t leak_bits = 0;
  std::uint64_t frames_disclosed = 0;
  BitString found;                     // error positions
  std::vector<BitString> differences;  // what Bob sends, round by round
};

class ReferenceCascade {
 public:
  ReferenceCascade(const CascadeLayout& layout, const BitString& errors)
      : layout_(layout), left_(errors), frames_(layout.plan().frames) {
    outcome_.found = BitString(errors.size_bits());
  }

  ReferenceOutcome run() {
    for (std::size_t f = 0; f < frames_.size(); ++f) {
      frames_[f].known.resize(layout_.passes());
      list_blocks(f);
      if (frames_[f].questions.size() >= real_bits(f)) disclose(f);
    }
    while (play_round()) {
    }
    return std::move(outcome_);
  }

 private:
  enum class Kind { blocks, halves, masks, masked_half, everything, nothing };
  struct Part {
    std::size_t end;
    bool is_odd;
  };
  struct Question {
    std::size_t pass;
    std::size_t begin;
    std::size_t middle;
    std::size_t end;
  };
  struct Masked {
    std::size_t mask;
    std::size_t begin;
    std::size_t end;
    bool is_odd;
  };
  struct Frame {
    Kind kind = Kind::blocks;
    std::vector<std::map<std::size_t, Part>> known;  // per pass, by first place
    std::vector<Question> questions;
    std::vector<std::pair<std::size_t, std::size_t>> turned;  // pass, begin
    std::vector<Masked> masked;
    std::size_t masked_at = 0;
    std::size_t passes_open = 0;
    std::size_t bits_asked = 0;
    bool are_masks_open = false;
    bool is_disclosed = false;
    bool short_block_waits = false;
  };

  std::size_t frame_bits() const { return layout_.frame_bits(); }
  std::size_t real_bits(std::size_t f) const {
    return std::min(frame_bits(), left_.size_bits() - f * frame_bits());
  }
  std::size_t line_bits(std::size_t f, std::size_t pass) const {
    return pass == 0 ? real_bits(f) : frame_bits();
  }
  bool differs(std::size_t f, std::size_t position) const {
    return position < real_bits(f) && left_[f * frame_bits() + position];
  }
  bool parity(std::size_t f, std::size_t pass, std::size_t begin, std::size_t end) const {
    bool odd = false;
    for (std::size_t i = begin; i < end; ++i) odd ^= differs(f, layout_.position(pass, i));
    return odd;
  }
  bool masked_parity(std::size_t f, std::size_t mask, std::size_t begin, std::size_t end) const {
    bool odd = false;
    for (std::size_t i = begin; i < end; ++i) odd ^= bit_at(layout_.mask(mask), i) && differs(f, i);
    return odd;
  }
  bool first_pass_halves_in_step() const {
    const std::size_t k = layout_.block_bits(0);
    return k >= 2 && k <= 64 && std::has_single_bit(k);
  }

  bool play_round() {
    if (std::all_of(frames_.begin(), frames_.end(),
                    [](const Frame& frame) { return frame.kind == Kind::nothing; }))
      choose_whole();
    std::vector<std::vector<bool>> answers(frames_.size());
    BitString sent;
    for (std::size_t f = 0; f < frames_.size(); ++f) {
      answers[f] = frame_answers(f);
      for (const bool bit : answers[f]) sent.push_back(bit);
    }
    const std::vector<bool> whole = whole_answers();
    for (const bool bit : whole) sent.push_back(bit);
    if (sent.empty()) return false;
    outcome_.leak_bits += sent.size_bits();
    outcome_.differences.push_back(std::move(sent));
    if (!whole.empty()) take_whole(whole);
    for (std::size_t f = 0; f < frames_.size(); ++f)
      if (frames_[f].kind != Kind::nothing) take(f, answers[f]);
    if (outcome_.differences.size() == 1)
      are_in_step_ = first_pass_halves_in_step() &&
                     std::any_of(frames_.begin(), frames_.end(),
                                 [](const Frame& frame) { return !frame.turned.empty(); });
    for (std::size_t f = 0; f < frames_.size(); ++f)
      if (frames_[f].kind != Kind::nothing) choose(f);
    return true;
  }

  std::vector<bool> frame_answers(std::size_t f) const {
    const Frame& frame = frames_[f];
    std::vector<bool> out;
    switch (frame.kind) {
      case Kind::blocks:
      case Kind::halves:
        for (const Question& q : frame.questions)
          out.push_back(parity(f, q.pass, q.begin, q.middle));
        break;
      case Kind::masks:
        for (std::size_t m = 0; m < layout_.plan().masks; ++m)
          out.push_back(masked_parity(f, m, 0, frame_bits()));
        break;
      case Kind::masked_half: {
        const Masked& part = frame.masked[frame.masked_at];
        out.push_back(masked_parity(f, part.mask, part.begin, (part.begin + part.end) / 2));
        break;
      }
      case Kind::everything:
        for (std::size_t i = 0; i < real_bits(f); ++i) out.push_back(differs(f, i));
        break;
      case Kind::nothing: break;
    }
    return out;
  }

  void take(std::size_t f, const std::vector<bool>& answers) {
    Frame& frame = frames_[f];
    frame.bits_asked += answers.size();
    std::vector<Question> halves;
    std::vector<std::pair<std::size_t, std::size_t>> singles;
    switch (frame.kind) {
      case Kind::blocks: take_blocks(f, answers); break;
      case Kind::halves:
        for (std::size_t i = 0; i < answers.size(); ++i) {
          const Question& q = frame.questions[i];
          frame.known[q.pass][q.begin] = {q.middle, answers[i]};
          frame.known[q.pass][q.middle] = {q.end, !answers[i]};
          const std::size_t begin = answers[i] ? q.begin : q.middle;
          const std::size_t end = answers[i] ? q.middle : q.end;
          if (end - begin == 1) {
            singles.emplace_back(q.pass, begin);
          } else {
            halves.push_back({q.pass, begin, 0, end});
          }
        }
        frame.questions = halves;
        for (const auto& [pass, begin] : singles)
          if (frame.known[pass][begin].is_odd) put_right(f, layout_.position(pass, begin));
        break;
      case Kind::masks:
        for (std::size_t m = 0; m < answers.size(); ++m)
          frame.masked.push_back({m, 0, frame_bits(), answers[m]});
        frame.are_masks_open = true;
        break;
      case Kind::masked_half: {
        Masked& part = frame.masked[frame.masked_at];
        const Masked right{part.mask, (part.begin + part.end) / 2, part.end, !answers[0]};
        part.end = right.begin;
        part.is_odd = answers[0];
        frame.masked.push_back(right);
        break;
      }
      case Kind::everything:
        for (std::size_t i = 0; i < answers.size(); ++i)
          if (answers[i]) flip_found(f, i);
        frame.kind = Kind::nothing;
        break;
      case Kind::nothing: break;
    }
  }

  void take_blocks(std::size_t f, const std::vector<bool>& answers) {
    Frame& frame = frames_[f];
    const std::size_t pass = frame.passes_open++;
    const std::size_t k = layout_.block_bits(pass);
    const std::size_t line = line_bits(f, pass);
    for (std::size_t begin = 0, b = 0; begin < line; begin += k, ++b) {
      const std::size_t end = std::min(begin + k, line);
      // The last block of later passes follows; here it is simply looked up.
      const bool is_odd = b < answers.size() ? answers[b] : parity(f, pass, begin, end);
      frame.known[pass][begin] = {end, is_odd};
      if (is_odd) frame.turned.emplace_back(pass, begin);
    }
    frame.questions.clear();
    if (pass == 0 && first_pass_halves_in_step()) {
      // A block cut short waits until the others, which halve in step, are done.
      frame.short_block_waits =
          !frame.turned.empty() && line % k != 0 && frame.turned.back().second == line / k * k;
      if (frame.short_block_waits) frame.turned.pop_back();
    }
  }

  void flip_found(std::size_t f, std::size_t position) {
    const std::size_t bit = f * frame_bits() + position;
    left_.set(bit, !left_[bit]);
    outcome_.found.set(bit, !outcome_.found[bit]);
    for (Masked& part : whole_)
      if (f >= part.begin && f < part.end && bit_at(layout_.mask(part.mask), position))
        part.is_odd = !part.is_odd;
  }

  void put_right(std::size_t f, std::size_t position) {
    Frame& frame = frames_[f];
    flip_found(f, position);
    for (std::size_t p = 0; p < frame.passes_open; ++p) {
      auto part = frame.known[p].upper_bound(layout_.place(p, position));
      --part;
      part->second.is_odd = !part->second.is_odd;
      if (part->second.is_odd) frame.turned.emplace_back(p, part->first);
    }
    for (Masked& part : frame.masked)
      if (position >= part.begin && position < part.end &&
          bit_at(layout_.mask(part.mask), position))
        part.is_odd = !part.is_odd;
  }

  void choose(std::size_t f) {
    Frame& frame = frames_[f];
    if (frame.kind == Kind::nothing) return;
    // Blocks of one place are errors at once.
    for (std::size_t i = 0; i < frame.turned.size(); ++i) {
      const auto [pass, begin] = frame.turned[i];
      const Part& part = frame.known[pass][begin];
      if (part.is_odd && part.end == begin + 1) put_right(f, layout_.position(pass, begin));
    }
    list_halves(f);
    frame.kind = Kind::halves;
    std::size_t count = frame.questions.size();
    if (count == 0 && any_in_step()) return;  // waits for the frames that still halve
    if (count == 0) {
      if (frame.short_block_waits) {
        frame.short_block_waits = false;
        frame.turned.emplace_back(0, real_bits(f) / layout_.block_bits(0) * layout_.block_bits(0));
        return choose(f);
      }
      if (frame.passes_open < layout_.passes()) {
        frame.kind = Kind::blocks;
        list_blocks(f);
        count = frame.questions.size();
      } else if (!frame.are_masks_open && layout_.plan().masks > 0) {
        frame.kind = Kind::masks;
        count = layout_.plan().masks;
      } else if (!choose_masked(f)) {
        return;
      } else {
        count = 1;
      }
    }
    if (frame.bits_asked + count > real_bits(f)) disclose(f);
  }

  // The frames halve the blocks of the first pass in step: one that has none waits.
  bool any_in_step() const {
    return are_in_step_ && outcome_.differences.size() <=
                               static_cast<std::size_t>(std::countr_zero(layout_.block_bits(0)));
  }

  // The next odd part of the masks, or the end of the frame.
  bool choose_masked(std::size_t f) {
    Frame& frame = frames_[f];
    for (std::size_t i = 0; i < frame.masked.size(); ++i) {
      const Masked part = frame.masked[i];
      if (!part.is_odd) continue;
      if (part.end - part.begin > 1) {
        frame.masked_at = i;
        frame.kind = Kind::masked_half;
        return true;
      }
      put_right(f, part.begin);
      choose(f);
      return false;
    }
    frame.kind = Kind::nothing;
    return false;
  }

  void list_blocks(std::size_t f) {
    Frame& frame = frames_[f];
    const std::size_t pass = frame.passes_open;
    const std::size_t k = layout_.block_bits(pass);
    const std::size_t line = line_bits(f, pass);
    frame.questions.clear();
    for (std::size_t begin = 0; begin < line; begin += k)
      frame.questions.push_back({pass, begin, std::min(begin + k, line), 0});
    if (pass > 0) frame.questions.pop_back();
  }

  void list_halves(std::size_t f) {
    Frame& frame = frames_[f];
    std::vector<Question> next;
    std::set<std::pair<std::size_t, std::size_t>> listed;
    const auto add = [&](std::size_t pass, std::size_t begin) {
      const Part& part = frame.known[pass][begin];
      if (part.is_odd && listed.emplace(pass, begin).second)
        next.push_back({pass, begin, (begin + part.end) / 2, part.end});
    };
    if (frame.kind == Kind::halves)
      for (const Question& half : frame.questions) add(half.pass, half.begin);
    for (const auto& [pass, begin] : frame.turned) add(pass, begin);
    frame.turned.clear();
    frame.questions = std::move(next);
  }

  void disclose(std::size_t f) {
    frames_[f].kind = Kind::everything;
    frames_[f].is_disclosed = true;
    ++outcome_.frames_disclosed;
  }

  // All frames together, under the masks of the block; whole_ counts frames instead of positions.
  bool whole_parity(std::size_t mask, std::size_t begin, std::size_t end) const {
    bool odd = false;
    for (std::size_t f = begin; f < end; ++f)
      odd ^= !frames_[f].is_disclosed && masked_parity(f, mask, 0, frame_bits());
    return odd;
  }

  void choose_whole() {
    whole_kind_ = Kind::nothing;
    if (outcome_.frames_disclosed == frames_.size()) return;
    if (whole_.empty()) {
      whole_kind_ = Kind::masks;
      return;
    }
    for (whole_at_ = 0; whole_at_ < whole_.size(); ++whole_at_) {
      const Masked part = whole_[whole_at_];
      if (!part.is_odd) continue;
      if (part.end - part.begin > 1) {
        whole_kind_ = Kind::masked_half;
      } else {
        frames_[part.begin].masked.push_back({part.mask, 0, frame_bits(), true});
        frames_[part.begin].kind = Kind::masks;
        choose(part.begin);
      }
      return;
    }
  }

  std::vector<bool> whole_answers() const {
    std::vector<bool> out;
    if (whole_kind_ == Kind::masks) {
      for (std::size_t m = 0; m < layout_.plan().block_masks; ++m)
        out.push_back(whole_parity(layout_.plan().masks + m, 0, frames_.size()));
    } else if (whole_kind_ == Kind::masked_half) {
      const Masked& part = whole_[whole_at_];
      out.push_back(whole_parity(part.mask, part.begin, (part.begin + part.end) / 2));
    }
    return out;
  }

  void take_whole(const std::vector<bool>& answers) {
    if (whole_kind_ == Kind::masks) {
      for (std::size_t m = 0; m < answers.size(); ++m)
        whole_.push_back({layout_.plan().masks + m, 0, frames_.size(), answers[m]});
    } else {
      Masked& part = whole_[whole_at_];
      const Masked right{part.mask, (part.begin + part.end) / 2, part.end, !answers[0]};
      part.end = right.begin;
      part.is_odd = answers[0];
      whole_.push_back(right);
    }
    whole_kind_ = Kind::nothing;
  }

  const CascadeLayout& layout_;
  BitString left_;  // errors not yet put right
  std::vector<Frame> frames_;
  std::vector<Masked> whole_;
  std::size_t whole_at_ = 0;
  Kind whole_kind_ = Kind::nothing;
  bool are_in_step_ = false;
  ReferenceOutcome outcome_;
};

}  // namespace quoin::testing_support
