// The key material of one link at one site, from the block that the link hands over until its last
// byte is used. Owned by the site; the link calls the SecretBlockSink part, the KME the rest.
//
// A block is cut into groups. Each group is sealed under a key of its own, and that key, wrapped by
// the key-encryption key, is a row of its own: destroying the row erases the group, whatever old
// copies of the sealed bytes remain (security-rules D3). Key leaves a block front to back: the
// cursor leased_up_to only grows. A byte is live while it is above the cursor, or below it and
// promised by a lease that still needs it; a group without live bytes is destroyed.
//
// Methods that take a StoreBatch change memory at once and add rows: the caller makes the batch
// durable before it acts on the result, and stops the site when that fails.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/ports.hpp"
#include "crypto/at_rest.hpp"

namespace quoin {

// prepared -> committed -> absent. An erased block leaves no row, so absent also means erased; the
// two cannot be confused between peers, since a block is only used up after the peer committed it.
enum class BlockState : std::uint8_t { absent = 0, prepared = 1, committed = 2 };
enum class BlockMove : std::uint8_t { prepare = 0, commit = 1, discard = 2, use_up = 3 };
const char* to_string(BlockState state);

// The one table of legal moves. Committing a committed block again is legal and changes nothing
// (the KME may have rolled it forward). Anything else not in the table is a conflict, or not_found
// when the block is absent.
Result<BlockState> next_state(BlockState state, BlockMove move);

struct KeyStoreOptions {
  bool allow_simulated = false;  // demo profile; a simulator knows the key it made
  std::size_t group_bytes = 4096;
  std::uint64_t stored_bytes_max = std::uint64_t{256} << 20;
};

struct BlockSummary {
  BlockId id{};
  BlockState state = BlockState::absent;
  std::uint64_t size_bytes = 0;
  std::uint64_t leased_up_to = 0;  // bytes below were allocated to leases or burnt
  std::uint64_t free_bytes() const { return size_bytes - leased_up_to; }
};

class KeyStore final : public SecretBlockSink {
 public:
  static constexpr std::size_t read_bytes_max = std::size_t{1} << 20;

  // Reads all blocks of the store; no key is opened. The references must outlive the object. Groups
  // of leased ranges count as erased until a lease claims them with retain(); finish_load() then
  // destroys what nobody claimed.
  static Result<std::unique_ptr<KeyStore>> load(const Store& store, const AtRestCipher& at_rest,
                                                SecretRandom& random, KeyStoreOptions options);

  // SecretBlockSink. The bits past the last whole byte are dropped. Errors of prepare:
  // configuration for simulated key outside the demo profile and for replayed key always, conflict
  // when the block exists, exhausted when the store is full, invalid_argument for an empty key.
  Status prepare(StoreBatch& batch, BlockId block, SecretKey&& key,
                 const Passport& passport) override;
  Status commit(StoreBatch& batch, BlockId block) override;
  Status discard(StoreBatch& batch, BlockId block) override;
  // A sixteenth of the limit is kept for blocks that are in flight.
  bool has_room() const override;

  BlockState state_of(BlockId block) const;
  std::vector<BlockId> prepared_blocks() const;
  std::vector<BlockSummary> committed_blocks() const;  // ascending by id
  std::uint64_t available_bits() const;                // of committed blocks, above the cursors
  // None when the block is absent.
  std::optional<BlockSummary> summary(BlockId block) const;
  Result<const Passport*> passport(BlockId block) const;

  // Moves the cursor of a committed block to offset + size. Bytes between the old cursor and offset
  // are burnt. Errors: conflict when offset is below the cursor or the block is not committed,
  // invalid_argument when the range leaves the block.
  Status allocate(StoreBatch& batch, BlockId block, std::uint64_t offset, std::uint64_t size);
  // Key bytes below the cursor. not_found when their group was destroyed, malformed when the stored
  // bytes do not open (altered file or wrong key-encryption key).
  Result<SecretBytes> read(BlockId block, std::uint64_t offset, std::size_t size);
  // These bytes, allocated before, are not needed any more. Each byte once.
  Status spend(StoreBatch& batch, BlockId block, std::uint64_t offset, std::uint64_t size);

  // Start-up only, between load() and finish_load(): a lease still needs these bytes.
  Status retain(BlockId block, std::uint64_t offset, std::uint64_t size);
  Status finish_load(StoreBatch& batch);

 private:
  std::uint64_t stored_bytes() const;
  struct Block {
    BlockState state = BlockState::absent;
    std::uint64_t size_bytes = 0;
    std::uint64_t leased_up_to = 0;
    std::uint32_t group_bytes = 0;
    std::vector<std::uint32_t> live;  // live bytes per group
    std::uint64_t live_total = 0;
    Passport passport;
  };
  using Blocks = std::map<BlockId, Block>;
  struct OpenGroup {
    BlockId block{};
    std::uint32_t group = 0;
    SecretBytes bytes;
  };

  KeyStore(const Store& store, const AtRestCipher& at_rest, SecretRandom& random,
           KeyStoreOptions options);
  Status load_block(const StoreRow& row);
  void put_block_row(StoreBatch& batch, BlockId id, const Block& block) const;
  void seal_group(StoreBatch& batch, BlockId id, std::uint32_t group, ByteSpan bytes);
  // The opened bytes stay valid until the next call.
  Result<ByteSpan> open_group(BlockId id, std::uint32_t group);
  void forget_opened(BlockId id, std::uint32_t group);
  void destroy_group(StoreBatch& batch, BlockId id, std::uint32_t group);
  void erase_block(StoreBatch& batch, Blocks::iterator at);
  Result<Blocks::iterator> find_committed(BlockId id);
  Status check_new(BlockId id, std::uint64_t size_bytes, const Passport& passport) const;

  const Store* store_;
  const AtRestCipher* at_rest_;
  SecretRandom* random_;
  KeyStoreOptions options_;
  Blocks blocks_;
  std::list<OpenGroup> opened_;  // most recently used first, few
};

}  // namespace quoin
