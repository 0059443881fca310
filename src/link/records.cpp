#include "link/records.hpp"

#include <bit>

namespace quoin {

namespace {

constexpr std::string_view state_key = "link/state";
constexpr std::string_view block_prefix = "link/block/";
constexpr std::size_t blocks_loaded_max = 100'000;

Bytes block_key(BlockId block) {
  ByteWriter out;
  return std::move(out.fixed(as_bytes(block_prefix)).u64(to_u64(block))).take();
}

Failure damaged(const char* what) {
  return fail(ErrorCode::internal,
              std::string("the store's record of the link is damaged (") + what + ")",
              "keep the store for analysis and start both sites with new data directories");
}

}  // namespace

Result<LinkRecords> LinkRecords::load(const Store& store) {
  LinkRecords records;
  QUOIN_TAKE(row, store.get(Table::meta, as_bytes(state_key)));
  if (row.has_value()) {
    ByteReader in(*row);
    records.next_session_ = in.u32();
    records.lineage_ = in.u64();
    records.bootstrap_seconds_ = std::bit_cast<double>(in.u64());
    records.epsilon_spent_ = std::bit_cast<double>(in.u64());
    records.blocks_committed_ = in.u64();
    records.lineage_block_ = static_cast<BlockId>(in.u64());
    records.secrecy_.total = std::bit_cast<double>(in.u64());
    records.secrecy_.in_period = std::bit_cast<double>(in.u64());
    records.secrecy_.period_began_unix_ms = static_cast<std::int64_t>(in.u64());
    // What was spent is a sum of positive numbers; anything else is damage, not permission.
    if (!(records.secrecy_.total >= 0 && records.secrecy_.in_period >= 0 &&
          records.epsilon_spent_ >= 0))
      return damaged("secrecy account");
    if (!in.finish("link state")) return damaged("state");
  }
  QUOIN_TAKE(rows, store.scan(Table::meta, as_bytes(block_prefix), blocks_loaded_max));
  for (const StoreRow& block : rows) {
    ByteReader key(block.key);
    const ByteSpan prefix = key.fixed(block_prefix.size());
    if (to_text(prefix) != block_prefix) break;
    const auto id = static_cast<BlockId>(key.u64());
    if (!key.finish("block key") || block.value.size() != 1) return damaged("block");
    const auto state = std::to_integer<std::uint8_t>(block.value[0]);
    if (state < 1 || state > 2) return damaged("block state");
    records.blocks_.emplace(id, static_cast<OwnBlockState>(state));
  }
  return records;
}

std::vector<BlockId> LinkRecords::prepared_blocks() const {
  std::vector<BlockId> prepared;
  for (const auto& [block, state] : blocks_)
    if (state == OwnBlockState::prepared) prepared.push_back(block);
  return prepared;
}

std::optional<OwnBlockState> LinkRecords::state(BlockId block) const {
  const auto found = blocks_.find(block);
  if (found == blocks_.end()) return std::nullopt;
  return found->second;
}

void LinkRecords::use_session(StoreBatch& batch, std::uint32_t session) {
  next_session_ = session + 1;
  put_state(batch);
}

void LinkRecords::set_bootstrap_seconds(StoreBatch& batch, double seconds) {
  bootstrap_seconds_ = seconds;
  put_state(batch);
}

void LinkRecords::prepare(StoreBatch& batch, BlockId block, const Spending& spending,
                          std::uint64_t starts_lineage) {
  if (starts_lineage != 0) {
    lineage_ = starts_lineage;
    lineage_block_ = block;
    epsilon_spent_ = 0;
    bootstrap_seconds_ = 0;
  }
  // Spent when prepared: a block that is discarded later has used up its share all the same.
  epsilon_spent_ += spending.epsilon;
  secrecy_.spend(spending.budget, spending.epsilon, spending.unix_ms);
  blocks_[block] = OwnBlockState::prepared;
  batch.put(Table::meta, block_key(block), as_bytes(std::string_view("\x01", 1)));
  put_state(batch);
}

void LinkRecords::commit(StoreBatch& batch, BlockId block) {
  blocks_[block] = OwnBlockState::committed;
  ++blocks_committed_;
  batch.put(Table::meta, block_key(block), as_bytes(std::string_view("\x02", 1)));
  put_state(batch);
}

void LinkRecords::discard(StoreBatch& batch, BlockId block) {
  blocks_.erase(block);
  batch.erase(Table::meta, block_key(block));
  if (lineage_ == 0 || block != lineage_block_) return;
  lineage_ = 0;
  lineage_block_ = {};
  put_state(batch);
}

void LinkRecords::forget_committed_before(StoreBatch& batch, BlockId block) {
  for (auto it = blocks_.begin(); it != blocks_.end() && it->first < block;) {
    if (it->second == OwnBlockState::committed) {
      batch.erase(Table::meta, block_key(it->first));
      it = blocks_.erase(it);
    } else {
      ++it;
    }
  }
}

Instant LinkRecords::open_bootstrap_window(Instant now) {
  if (!bootstrap_opened_.has_value()) bootstrap_opened_ = now;
  return *bootstrap_opened_;
}

void LinkRecords::forget_lineage(StoreBatch& batch) {
  lineage_ = 0;
  lineage_block_ = {};
  bootstrap_seconds_ = 0;
  epsilon_spent_ = 0;
  put_state(batch);
}

void LinkRecords::put_state(StoreBatch& batch) const {
  ByteWriter out;
  out.u32(next_session_).u64(lineage_).u64(std::bit_cast<std::uint64_t>(bootstrap_seconds_));
  out.u64(std::bit_cast<std::uint64_t>(epsilon_spent_)).u64(blocks_committed_);
  out.u64(to_u64(lineage_block_)).u64(std::bit_cast<std::uint64_t>(secrecy_.total));
  out.u64(std::bit_cast<std::uint64_t>(secrecy_.in_period));
  out.u64(static_cast<std::uint64_t>(secrecy_.period_began_unix_ms));
  batch.put(Table::meta, as_bytes(state_key), out.bytes());
}

}  // namespace quoin
