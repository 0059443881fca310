#include "adapters/sqlite_store.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace quoin {
namespace {

namespace fs = std::filesystem;

class SqliteStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "quoin-store-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path() const { return (folder_ / "site.db").string(); }
  static Bytes key(std::uint32_t n) { return std::move(ByteWriter().u32(n)).take(); }

  fs::path folder_;
};

TEST_F(SqliteStoreTest, KeepsRowsOverReopeningInKeyOrder) {
  {
    auto store = SqliteStore::open(path()).value();
    StoreBatch batch;
    for (std::uint32_t n = 0; n < 300; ++n)
      batch.put(Table::leases, key(n * 7919 % 300), to_bytes("v"));
    batch.put(Table::blocks, key(5), to_bytes("other table"));
    batch.put(Table::leases, key(5), to_bytes("changed"));
    batch.put(Table::leases, key(6), {});
    batch.erase(Table::leases, key(7));
    ASSERT_TRUE(store->apply(batch));
  }
  auto store = SqliteStore::open(path()).value();
  EXPECT_EQ(to_text(*store->get(Table::leases, key(5)).value()), "changed");
  EXPECT_EQ(store->get(Table::leases, key(6)).value(), std::optional<Bytes>(Bytes{}));
  EXPECT_FALSE(store->get(Table::leases, key(7)).value().has_value());
  EXPECT_EQ(to_text(*store->get(Table::blocks, key(5)).value()), "other table");
  const auto rows = store->scan(Table::leases, key(5), 3).value();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].key, key(5));
  EXPECT_EQ(rows[1].key, key(6));
  EXPECT_EQ(rows[2].key, key(8));
  EXPECT_EQ(store->scan(Table::leases, {}, 1000).value().size(), 299u);
  EXPECT_TRUE(store->scan(Table::saes, {}, 1000).value().empty());
}

TEST_F(SqliteStoreTest, IsDurableWithoutClosing) {
  const pid_t child = fork();
  if (child == 0) {
    auto store = SqliteStore::open(path());
    StoreBatch batch;
    batch.put(Table::meta, key(1), to_bytes("durable"));
    const bool applied = store && store.value()->apply(batch).has_value();
    _exit(applied ? 0 : 1);  // no destructor closes the file
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  auto store = SqliteStore::open(path()).value();
  EXPECT_EQ(to_text(*store->get(Table::meta, key(1)).value()), "durable");
}

TEST_F(SqliteStoreTest, FileIsPrivate) {
  auto store = SqliteStore::open(path()).value();
  for (const auto& entry : fs::directory_iterator(folder_)) {
    struct stat facts{};
    ASSERT_EQ(stat(entry.path().c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u) << entry.path();
  }
}

TEST_F(SqliteStoreTest, SecondOpenerIsRefused) {
  auto store = SqliteStore::open(path()).value();
  const auto second = SqliteStore::open(path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_NE(second.error().text().find("another process has this store open"), std::string::npos);
  // The refused attempt in this process must not have dropped the lock (POSIX locks fall with any
  // descriptor of the file that closes).
  const pid_t child = fork();
  if (child == 0) _exit(SqliteStore::open(path()) ? 1 : 0);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  store.reset();
  EXPECT_TRUE(SqliteStore::open(path()));
}

TEST_F(SqliteStoreTest, ForeignFilesAreLeftAlone) {
  std::ofstream(path()) << "this is text, long enough to be no empty database, certainly";
  const auto text = SqliteStore::open(path());
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::configuration);

  const std::string other = (folder_ / "other.db").string();
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(other.c_str(), &database), SQLITE_OK);
  sqlite3_exec(database, "CREATE TABLE songs (name TEXT)", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  const auto foreign = SqliteStore::open(other);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, ErrorCode::configuration);
}

TEST_F(SqliteStoreTest, NewerSchemaIsRefused) {
  SqliteStore::open(path()).value().reset();
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
  sqlite3_exec(database, "PRAGMA user_version=99", nullptr, nullptr, nullptr);
  sqlite3_close(database);
  const auto newer = SqliteStore::open(path());
  ASSERT_FALSE(newer);
  EXPECT_EQ(newer.error().code, ErrorCode::configuration);
  EXPECT_NE(newer.error().message.find("version 99"), std::string::npos);
}

TEST_F(SqliteStoreTest, UnusablePathSaysWhy) {
  const auto missing = SqliteStore::open((folder_ / "no" / "such" / "site.db").string());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::io);
  EXPECT_FALSE(missing.error().cure.empty());
}

TEST_F(SqliteStoreTest, FullStoreKeepsNothingOfTheBatchAndRefusesFurtherWrites) {
  const SqliteStoreOptions small{.bytes_max = 256 * 1024};
  {
    auto store = SqliteStore::open(path(), small).value();
    StoreBatch first;
    first.put(Table::meta, key(1), to_bytes("kept"));
    ASSERT_TRUE(store->apply(first));
    StoreBatch big;
    big.put(Table::meta, key(2), to_bytes("lost with its batch"));
    big.put(Table::meta, key(3), Bytes(1 << 20));
    const Status full = store->apply(big);
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, ErrorCode::exhausted);
    EXPECT_NE(full.error().cure.find("free space"), std::string::npos);
    StoreBatch later;
    later.put(Table::meta, key(4), to_bytes("small"));
    EXPECT_FALSE(store->apply(later));
    EXPECT_FALSE(store->get(Table::meta, key(2)).value().has_value());
  }
  auto store = SqliteStore::open(path(), small).value();
  EXPECT_TRUE(store->get(Table::meta, key(1)).value().has_value());
  EXPECT_FALSE(store->get(Table::meta, key(2)).value().has_value());
  EXPECT_FALSE(store->get(Table::meta, key(4)).value().has_value());
}

TEST_F(SqliteStoreTest, OversizeRowsAreRefusedWithoutHarm) {
  auto store = SqliteStore::open(path()).value();
  StoreBatch batch;
  batch.put(Table::meta, Bytes(2000), {});
  const Status refused = store->apply(batch);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::too_large);
  StoreBatch good;
  good.put(Table::meta, key(1), {});
  EXPECT_TRUE(store->apply(good));
}

}  // namespace
}  // namespace quoin
