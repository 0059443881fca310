#include "quantum/rice_code.hpp"

#include <bit>

namespace quoin {

namespace {

constexpr unsigned width_max = 32;

class BitSink {
 public:
  explicit BitSink(std::size_t bytes_expected) { out_.reserve(bytes_expected); }

  // `count` <= 32 low bits of `bits`; the rest of `bits` is zero.
  void put(std::uint64_t bits, unsigned count) {
    pending_ |= bits << used_;
    used_ += count;
    if (used_ < 32) return;
    for (unsigned i = 0; i < 4; ++i) out_.push_back(static_cast<std::byte>(pending_ >> (8 * i)));
    pending_ >>= 32;
    used_ -= 32;
  }
  void put_ones(std::uint64_t count) {
    for (; count >= 31; count -= 31) put(0x7fff'ffff, 31);
    put((std::uint64_t{1} << count) - 1, static_cast<unsigned>(count));
  }
  Bytes finish() && {
    for (unsigned done = 0; done < used_; done += 8, pending_ >>= 8)
      out_.push_back(static_cast<std::byte>(pending_));
    return std::move(out_);
  }

 private:
  Bytes out_;
  std::uint64_t pending_ = 0;
  unsigned used_ = 0;  // always below 32 between calls
};

// Past the end it reads zeros and remembers that it did.
class BitSource {
 public:
  explicit BitSource(ByteSpan bytes) : bytes_(bytes) {}

  std::uint64_t take(unsigned count) {
    fill();
    const std::uint64_t bits = pending_ & ((std::uint64_t{1} << count) - 1);
    drop(count);
    return bits;
  }
  // Ones up to the next zero, which is used up as well; stops counting above `limit`.
  std::uint64_t take_ones(std::uint64_t limit) {
    std::uint64_t ones = 0;
    while (ones <= limit) {
      fill();
      const auto run = static_cast<unsigned>(std::countr_one(pending_));
      if (run < available_) {
        drop(run + 1);
        return ones + run;
      }
      if (available_ == 0) break;
      ones += available_;
      drop(available_);
    }
    overrun_ = true;
    return ones;
  }
  bool has_overrun() const { return overrun_; }
  // Everything was used up but padding of less than a byte, which is zero.
  bool is_finished() const {
    return !overrun_ && at_ == bytes_.size() && available_ < 8 && pending_ == 0;
  }

 private:
  void fill() {
    while (available_ <= 56 && at_ < bytes_.size()) {
      pending_ |= std::to_integer<std::uint64_t>(bytes_[at_++]) << available_;
      available_ += 8;
    }
  }
  void drop(unsigned count) {
    if (count > available_) {
      overrun_ = true;
      count = available_;
    }
    pending_ = count >= 64 ? 0 : pending_ >> count;
    available_ -= count;
  }

  ByteSpan bytes_;
  std::size_t at_ = 0;
  std::uint64_t pending_ = 0;
  unsigned available_ = 0;
  bool overrun_ = false;
};

// The largest power of two not above the mean gap: within 3 % of the best width for geometric gaps.
unsigned remainder_width(std::uint64_t slot_count, std::size_t count) {
  const std::uint64_t mean = count == 0 ? 1 : slot_count / count;
  return mean <= 1 ? 0 : static_cast<unsigned>(std::bit_width(mean)) - 1;
}

}  // namespace

void put_offsets(ByteWriter& out, std::span<const std::uint32_t> offsets,
                 std::uint64_t slot_count) {
  const unsigned width = remainder_width(slot_count, offsets.size());
  BitSink bits(offsets.size() * (width + 3) / 8 + 16);
  std::uint64_t next = 0;
  for (const std::uint32_t offset : offsets) {
    const std::uint64_t gap = offset - next;
    bits.put_ones(gap >> width);
    bits.put(0, 1);
    bits.put(gap & ((std::uint64_t{1} << width) - 1), width);
    next = std::uint64_t{offset} + 1;
  }
  out.u32(static_cast<std::uint32_t>(offsets.size())).u8(static_cast<std::uint8_t>(width));
  out.prefixed(std::move(bits).finish());
}

std::vector<std::uint32_t> take_offsets(ByteReader& in, std::uint64_t slot_count,
                                        std::size_t count_max) {
  const std::uint32_t count = in.u32();
  const unsigned width = in.u8();
  const ByteSpan bytes = in.prefixed(in.remaining().size());
  // An offset takes a bit at least.
  if (count > count_max || count > bytes.size() * 8 || width > width_max) in.mark_failed();
  if (in.failed()) return {};
  std::vector<std::uint32_t> offsets;
  offsets.reserve(count);
  BitSource bits(bytes);
  std::uint64_t next = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t quotient = bits.take_ones(slot_count >> width);
    const std::uint64_t offset = next + (quotient << width | bits.take(width));
    if (bits.has_overrun() || offset >= slot_count) {
      in.mark_failed();
      return {};
    }
    offsets.push_back(static_cast<std::uint32_t>(offset));
    next = offset + 1;
  }
  if (!bits.is_finished()) in.mark_failed();
  return offsets;
}

}  // namespace quoin
