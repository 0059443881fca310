#include "distill/cascade_frame.hpp"

#include <algorithm>

namespace quoin {

namespace {

// Passes are searched together while their differing parts cover less than this share of a frame.
constexpr std::size_t covered_share = 16;

}  // namespace

CascadeFrame::CascadeFrame(const CascadeLayout& layout)
    : layout_(&layout), trees_(layout.passes.size()), is_error_(words_for_bits(layout.frame_bits)) {
  for (std::size_t p = 0; p < layout.permuted_passes; ++p) allocate(p);
  open_next_passes();
  count_questions();
  if (question_count_ > layout.frame_bits) disclose();
}

void CascadeFrame::allocate(std::size_t p) {
  const CascadePass& pass = layout_->passes[p];
  PassTree& tree = trees_[p];
  // Block b of k bits owns the entries [b * 2k, (b + 1) * 2k) of is_odd, and half as many before.
  tree.is_split.assign(words_for_bits(pass.blocks * pass.block_bits()), 0);
  tree.is_odd.assign(words_for_bits(pass.blocks * pass.block_bits() * 2), 0);
  if (!pass.is_masked) return;
  for (std::size_t b = 0; b < 2; ++b) assign_bit(tree.is_odd, pass.root(b), tree.root_is_odd[b]);
}

bool CascadeFrame::is_odd(std::size_t p, CascadeNode node) const {
  const PassTree& tree = trees_[p];
  if (tree.is_odd.empty()) return tree.root_is_odd[layout_->passes[p].block_of(node)];
  return bit_at(tree.is_odd, node);
}

void CascadeFrame::take_root(std::size_t p, std::size_t block, bool odd) {
  PassTree& tree = trees_[p];
  const CascadeNode root = layout_->passes[p].root(block);
  if (tree.is_odd.empty()) {
    tree.root_is_odd[block] = odd;
  } else {
    assign_bit(tree.is_odd, root, odd);
  }
  if (odd) tree.turned_odd.push_back(root);
}

void CascadeFrame::take_opening(BitCursor& differences) {
  for (; passes_open_ < passes_asked_; ++passes_open_) {
    bool all = false;
    for (std::size_t b = 0; b < asked_blocks(passes_open_); ++b) {
      const bool odd = differences.next();
      all ^= odd;
      take_root(passes_open_, b, odd);
    }
    if (passes_open_ == 0) {
      is_frame_odd_ = all;
    } else {
      take_root(passes_open_, asked_blocks(passes_open_), all != is_frame_odd_);
    }
  }
}

// Records that both halves of `node`, itself odd, are known; returns the odd half.
CascadeNode CascadeFrame::split(std::size_t p, CascadeNode node, bool left_is_odd) {
  const CascadePass& pass = layout_->passes[p];
  PassTree& tree = trees_[p];
  const std::size_t inner = (pass.block_of(node) << pass.log2_block) + pass.heap_index(node);
  const CascadeNode left = pass.left_of(node);
  assign_bit(tree.is_split, inner, true);
  assign_bit(tree.is_odd, left, left_is_odd);
  assign_bit(tree.is_odd, left + 1, !left_is_odd);
  return left_is_odd ? left : left + 1;
}

// A half past the end of the frame is empty, so the other one is known without asking.
CascadeNode CascadeFrame::descend_past_empty(std::size_t p, CascadeNode node) {
  const CascadePass& pass = layout_->passes[p];
  while (!pass.is_single(node)) {
    const CascadePass::Range range = pass.range_of(node);
    if ((range.begin + range.end) / 2 < layout_->frame_bits) break;
    node = split(p, node, true);
  }
  return node;
}

void CascadeFrame::toggle(std::size_t p, std::size_t position) {
  const CascadePass& pass = layout_->passes[p];
  PassTree& tree = trees_[p];
  std::size_t block = 0;
  std::size_t offset = position;
  if (pass.is_masked) {
    block = bit_at(pass.mask, position) ? 0 : 1;
  } else {
    const std::size_t at = pass.place.empty() ? position : pass.place[position];
    block = at >> pass.log2_block;
    offset = at & (pass.block_bits() - 1);
  }
  CascadeNode node = pass.root(block);
  bool odd = false;
  if (tree.is_odd.empty()) {
    odd = tree.root_is_odd[block] = !tree.root_is_odd[block];
  } else {
    const std::size_t leaf = pass.block_bits() + offset;
    unsigned depth = pass.log2_block;
    while (depth > 0 && bit_at(tree.is_split, (block << pass.log2_block) + (leaf >> depth)))
      --depth;
    node = static_cast<CascadeNode>((block << (pass.log2_block + 1)) + (leaf >> depth));
    odd = !bit_at(tree.is_odd, node);
    assign_bit(tree.is_odd, node, odd);
  }
  if (odd) {
    tree.turned_odd.push_back(node);
  } else {
    tree.is_changed = true;
  }
}

Status CascadeFrame::take_error(std::size_t position) {
  if (bit_at(is_error_, position))
    return fail(ErrorCode::conflict, "the peer's parities contradict each other");
  assign_bit(is_error_, position, true);
  found_.push_back(static_cast<std::uint16_t>(position));
  is_frame_odd_ = !is_frame_odd_;
  for (std::size_t other = 0; other < passes_open_; ++other) toggle(other, position);
  return success();
}

Status CascadeFrame::take_singles() {
  for (const Single& single : singles_) {
    // Another pass may have found the same error in this round.
    if (!is_odd(single.pass, single.node)) continue;
    const CascadePass& pass = layout_->passes[single.pass];
    const std::size_t at = pass.range_of(single.node).begin;
    QUOIN_TRY(take_error(pass.order.empty() ? at : pass.order[at]));
    // Still odd: a bit that the masked pass does not hold.
    if (is_odd(single.pass, single.node))
      return fail(ErrorCode::conflict, "the peer's parities contradict each other");
  }
  singles_.clear();
  return success();
}

void CascadeFrame::take_searching(BitCursor& differences) {
  // All answers are about the state before any error of this round is put right.
  for (std::size_t p = 0; p < passes_open_; ++p) {
    PassTree& tree = trees_[p];
    if (!tree.is_searched) continue;
    const CascadePass& pass = layout_->passes[p];
    std::size_t kept = 0;
    for (const CascadeNode differing : tree.odd) {
      CascadeNode node = split(p, differing, differences.next());
      node = descend_past_empty(p, node);
      if (pass.is_single(node)) {
        singles_.push_back({p, node});
      } else {
        tree.odd[kept++] = node;
      }
    }
    tree.odd.resize(kept);
  }
}

void CascadeFrame::take_disclosure(BitCursor& differences) {
  for (std::size_t i = 0; i < layout_->frame_bits; ++i)
    assign_bit(is_error_, i, differences.next());
}

// Brings the list of differing parts of a pass up to date.
void CascadeFrame::merge_odd(std::size_t p) {
  PassTree& tree = trees_[p];
  if (tree.is_changed) std::erase_if(tree.odd, [&](CascadeNode node) { return !is_odd(p, node); });
  tree.is_changed = false;
  if (tree.turned_odd.empty()) return;
  if (tree.is_odd.empty()) allocate(p);
  for (const CascadeNode turned : tree.turned_odd) {
    if (!is_odd(p, turned)) continue;
    const CascadeNode node = descend_past_empty(p, turned);
    if (layout_->passes[p].is_single(node)) {
      singles_.push_back({p, node});
    } else {
      tree.odd.push_back(node);
    }
  }
  tree.turned_odd.clear();
  std::sort(tree.odd.begin(), tree.odd.end());
  tree.odd.erase(std::unique(tree.odd.begin(), tree.odd.end()), tree.odd.end());
}

// Searches the first pass that has differing parts, and further ones as long as the parts under
// search cover little of the frame: else two passes would often chase the same error and pay for it
// twice. Returns the number of parts that differ in all passes.
std::size_t CascadeFrame::choose_searches() {
  std::size_t differing = 0;
  std::size_t covered = 0;
  for (std::size_t p = 0; p < passes_open_; ++p) {
    PassTree& tree = trees_[p];
    tree.is_searched =
        !tree.odd.empty() && (differing == 0 || covered <= layout_->frame_bits / covered_share);
    differing += tree.odd.size();
    if (!tree.is_searched) continue;
    for (const CascadeNode node : tree.odd) covered += layout_->passes[p].size_of(node);
  }
  return differing;
}

void CascadeFrame::open_next_passes() {
  // The masked passes cost a parity each and rarely find anything: one round for all of them.
  passes_asked_ =
      passes_open_ < layout_->permuted_passes ? passes_open_ + 1 : layout_->passes.size();
}

void CascadeFrame::count_questions() {
  question_count_ = 0;
  for (std::size_t p = 0; p < passes_open_; ++p)
    question_count_ += trees_[p].is_searched ? trees_[p].odd.size() : 0;
  for (std::size_t p = passes_open_; p < passes_asked_; ++p) question_count_ += asked_blocks(p);
}

// Puts right what has been found, then chooses what to ask next.
Status CascadeFrame::settle() {
  do {
    do {
      QUOIN_TRY(take_singles());
      for (std::size_t p = 0; p < passes_open_; ++p) merge_odd(p);
    } while (!singles_.empty());
    if (choose_searches() == 0) open_next_passes();
    count_questions();
    if (question_count_ > 0) break;
    if (passes_open_ == passes_asked_) {
      phase_ = Phase::finished;
      return success();
    }
    // A pass of one block, which is known without asking.
    BitCursor none{WordSpan()};
    take_opening(none);
  } while (true);
  // Beyond a parity per bit the frame is as good as told.
  if (asked_ + question_count_ > layout_->frame_bits) disclose();
  return success();
}

void CascadeFrame::disclose() {
  phase_ = Phase::disclosing;
  is_disclosed_ = true;
  question_count_ = layout_->frame_bits;
}

Status CascadeFrame::apply(BitCursor& differences) {
  found_.clear();
  asked_ += question_count_;
  switch (phase_) {
    case Phase::asking:
      take_searching(differences);
      take_opening(differences);
      return settle();
    case Phase::disclosing:
      take_disclosure(differences);
      phase_ = Phase::finished;
      question_count_ = 0;
      return success();
    case Phase::finished: return success();
  }
  return success();
}

}  // namespace quoin
