// Rice code of strictly increasing offsets: each gap is a quotient in unary (ones, ended by a zero)
// and a remainder of fixed width, least significant bits first. Used by the fibre protocol.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/bytes.hpp"

namespace quoin {

// u32 count, u8 remainder width, prefixed bytes. `offsets` strictly increasing and below
// `slot_count`; at most block_detections_max of them, which the caller has checked.
void put_offsets(ByteWriter& out, std::span<const std::uint32_t> offsets, std::uint64_t slot_count);

// Marks the reader failed unless the offsets are at most `count_max`, strictly increasing, below
// `slot_count`, and use up all of their bytes with zero padding. Allocates no more than the bytes
// at hand can carry.
std::vector<std::uint32_t> take_offsets(ByteReader& in, std::uint64_t slot_count,
                                        std::size_t count_max);

}  // namespace quoin
