#include "keystore/key_store.hpp"

#include <algorithm>

#include "keystore/rows.hpp"

namespace quoin {

namespace {

constexpr std::uint8_t row_version = 1;
constexpr std::size_t opened_groups_max = 4;
constexpr std::size_t passport_bytes_max = 65536;
constexpr std::uint32_t group_bytes_max = 65536;
constexpr std::uint64_t block_bytes_max = std::uint64_t{1} << 32;
constexpr std::size_t group_key_bytes = aead_key_bytes;

struct Transition {
  BlockState from;
  BlockMove move;
  BlockState to;
};
constexpr Transition transitions[] = {
    {BlockState::absent, BlockMove::prepare, BlockState::prepared},
    {BlockState::prepared, BlockMove::commit, BlockState::committed},
    {BlockState::committed, BlockMove::commit, BlockState::committed},
    {BlockState::prepared, BlockMove::discard, BlockState::absent},
    {BlockState::committed, BlockMove::use_up, BlockState::absent},
};

const char* to_string(BlockMove move) {
  switch (move) {
    case BlockMove::prepare: return "prepare";
    case BlockMove::commit: return "commit";
    case BlockMove::discard: return "discard";
    case BlockMove::use_up: return "use up";
  }
  return "unknown";
}

Bytes block_key(BlockId id) { return std::move(ByteWriter().u64(to_u64(id))).take(); }
Bytes group_row_key(BlockId id, std::uint32_t group) {
  return std::move(ByteWriter().u64(to_u64(id)).u32(group)).take();
}
Bytes associated(std::string_view label, ByteSpan row_key) {
  return std::move(ByteWriter().text(label).fixed(row_key)).take();
}
constexpr std::string_view group_label = "quoin key group";
constexpr std::string_view wrapping_label = "quoin group key";

std::uint32_t group_count(std::uint64_t size_bytes, std::uint32_t group_bytes) {
  return static_cast<std::uint32_t>((size_bytes + group_bytes - 1) / group_bytes);
}

std::string name_of(BlockId id) { return "block " + to_hex(block_key(id)); }

// Calls visit(group, overlap in bytes) for each group that [offset, offset + size) touches.
template <class Visit>
void for_each_group(std::uint32_t group_bytes, std::uint64_t offset, std::uint64_t size,
                    Visit&& visit) {
  for (std::uint64_t at = offset; at < offset + size;) {
    const std::uint64_t group = at / group_bytes;
    const std::uint64_t end = std::min((group + 1) * group_bytes, offset + size);
    visit(static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(end - at));
    at = end;
  }
}

}  // namespace

const char* to_string(BlockState state) {
  switch (state) {
    case BlockState::absent: return "absent";
    case BlockState::prepared: return "prepared";
    case BlockState::committed: return "committed";
  }
  return "unknown";
}

Result<BlockState> next_state(BlockState state, BlockMove move) {
  for (const Transition& transition : transitions)
    if (transition.from == state && transition.move == move) return transition.to;
  return fail(state == BlockState::absent ? ErrorCode::not_found : ErrorCode::conflict,
              std::string("cannot ") + to_string(move) + " a block that is " + to_string(state));
}

KeyStore::KeyStore(const Store& store, const AtRestCipher& at_rest, SecretRandom& random,
                   KeyStoreOptions options)
    : store_(&store), at_rest_(&at_rest), random_(&random), options_(options) {}

Result<std::unique_ptr<KeyStore>> KeyStore::load(const Store& store, const AtRestCipher& at_rest,
                                                 SecretRandom& random, KeyStoreOptions options) {
  if (options.group_bytes < 64 || options.group_bytes > group_bytes_max)
    return fail(ErrorCode::configuration, "the group size of the key store is out of bounds",
                "choose 64 to 65536 bytes");
  std::unique_ptr<KeyStore> keys(new KeyStore(store, at_rest, random, options));
  QUOIN_TRY(for_each_row(store, Table::blocks,
                         [&](const StoreRow& row) { return keys->load_block(row); }));
  return keys;
}

Status KeyStore::load_block(const StoreRow& row) {
  ByteReader key(row.key);
  const BlockId id{key.u64()};
  ByteReader reader(row.value);
  const std::uint8_t version = reader.u8();
  Block block;
  block.state = static_cast<BlockState>(reader.u8());
  block.size_bytes = reader.u64();
  block.leased_up_to = reader.u64();
  block.group_bytes = reader.u32();
  const ByteSpan passport = reader.prefixed(passport_bytes_max);
  const bool known_state =
      block.state == BlockState::prepared || block.state == BlockState::committed;
  if (!key.finish("block key") || !reader.finish("block row") || version != row_version ||
      !known_state || block.size_bytes == 0 || block.size_bytes > block_bytes_max ||
      block.leased_up_to > block.size_bytes || block.group_bytes < 64 ||
      block.group_bytes > group_bytes_max)
    return fail(ErrorCode::malformed, "a block row of the key store cannot be read",
                "the store file is damaged: move it away and make new key");
  QUOIN_TAKE(decoded, decode_passport(passport));
  block.passport = std::move(decoded);
  block.live.resize(group_count(block.size_bytes, block.group_bytes));
  block.live_total = block.size_bytes - block.leased_up_to;
  for_each_group(block.group_bytes, block.leased_up_to, block.live_total,
                 [&](std::uint32_t group, std::uint32_t overlap) { block.live[group] += overlap; });
  blocks_.emplace(id, std::move(block));
  return success();
}

void KeyStore::put_block_row(StoreBatch& batch, BlockId id, const Block& block) const {
  ByteWriter row;
  row.u8(row_version)
      .u8(static_cast<std::uint8_t>(block.state))
      .u64(block.size_bytes)
      .u64(block.leased_up_to)
      .u32(block.group_bytes)
      .prefixed(encode(block.passport));
  batch.put(Table::blocks, block_key(id), row.bytes());
}

void KeyStore::seal_group(StoreBatch& batch, BlockId id, std::uint32_t group, ByteSpan bytes) {
  const Bytes row_key = group_row_key(id, group);
  const SecretBytes group_key = random_->draw(group_key_bytes);
  // The key seals this one group and nothing else, so the nonce may stand still.
  const Bytes sealed = AesGcm(group_key).seal({}, bytes, associated(group_label, row_key));
  batch.put(Table::block_groups, row_key, sealed);
  batch.put(Table::wrapping_keys, row_key,
            at_rest_->seal(group_key.expose_secret(), associated(wrapping_label, row_key)));
}

Result<ByteSpan> KeyStore::open_group(BlockId id, std::uint32_t group) {
  const auto at = std::ranges::find_if(
      opened_, [&](const OpenGroup& open) { return open.block == id && open.group == group; });
  if (at != opened_.end()) {
    opened_.splice(opened_.begin(), opened_, at);
    return opened_.front().bytes.expose_secret();
  }
  const Bytes row_key = group_row_key(id, group);
  QUOIN_TAKE(wrapped, store_->get(Table::wrapping_keys, row_key));
  QUOIN_TAKE(sealed, store_->get(Table::block_groups, row_key));
  if (!wrapped || !sealed)
    return fail(ErrorCode::not_found, "key of " + name_of(id) + " was erased");
  QUOIN_TAKE(group_key, at_rest_->open(*wrapped, associated(wrapping_label, row_key)));
  if (group_key.size_bytes() != group_key_bytes)
    return fail(ErrorCode::malformed, "a group key of " + name_of(id) + " has a wrong size");
  QUOIN_TAKE(bytes, AesGcm(group_key).open({}, *sealed, associated(group_label, row_key)));
  opened_.push_front({id, group, std::move(bytes)});
  if (opened_.size() > opened_groups_max) opened_.pop_back();
  return opened_.front().bytes.expose_secret();
}

void KeyStore::forget_opened(BlockId id, std::uint32_t group) {
  std::erase_if(opened_,
                [&](const OpenGroup& open) { return open.block == id && open.group == group; });
}

void KeyStore::destroy_group(StoreBatch& batch, BlockId id, std::uint32_t group) {
  forget_opened(id, group);
  const Bytes row_key = group_row_key(id, group);
  batch.erase(Table::wrapping_keys, row_key);
  batch.erase(Table::block_groups, row_key);
}

void KeyStore::erase_block(StoreBatch& batch, Blocks::iterator at) {
  const auto& [id, block] = *at;
  for (std::uint32_t group = 0; group < block.live.size(); ++group)
    if (block.live[group] > 0) destroy_group(batch, id, group);
  batch.erase(Table::blocks, block_key(id));
  blocks_.erase(at);
}

Status KeyStore::check_new(BlockId id, std::uint64_t size_bytes, const Passport& passport) const {
  if (passport.source == KeySource::replayed)
    return fail(ErrorCode::configuration, "replayed key never enters a key store",
                "a recording makes the same key again; use it for tests only");
  if (passport.source == KeySource::simulated && !options_.allow_simulated)
    return fail(ErrorCode::configuration, "simulated key is refused outside the demo profile",
                "connect a real device, or choose the demo profile knowingly");
  if (size_bytes == 0 || size_bytes > block_bytes_max)
    return fail(ErrorCode::invalid_argument, "a key block holds 1 byte to 4 GiB");
  const std::uint64_t stored = stored_bytes();
  if (stored + size_bytes > options_.stored_bytes_max)
    return fail(ErrorCode::exhausted,
                "the key store is full: " + std::to_string(stored) + " of " +
                    std::to_string(options_.stored_bytes_max) + " bytes",
                "use keys, or raise the limit");
  return next_state(state_of(id), BlockMove::prepare)
             ? success()
             : fail(ErrorCode::conflict, name_of(id) + " is there already");
}

Status KeyStore::prepare(StoreBatch& batch, BlockId id, SecretKey&& key, const Passport& passport) {
  const SecretBits bits = std::move(key).release();
  const std::uint64_t size_bytes = bits.size_bits() / 8;
  QUOIN_TRY(check_new(id, size_bytes, passport));
  Block block;
  block.state = BlockState::prepared;
  block.size_bytes = size_bytes;
  block.group_bytes = static_cast<std::uint32_t>(options_.group_bytes);
  block.live_total = size_bytes;
  block.passport = passport;
  const ByteSpan bytes = bits.expose_secret_bytes().first(size_bytes);
  for_each_group(block.group_bytes, 0, size_bytes, [&](std::uint32_t group, std::uint32_t overlap) {
    block.live.push_back(overlap);
    seal_group(batch, id, group, bytes.subspan(std::size_t{group} * block.group_bytes, overlap));
  });
  put_block_row(batch, id, block);
  blocks_.emplace(id, std::move(block));
  return success();
}

std::uint64_t KeyStore::stored_bytes() const {
  std::uint64_t stored = 0;
  for (const auto& [id, block] : blocks_) stored += block.live_total;
  return stored;
}

bool KeyStore::has_room() const {
  return stored_bytes() <= options_.stored_bytes_max - options_.stored_bytes_max / 16;
}

Status KeyStore::commit(StoreBatch& batch, BlockId id) {
  const auto at = blocks_.find(id);
  const BlockState before = state_of(id);
  QUOIN_TAKE(after, next_state(before, BlockMove::commit));
  if (before == after) return success();
  at->second.state = after;
  put_block_row(batch, id, at->second);
  return success();
}

Status KeyStore::discard(StoreBatch& batch, BlockId id) {
  QUOIN_TRY(next_state(state_of(id), BlockMove::discard));
  erase_block(batch, blocks_.find(id));
  return success();
}

BlockState KeyStore::state_of(BlockId id) const {
  const auto at = blocks_.find(id);
  return at == blocks_.end() ? BlockState::absent : at->second.state;
}

std::vector<BlockId> KeyStore::prepared_blocks() const {
  std::vector<BlockId> out;
  for (const auto& [id, block] : blocks_)
    if (block.state == BlockState::prepared) out.push_back(id);
  return out;
}

std::vector<BlockSummary> KeyStore::committed_blocks() const {
  std::vector<BlockSummary> out;
  for (const auto& [id, block] : blocks_)
    if (block.state == BlockState::committed)
      out.push_back({id, block.state, block.size_bytes, block.leased_up_to});
  return out;
}

std::uint64_t KeyStore::available_bits() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, block] : blocks_)
    if (block.state == BlockState::committed) bytes += block.size_bytes - block.leased_up_to;
  return bytes * 8;
}

std::optional<BlockSummary> KeyStore::summary(BlockId id) const {
  const auto at = blocks_.find(id);
  if (at == blocks_.end()) return std::nullopt;
  return BlockSummary{id, at->second.state, at->second.size_bytes, at->second.leased_up_to};
}

Result<const Passport*> KeyStore::passport(BlockId id) const {
  const auto at = blocks_.find(id);
  if (at == blocks_.end()) return fail(ErrorCode::not_found, name_of(id) + " is not here");
  return &at->second.passport;
}

Result<KeyStore::Blocks::iterator> KeyStore::find_committed(BlockId id) {
  const auto at = blocks_.find(id);
  if (at == blocks_.end()) return fail(ErrorCode::not_found, name_of(id) + " is not here");
  if (at->second.state != BlockState::committed)
    return fail(ErrorCode::conflict, name_of(id) + " is not committed");
  return at;
}

Status KeyStore::allocate(StoreBatch& batch, BlockId id, std::uint64_t offset, std::uint64_t size) {
  QUOIN_TAKE(at, find_committed(id));
  Block& block = at->second;
  if (size == 0 || offset > block.size_bytes || size > block.size_bytes - offset)
    return fail(ErrorCode::invalid_argument, "a range leaves " + name_of(id));
  if (offset < block.leased_up_to)
    return fail(ErrorCode::conflict, "a range of " + name_of(id) + " was leased before");
  const std::uint64_t gap_start = std::exchange(block.leased_up_to, offset + size);
  put_block_row(batch, id, block);
  if (offset > gap_start) return spend(batch, id, gap_start, offset - gap_start);
  return success();
}

Result<SecretBytes> KeyStore::read(BlockId id, std::uint64_t offset, std::size_t size) {
  QUOIN_TAKE(at, find_committed(id));
  const Block& block = at->second;
  if (size > read_bytes_max || offset > block.leased_up_to || size > block.leased_up_to - offset)
    return fail(ErrorCode::invalid_argument, "key above the leased part of " + name_of(id));
  SecretBytes out = SecretBytes::zeroed(size);
  std::size_t done = 0;
  while (done < size) {
    const std::uint64_t position = offset + done;
    QUOIN_TAKE(group, open_group(id, static_cast<std::uint32_t>(position / block.group_bytes)));
    const std::size_t start = position % block.group_bytes;
    if (start >= group.size())
      return fail(ErrorCode::malformed, "a key group of " + name_of(id) + " has a wrong size");
    const std::size_t length = std::min(size - done, group.size() - start);
    std::ranges::copy(group.subspan(start, length),
                      out.expose_secret_mutable().subspan(done).begin());
    done += length;
  }
  return out;
}

Status KeyStore::spend(StoreBatch& batch, BlockId id, std::uint64_t offset, std::uint64_t size) {
  QUOIN_TAKE(at, find_committed(id));
  Block& block = at->second;
  if (offset > block.leased_up_to || size > block.leased_up_to - offset)
    return fail(ErrorCode::invalid_argument, "key above the leased part of " + name_of(id));
  for_each_group(block.group_bytes, offset, size, [&](std::uint32_t group, std::uint32_t overlap) {
    QUOIN_INVARIANT(block.live[group] >= overlap, "key bytes were spent twice");
    block.live[group] -= overlap;
    block.live_total -= overlap;
    if (block.live[group] == 0) destroy_group(batch, id, group);
  });
  if (block.live_total > 0) return success();
  QUOIN_TRY(next_state(block.state, BlockMove::use_up));
  erase_block(batch, at);
  return success();
}

Status KeyStore::retain(BlockId id, std::uint64_t offset, std::uint64_t size) {
  QUOIN_TAKE(at, find_committed(id));
  Block& block = at->second;
  if (offset > block.leased_up_to || size > block.leased_up_to - offset)
    return fail(ErrorCode::malformed, "a lease claims key that " + name_of(id) + " did not lease",
                "the store file is damaged: move it away and make new key");
  for_each_group(block.group_bytes, offset, size, [&](std::uint32_t group, std::uint32_t overlap) {
    block.live[group] += overlap;
    block.live_total += overlap;
  });
  return success();
}

Status KeyStore::finish_load(StoreBatch& batch) {
  for (auto at = blocks_.begin(); at != blocks_.end();) {
    const auto here = at++;
    if (here->second.live_total == 0) erase_block(batch, here);
  }
  // Rows of groups that nobody needs: used up before a crash could erase them, or without a block.
  return for_each_row(*store_, Table::wrapping_keys, [&](const StoreRow& row) -> Status {
    ByteReader reader(row.key);
    const BlockId id{reader.u64()};
    const std::uint32_t group = reader.u32();
    QUOIN_TRY(reader.finish("group key"));
    const auto at = blocks_.find(id);
    const bool is_needed =
        at != blocks_.end() && group < at->second.live.size() && at->second.live[group] > 0;
    if (!is_needed) destroy_group(batch, id, group);
    return success();
  });
}

}  // namespace quoin
