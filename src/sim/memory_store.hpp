// A Store in memory that can fail on purpose: the disk of a simulated site. What was applied
// survives the site's crash.
#pragma once

#include <functional>
#include <map>

#include "core/ports.hpp"

namespace quoin {

class MemoryStore final : public Store {
 public:
  Status apply(const StoreBatch& batch) override;
  Result<std::optional<Bytes>> get(Table table, ByteSpan key) const override;
  Result<std::vector<StoreRow>> scan(Table table, ByteSpan first, std::size_t limit) const override;

  std::uint64_t writes() const { return writes_; }
  // The write with this number (counted from 1) fails. `lands`: the rows are there all the same, as
  // when the power goes after the disk has written and before the answer came back. Until repair()
  // every later write fails.
  void fail_at(std::uint64_t write, bool lands) {
    fail_at_ = write;
    lands_ = lands;
  }
  void repair() {
    is_broken_ = false;
    fail_at_ = 0;
  }
  bool is_broken() const { return is_broken_; }

  // A copy of the disk, and going back to it: what a restored snapshot of a virtual machine does.
  using Rows = std::map<std::pair<Table, Bytes>, Bytes>;
  Rows snapshot() const { return rows_; }
  void restore(Rows rows) { rows_ = std::move(rows); }

 private:
  Rows rows_;
  std::uint64_t writes_ = 0;
  std::uint64_t fail_at_ = 0;
  bool lands_ = false;
  bool is_broken_ = false;
};

}  // namespace quoin
