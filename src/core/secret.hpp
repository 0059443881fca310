// Bytes that must not leak: move-only, wiped on every path, kept out of core dumps, unprintable,
// not comparable with ==. Reading them needs expose_secret(), which `grep` finds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.hpp"

namespace quoin {

using ByteSpan = std::span<const std::byte>;
using MutableByteSpan = std::span<std::byte>;

// Overwrites memory in a way that the compiler keeps.
void secure_wipe(MutableByteSpan bytes);

// Compares in time that depends only on the lengths. Different lengths are unequal.
bool equal_constant_time(ByteSpan a, ByteSpan b);

// Where a secret lives.
enum class SecretMemory : std::uint8_t {
  // Keys, pads and key-encryption keys: the locked arena (4 MiB); when it is full, as `block`.
  locked,
  // Block buffers: own pages, not dumped, locked as far as the limit allows.
  block,
};

// How the block buffers of this process fared, for start-up and for the passport.
struct SecretMemoryReport {
  bool arena_is_locked = false;
  std::size_t unlocked_block_bytes = 0;  // block memory that could not be locked, at its largest
};
SecretMemoryReport secret_memory_report();

class SecretBytes {
 public:
  SecretBytes() = default;
  // Zero-filled. Up to 16 KiB goes to the locked arena unless `memory` says block.
  static SecretBytes zeroed(std::size_t size, SecretMemory memory = SecretMemory::locked);
  // Copies and wipes the source.
  static SecretBytes take_and_wipe(MutableByteSpan source,
                                   SecretMemory memory = SecretMemory::locked);

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  bool operator==(const SecretBytes&) const = delete;
  ~SecretBytes();

  // A deliberate second copy.
  SecretBytes clone_secret() const;
  std::size_t size_bytes() const { return size_; }
  bool empty() const { return size_ == 0; }

  ByteSpan expose_secret() const { return {data_, size_}; }
  MutableByteSpan expose_secret_mutable() { return {data_, size_}; }

  // Wipes now and becomes empty.
  void wipe();

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  SecretMemory memory_ = SecretMemory::locked;
};

}  // namespace quoin
