// The Store port over SQLite: one file per site, opened by one process alone. Made by src/apps,
// used by the site's one thread. Every batch is one transaction and is on disk (WAL,
// synchronous=FULL) when apply() returns. Values are opaque; secrets in them were sealed by their
// owners.
#pragma once

#include <memory>
#include <string>

#include "core/ports.hpp"

namespace quoin {

struct SqliteStoreOptions {
  std::uint64_t bytes_max = std::uint64_t{8} << 30;  // of the file; reached, it is as a full disk
};

class SqliteStore final : public Store {
 public:
  // Creates the file (mode 0600) or opens it and brings its schema up to date. Errors: conflict
  // when another process has it open, configuration when the file is no Quoin store or of a newer
  // version, io when the path cannot be used.
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& path,
                                                   SqliteStoreOptions options = {});

  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;
  ~SqliteStore() override;

  // exhausted when the disk is full, io otherwise; after either every later apply() fails with the
  // same error.
  Status apply(const StoreBatch& batch) override;
  Result<std::optional<Bytes>> get(Table table, ByteSpan key) const override;
  Result<std::vector<StoreRow>> scan(Table table, ByteSpan first, std::size_t limit) const override;

 private:
  struct Connection;
  explicit SqliteStore(std::unique_ptr<Connection> connection);

  std::unique_ptr<Connection> connection_;
  std::optional<Error> write_failure_;
};

}  // namespace quoin
