#include "sim/memory_store.hpp"

namespace quoin {

Status MemoryStore::apply(const StoreBatch& batch) {
  if (is_broken_) return fail(ErrorCode::io, "simulated disk: broken since an earlier write");
  ++writes_;
  const bool fails = writes_ == fail_at_;
  if (!fails || lands_) {
    for (const StoreBatch::Write& write : batch.writes()) {
      if (write.value.has_value()) {
        rows_[{write.table, write.key}] = *write.value;
      } else {
        rows_.erase({write.table, write.key});
      }
    }
  }
  if (!fails) return success();
  is_broken_ = true;
  return fail(ErrorCode::io, "simulated disk: this write fails");
}

Result<std::optional<Bytes>> MemoryStore::get(Table table, ByteSpan key) const {
  const auto found = rows_.find({table, Bytes(key.begin(), key.end())});
  if (found == rows_.end()) return std::optional<Bytes>{};
  return std::optional<Bytes>(found->second);
}

Result<std::vector<StoreRow>> MemoryStore::scan(Table table, ByteSpan first,
                                                std::size_t limit) const {
  std::vector<StoreRow> rows;
  for (auto it = rows_.lower_bound({table, Bytes(first.begin(), first.end())});
       it != rows_.end() && it->first.first == table && rows.size() < limit; ++it)
    rows.push_back(StoreRow{it->first.second, it->second});
  return rows;
}

}  // namespace quoin
