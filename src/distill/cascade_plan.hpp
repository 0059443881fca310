// What both sides of Cascade derive from public parameters: block sizes, permutations and masks,
// and the numbering of the blocks' parts. Only for the cascade files.
//
// Passes come in two kinds. A permuted pass shuffles the frame and cuts it into blocks of k bits.
// A masked pass splits the frame, in natural order, into the bits under a random mask (block 0) and
// the others (block 1); it costs one parity, for the other one is known from the first.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "core/bits.hpp"

namespace quoin {

// Part of a block, by halving: node = block * 2k + h with h = 1 for the block, 2h and 2h + 1 for
// the halves of h, and k + i for bit i of the block.
using CascadeNode = std::uint32_t;

struct CascadePass {
  bool is_masked = false;
  unsigned log2_block = 0;           // k = 2^log2_block; masked: bit_ceil(frame length)
  std::size_t blocks = 0;            // masked: 2
  std::vector<std::uint16_t> order;  // order[i] = position in the frame of place i; empty: same
  std::vector<std::uint16_t> place;  // the inverse
  std::vector<std::uint64_t> mask;   // masked passes only

  std::size_t block_bits() const { return std::size_t{1} << log2_block; }
  std::size_t block_of(CascadeNode node) const { return node >> (log2_block + 1); }
  std::uint32_t heap_index(CascadeNode node) const {
    return node & static_cast<std::uint32_t>(2 * block_bits() - 1);
  }
  CascadeNode root(std::size_t block) const {
    return static_cast<CascadeNode>(block << (log2_block + 1)) + 1;
  }
  CascadeNode left_of(CascadeNode node) const { return node + heap_index(node); }
  bool is_single(CascadeNode node) const { return heap_index(node) >= block_bits(); }
  unsigned level_of(CascadeNode node) const {
    return static_cast<unsigned>(std::bit_width(heap_index(node) / 2));
  }
  std::size_t size_of(CascadeNode node) const { return block_bits() >> level_of(node); }
  // Places [begin, end) of the node, not clipped to the frame.
  struct Range {
    std::size_t begin;
    std::size_t end;
  };
  Range range_of(CascadeNode node) const {
    const std::uint32_t h = heap_index(node);
    const unsigned level = level_of(node);
    const std::size_t size = block_bits() >> level;
    const std::size_t base = is_masked ? 0 : block_of(node) << log2_block;
    const std::size_t begin = base + (h - (std::size_t{1} << level)) * size;
    return {begin, begin + size};
  }
};

// One for all frames of a length.
struct CascadeLayout {
  std::size_t frame_bits = 0;
  std::vector<CascadePass> passes;  // permuted ones first
  std::size_t permuted_passes = 0;
};

// Block sizes after Martinez-Mateo, Pacher, Peev, Ciurana, Martin, "Demystifying the information
// reconciliation protocol Cascade", QIC 15 (2015) 453, and the trials of the performance notes.
CascadeLayout make_cascade_layout(const std::array<std::byte, 32>& seed, std::size_t frame_bits,
                                  double qber);

}  // namespace quoin
