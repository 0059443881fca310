// A Store in memory that can be made to fail at any write, and be copied as a snapshot. For the
// tests of this folder.
#pragma once

#include <map>
#include <optional>

#include "core/ports.hpp"

namespace quoin {

class MemoryStore final : public Store {
 public:
  // The n-th apply from now (0 is the next) fails; nothing of it is there afterwards.
  void fail_at(std::size_t n) { fail_at_ = applied_ + n; }
  std::size_t applied() const { return applied_; }

  Status apply(const StoreBatch& batch) override {
    if (has_failed_) return fail(ErrorCode::io, "the store has failed before");
    if (fail_at_ && applied_ == *fail_at_) {
      has_failed_ = true;
      return fail(ErrorCode::io, "planned failure");
    }
    ++applied_;
    for (const StoreBatch::Write& write : batch.writes()) {
      if (write.value)
        rows_[{write.table, write.key}] = *write.value;
      else
        rows_.erase({write.table, write.key});
    }
    return success();
  }

  Result<std::optional<Bytes>> get(Table table, ByteSpan key) const override {
    const auto at = rows_.find({table, Bytes(key.begin(), key.end())});
    if (at == rows_.end()) return std::optional<Bytes>();
    return std::optional<Bytes>(at->second);
  }

  Result<std::vector<StoreRow>> scan(Table table, ByteSpan first,
                                     std::size_t limit) const override {
    std::vector<StoreRow> found;
    for (auto at = rows_.lower_bound({table, Bytes(first.begin(), first.end())});
         at != rows_.end() && at->first.first == table && found.size() < limit; ++at)
      found.push_back({at->first.second, at->second});
    return found;
  }

  // What a machine finds on its disk after a power cut, or after a backup was played back.
  MemoryStore snapshot() const {
    MemoryStore copy;
    copy.rows_ = rows_;
    return copy;
  }

  using Rows = std::map<std::pair<Table, Bytes>, Bytes>;
  Rows& rows() { return rows_; }
  const Rows& rows() const { return rows_; }

 private:
  Rows rows_;
  std::size_t applied_ = 0;
  std::optional<std::size_t> fail_at_;
  bool has_failed_ = false;
};

}  // namespace quoin
