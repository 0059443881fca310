#include "core/secret.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace quoin {

namespace {

constexpr std::size_t arena_bytes = std::size_t{4} << 20;
constexpr std::size_t granule = 64;
constexpr std::size_t arena_item_max = std::size_t{16} << 10;

std::size_t round_up(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

// First fit over an address-ordered free list: few, small, long-lived items.
class Arena {
 public:
  static Arena& instance() {
    static Arena* arena =
        new Arena;  // never destroyed: secrets with static lifetime outlive it otherwise
    return *arena;
  }

  std::byte* allocate(std::size_t size) {
    const std::size_t need = round_up(std::max<std::size_t>(size, 1), granule);
    const std::lock_guard lock(mutex_);
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      if (it->second < need) continue;
      const std::size_t at = it->first;
      const std::size_t rest = it->second - need;
      free_.erase(it);
      if (rest > 0) free_.emplace(at + need, rest);
      return base_ + at;
    }
    return nullptr;
  }

  void release(std::byte* data, std::size_t size) {
    const std::size_t need = round_up(std::max<std::size_t>(size, 1), granule);
    const std::lock_guard lock(mutex_);
    auto [it, inserted] = free_.emplace(static_cast<std::size_t>(data - base_), need);
    if (auto next = std::next(it); next != free_.end() && it->first + it->second == next->first) {
      it->second += next->second;
      free_.erase(next);
    }
    if (it != free_.begin()) {
      if (auto before = std::prev(it); before->first + before->second == it->first) {
        before->second += it->second;
        free_.erase(it);
      }
    }
  }

  bool is_locked() const { return is_locked_; }
  void wipe_all() { secure_wipe({base_, arena_bytes}); }

 private:
  Arena() {
    void* pages =
        mmap(nullptr, arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
      std::fputs("quoin: no memory for the secret arena (4 MiB)\n", stderr);
      std::abort();
    }
    if (mlock(pages, arena_bytes) != 0) {
      std::fputs(
          "quoin: cannot lock 4 MiB of memory for keys, so they could reach the swap; "
          "raise the limit (ulimit -l 8192, or LimitMEMLOCK=8M in the service)\n",
          stderr);
      std::_Exit(78);  // EX_CONFIG
    }
    is_locked_ = true;
    madvise(pages, arena_bytes, MADV_DONTDUMP);
    madvise(pages, arena_bytes, MADV_DONTFORK);
    base_ = static_cast<std::byte*>(pages);
    free_.emplace(0, arena_bytes);
  }

  std::mutex mutex_;
  std::byte* base_ = nullptr;
  std::map<std::size_t, std::size_t> free_;  // offset -> length
  bool is_locked_ = false;
};

std::atomic<std::size_t> unlocked_now{0};
std::atomic<std::size_t> unlocked_peak{0};

// A page in front of the block buffer remembers how to give it back.
struct BlockHeader {
  void* pages;
  std::size_t mapped;
  std::size_t capacity;  // bytes behind the header
  bool is_locked;
  BlockHeader* next;  // while it is kept for reuse
};
const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
// Large buffers start at a huge page and ask for such: filling 48 MB for the first time took 4 ms
// so, and 190 ms with pages of 4 KiB (virtual machine, measured).
constexpr std::size_t huge_page = std::size_t{2} << 20;

std::byte* data_of(BlockHeader* header) { return reinterpret_cast<std::byte*>(header) + page; }
BlockHeader* header_of(std::byte* data) { return reinterpret_cast<BlockHeader*>(data - page); }

BlockHeader* map_block(std::size_t capacity) {
  const std::size_t alignment = capacity >= huge_page ? huge_page : page;
  const std::size_t mapped = capacity + page + (alignment > page ? alignment : 0);
  void* pages = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) invariant_broken("out of memory for a block buffer", __FILE__, __LINE__);
  madvise(pages, mapped, MADV_DONTDUMP);
  const auto address = reinterpret_cast<std::uintptr_t>(pages);
  std::byte* data =
      static_cast<std::byte*>(pages) + (round_up(address + page, alignment) - address);
  if (alignment == huge_page) madvise(data, capacity, MADV_HUGEPAGE);
  // From the header on: what lies before it to align the buffer is never touched.
  const bool locked = mlock(data - page, capacity + page) == 0;
  if (!locked) {
    const std::size_t now = unlocked_now.fetch_add(capacity + page) + capacity + page;
    std::size_t peak = unlocked_peak.load();
    while (peak < now && !unlocked_peak.compare_exchange_weak(peak, now)) {
    }
  }
  return new (data - page) BlockHeader{pages, mapped, capacity, locked, nullptr};
}

void unmap_block(BlockHeader* header) {
  if (!header->is_locked) unlocked_now.fetch_sub(header->capacity + page);
  munmap(header->pages, header->mapped);
}

// Wiped block buffers that are kept for the next of their size, so that a block after the first
// need not fault its pages in again. The oldest go first when there are too many.
class SpareBlocks {
 public:
  static SpareBlocks& instance() {
    static SpareBlocks* blocks = new SpareBlocks;  // never destroyed, as the arena
    return *blocks;
  }

  // One that has room for `need` bytes and is not much larger, or none.
  BlockHeader* take(std::size_t need) {
    const std::lock_guard lock(mutex_);
    for (BlockHeader** at = &newest_; *at != nullptr; at = &(*at)->next) {
      BlockHeader* const found = *at;
      if (found->capacity < need || found->capacity > need + need / 8) continue;
      *at = found->next;
      kept_ -= found->capacity;
      return found;
    }
    return nullptr;
  }

  void give(BlockHeader* header) {
    const std::lock_guard lock(mutex_);
    header->next = newest_;
    newest_ = header;
    kept_ += header->capacity;
    while (kept_ > kept_max) drop_oldest();
  }

 private:
  static constexpr std::size_t kept_max = std::size_t{64} << 20;

  void drop_oldest() {
    BlockHeader** at = &newest_;
    while ((*at)->next != nullptr) at = &(*at)->next;
    BlockHeader* const oldest = *at;
    *at = nullptr;
    kept_ -= oldest->capacity;
    unmap_block(oldest);
  }

  std::mutex mutex_;
  BlockHeader* newest_ = nullptr;
  std::size_t kept_ = 0;
};

// All zero: a fresh one by the system, a spare one because every owner wipes what it had.
std::byte* allocate_block(std::size_t size) {
  const std::size_t need = round_up(size, page);
  BlockHeader* const spare = SpareBlocks::instance().take(need);
  return data_of(spare != nullptr ? spare : map_block(need));
}

void release_block(std::byte* data) { SpareBlocks::instance().give(header_of(data)); }

}  // namespace

void secure_wipe(MutableByteSpan bytes) {
  if (!bytes.empty()) explicit_bzero(bytes.data(), bytes.size());
}

bool equal_constant_time(ByteSpan a, ByteSpan b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= std::to_integer<unsigned>(a[i] ^ b[i]);
  // An opaque read keeps the compiler from leaving the loop early.
  const volatile unsigned seen = difference;
  return seen == 0;
}

SecretMemoryReport secret_memory_report() {
  return {Arena::instance().is_locked(), unlocked_peak.load()};
}

SecretBytes SecretBytes::zeroed(std::size_t size, SecretMemory memory) {
  SecretBytes secret;
  if (size == 0) return secret;
  secret.memory_ = size > arena_item_max ? SecretMemory::block : memory;
  secret.size_ = size;
  if (secret.memory_ == SecretMemory::locked) {
    secret.data_ = Arena::instance().allocate(size);
    if (secret.data_ != nullptr) {
      std::memset(secret.data_, 0, size);
      return secret;
    }
    // The arena is a bound on what is locked for sure; past it, secrets live as block buffers do. A
    // peer that makes the process hold many secrets at once must not be able to end it.
    secret.memory_ = SecretMemory::block;
  }
  secret.data_ = allocate_block(size);
  return secret;
}

SecretBytes SecretBytes::take_and_wipe(MutableByteSpan source, SecretMemory memory) {
  SecretBytes secret = zeroed(source.size(), memory);
  std::copy(source.begin(), source.end(), secret.data_);
  secure_wipe(source);
  return secret;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      memory_(other.memory_) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    wipe();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    memory_ = other.memory_;
  }
  return *this;
}

SecretBytes::~SecretBytes() { wipe(); }

SecretBytes SecretBytes::clone_secret() const {
  SecretBytes copy = zeroed(size_, memory_);
  std::copy(data_, data_ + size_, copy.data_);
  return copy;
}

void SecretBytes::wipe() {
  if (data_ == nullptr) return;
  secure_wipe({data_, size_});
  if (memory_ == SecretMemory::locked) {
    Arena::instance().release(data_, size_);
  } else {
    release_block(data_);
  }
  data_ = nullptr;
  size_ = 0;
}

void invariant_broken(const char* what, const char* file, int line) {
  std::fprintf(stderr, "quoin: invariant broken: %s (%s:%d)\n", what, file, line);
  Arena::instance().wipe_all();
  std::abort();
}

}  // namespace quoin
