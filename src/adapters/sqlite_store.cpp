#include "adapters/sqlite_store.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace quoin {

namespace {

constexpr int application_id = 0x51554f4e;  // "QUON"
constexpr int page_bytes = 4096;
constexpr std::size_t key_bytes_max = 1024;
constexpr std::size_t value_bytes_max = std::size_t{16} << 20;

// One step per schema version, from an empty file on. Never change a step that was released.
constexpr std::array<const char*, 1> migrations = {
    "CREATE TABLE rows (tbl INTEGER NOT NULL, k BLOB NOT NULL, v BLOB NOT NULL,"
    " PRIMARY KEY (tbl, k)) WITHOUT ROWID",
};

struct StatementEnd {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, StatementEnd>;

struct DatabaseEnd {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};

// Leaves a shared statement ready for its next use, whatever way the function ends.
class StatementUse {
 public:
  explicit StatementUse(sqlite3_stmt* statement) : statement_(statement) {}
  ~StatementUse() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  StatementUse(const StatementUse&) = delete;
  StatementUse& operator=(const StatementUse&) = delete;

 private:
  sqlite3_stmt* statement_;
};

Failure failure_of(sqlite3* database, int code, const std::string& doing) {
  const std::string what = doing + ": " + sqlite3_errmsg(database);
  switch (code & 0xff) {
    case SQLITE_FULL:
      return fail(ErrorCode::exhausted, what,
                  "the disk or the store's size limit is full: free space, then start the site "
                  "again; nothing durable was lost");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return fail(ErrorCode::conflict, what,
                  "another process has this store open: stop it, or give this site its own store");
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return fail(ErrorCode::configuration, what,
                  "the file is damaged or is no Quoin store: name the right file, or move it away "
                  "and make new key");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return fail(ErrorCode::io, what, "check that the folder exists and that this user may write");
    default: return fail(ErrorCode::io, what, "check the disk, then start the site again");
  }
}

// Extended codes tell a full disk from a broken one where the plain code does not.
Failure failure_of(sqlite3* database, const std::string& doing) {
  return failure_of(database, sqlite3_extended_errcode(database), doing);
}

Status run(sqlite3* database, const char* sql, const std::string& doing) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return failure_of(database, doing);
  return success();
}

Result<Statement> prepare(sqlite3* database, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK)
    return failure_of(database, "cannot prepare a statement for the store");
  return Statement(statement);
}

Result<int> pragma_number(sqlite3* database, const char* sql) {
  QUOIN_TAKE(statement, prepare(database, sql));
  if (sqlite3_step(statement.get()) != SQLITE_ROW)
    return failure_of(database, "cannot read the store");
  return sqlite3_column_int(statement.get(), 0);
}

Bytes column_bytes(sqlite3_stmt* statement, int column) {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(statement, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
  return data == nullptr ? Bytes{} : Bytes(data, data + size);
}

void bind_bytes(sqlite3_stmt* statement, int index, ByteSpan bytes) {
  // A null pointer would bind NULL; an empty blob needs some address. The row outlives the step.
  static constexpr std::byte none{};
  const std::byte* data = bytes.empty() ? &none : bytes.data();
  sqlite3_bind_blob64(statement, index, data, bytes.size(), SQLITE_STATIC);
}

Status check_write(const StoreBatch::Write& write) {
  if (write.key.size() > key_bytes_max)
    return fail(ErrorCode::too_large, "a row key of the store exceeds 1 KiB");
  if (write.value && write.value->size() > value_bytes_max)
    return fail(ErrorCode::too_large, "a row of the store exceeds 16 MiB");
  return success();
}

// Made here first, since SQLite would make it readable by the group. A file that exists is not
// touched: closing a second descriptor of it would drop the lock that this process may hold on it.
Status make_private_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file >= 0) ::close(file);
  if (file >= 0 || errno == EEXIST) return success();
  return fail(ErrorCode::io,
              "cannot make the store " + path + ": " + std::generic_category().message(errno),
              "check that the folder exists and that this user may write");
}

}  // namespace

struct SqliteStore::Connection {
  std::unique_ptr<sqlite3, DatabaseEnd> database;
  Statement put, erase, get, scan, begin, commit, rollback;

  Status configure(const SqliteStoreOptions& options);
  Status migrate();
  Status prepare_all();
  Status write_all(const StoreBatch& batch);
  Status step_done(sqlite3_stmt* statement, const char* doing);
};

Status SqliteStore::Connection::configure(const SqliteStoreOptions& options) {
  sqlite3* db = database.get();
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, 0);
  const std::uint64_t pages =
      std::clamp<std::uint64_t>(options.bytes_max / page_bytes, 16,
                                static_cast<std::uint64_t>(std::numeric_limits<int>::max()) - 1);
  // The exclusive lock is taken by the first transaction and kept until the file is closed.
  QUOIN_TRY(run(db, "PRAGMA page_size=4096; PRAGMA locking_mode=EXCLUSIVE", "cannot open"));
  QUOIN_TRY(run(db, "BEGIN EXCLUSIVE; COMMIT", "cannot lock the store"));
  QUOIN_TRY(run(db,
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
                "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;"
                "PRAGMA journal_size_limit=16777216",
                "cannot set up the store"));
  QUOIN_TRY(run(db, ("PRAGMA max_page_count=" + std::to_string(pages)).c_str(),
                "cannot limit the store"));
  QUOIN_TAKE(synchronous, pragma_number(db, "PRAGMA synchronous"));
  if (synchronous != 2) return fail(ErrorCode::io, "SQLite does not accept synchronous=FULL");
  return success();
}

Status SqliteStore::Connection::migrate() {
  sqlite3* db = database.get();
  QUOIN_TAKE(id, pragma_number(db, "PRAGMA application_id"));
  QUOIN_TAKE(version, pragma_number(db, "PRAGMA user_version"));
  QUOIN_TAKE(tables, pragma_number(db, "SELECT count(*) FROM sqlite_schema"));
  const bool is_new = id == 0 && version == 0 && tables == 0;
  if (!is_new && id != application_id)
    return fail(ErrorCode::configuration, "the file is an SQLite database but no Quoin store",
                "name another file; this one was left as it is");
  const auto latest = static_cast<int>(migrations.size());
  if (version > latest)
    return fail(ErrorCode::configuration,
                "the store has schema version " + std::to_string(version) +
                    ", this program knows up to " + std::to_string(latest),
                "run the newer program that wrote it");
  for (int step = version; step < latest; ++step) {
    const std::string sql = std::string("BEGIN; ") + migrations[static_cast<std::size_t>(step)] +
                            "; PRAGMA application_id=" + std::to_string(application_id) +
                            "; PRAGMA user_version=" + std::to_string(step + 1) + "; COMMIT";
    QUOIN_TRY(run(db, sql.c_str(), "cannot bring the store's schema up to date"));
  }
  return success();
}

Status SqliteStore::Connection::prepare_all() {
  const std::array<std::pair<Statement*, const char*>, 7> wanted = {{
      {&put,
       "INSERT INTO rows VALUES (?1, ?2, ?3) ON CONFLICT (tbl, k) DO UPDATE SET v=excluded.v"},
      {&erase, "DELETE FROM rows WHERE tbl=?1 AND k=?2"},
      {&get, "SELECT v FROM rows WHERE tbl=?1 AND k=?2"},
      {&scan, "SELECT k, v FROM rows WHERE tbl=?1 AND k>=?2 ORDER BY k LIMIT ?3"},
      {&begin, "BEGIN IMMEDIATE"},
      {&commit, "COMMIT"},
      {&rollback, "ROLLBACK"},
  }};
  for (const auto& [statement, sql] : wanted) {
    QUOIN_TAKE(prepared, prepare(database.get(), sql));
    *statement = std::move(prepared);
  }
  return success();
}

Status SqliteStore::Connection::step_done(sqlite3_stmt* statement, const char* doing) {
  const StatementUse use(statement);
  const int code = sqlite3_step(statement);
  if (code != SQLITE_DONE) return failure_of(database.get(), code, doing);
  return success();
}

Status SqliteStore::Connection::write_all(const StoreBatch& batch) {
  for (const StoreBatch::Write& write : batch.writes()) {
    sqlite3_stmt* statement = write.value ? put.get() : erase.get();
    sqlite3_bind_int(statement, 1, static_cast<int>(write.table));
    bind_bytes(statement, 2, write.key);
    if (write.value) bind_bytes(statement, 3, *write.value);
    QUOIN_TRY(step_done(statement, "cannot write to the store"));
  }
  return step_done(commit.get(), "cannot make a write to the store durable");
}

SqliteStore::SqliteStore(std::unique_ptr<Connection> connection)
    : connection_(std::move(connection)) {}
SqliteStore::~SqliteStore() = default;

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path,
                                                       SqliteStoreOptions options) {
  if (sqlite3_threadsafe() == 0)
    return fail(ErrorCode::configuration, "this SQLite library was built without thread safety");
  QUOIN_TRY(make_private_file(path));
  auto connection = std::make_unique<Connection>();
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &database,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
  connection->database.reset(database);
  const auto in_path = [&](const Error& error) {
    return fail(error.code, "store " + path + ": " + error.message, error.cure);
  };
  if (code != SQLITE_OK) return in_path(failure_of(database, code, "cannot open").error);
  if (const Status done = connection->configure(options); !done) return in_path(done.error());
  if (const Status done = connection->migrate(); !done) return in_path(done.error());
  if (const Status done = connection->prepare_all(); !done) return in_path(done.error());
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(connection)));
}

Status SqliteStore::apply(const StoreBatch& batch) {
  if (write_failure_) return Failure{*write_failure_};
  if (batch.empty()) return success();
  for (const StoreBatch::Write& write : batch.writes()) QUOIN_TRY(check_write(write));
  Status done = connection_->step_done(connection_->begin.get(), "cannot write to the store");
  if (done) done = connection_->write_all(batch);
  if (done) return success();
  // What the page cache holds after a failed write is in doubt: undo, and write no more.
  if (sqlite3_get_autocommit(connection_->database.get()) == 0)
    (void)connection_->step_done(connection_->rollback.get(), "cannot undo");
  write_failure_ = done.error();
  return done;
}

Result<std::optional<Bytes>> SqliteStore::get(Table table, ByteSpan key) const {
  sqlite3_stmt* statement = connection_->get.get();
  const StatementUse use(statement);
  sqlite3_bind_int(statement, 1, static_cast<int>(table));
  bind_bytes(statement, 2, key);
  const int code = sqlite3_step(statement);
  if (code == SQLITE_DONE) return std::optional<Bytes>{};
  if (code != SQLITE_ROW)
    return failure_of(connection_->database.get(), code, "cannot read the store");
  return std::optional<Bytes>(column_bytes(statement, 0));
}

Result<std::vector<StoreRow>> SqliteStore::scan(Table table, ByteSpan first,
                                                std::size_t limit) const {
  sqlite3_stmt* statement = connection_->scan.get();
  const StatementUse use(statement);
  sqlite3_bind_int(statement, 1, static_cast<int>(table));
  bind_bytes(statement, 2, first);
  sqlite3_bind_int64(statement, 3, static_cast<sqlite3_int64>(std::min(limit, value_bytes_max)));
  std::vector<StoreRow> rows;
  for (;;) {
    const int code = sqlite3_step(statement);
    if (code == SQLITE_DONE) return rows;
    if (code != SQLITE_ROW)
      return failure_of(connection_->database.get(), code, "cannot read the store");
    rows.push_back({column_bytes(statement, 0), column_bytes(statement, 1)});
  }
}

}  // namespace quoin
