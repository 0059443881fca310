// The key store on disk, by the clock on the wall, for waiting on the disk is what it costs: keys
// of 256 bits leased, marked durably as used, read and spent, 4096 to a durable batch; and secret
// bits per second that are stored whole. SQLite in a temporary directory (TMPDIR).
#include <chrono>
#include <filesystem>

#include "adapters/sqlite_store.hpp"
#include "crypto/random.hpp"
#include "keystore/key_store.hpp"
#include "measure.hpp"

namespace {

using namespace quoin;
using bench::Report;

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Passport some_passport(BlockId block, std::size_t bits) {
  Passport passport;
  passport.block = block;
  passport.protocol = "bb84-decoy2";
  passport.secret_bits = bits;
  passport.source = KeySource::simulated;
  return passport;
}

constexpr std::size_t key_bytes = 32;
constexpr std::size_t batch_keys = 4096;
constexpr std::size_t block_bits = 16 * batch_keys * key_bytes * 8;

// Seconds to store a block durably, prepared and committed.
double store_block(KeyStore& keys, Store& store, SecretRandom& random, BlockId id) {
  SecretBits bits = SecretBits::zeroed(block_bits);
  random.fill_secret(std::as_writable_bytes(bits.expose_secret_mutable()));
  const double start = wall_seconds();
  StoreBatch prepared;
  Report::check(keys.prepare(prepared, id, SecretKey::claim_stage(std::move(bits)),
                             some_passport(id, block_bits)));
  Report::check(store.apply(prepared));
  StoreBatch committed;
  Report::check(keys.commit(committed, id));
  Report::check(store.apply(committed));
  return wall_seconds() - start;
}

// Seconds to lease, mark, read and spend one batch of keys.
double serve_batch(KeyStore& keys, Store& store, BlockId id, std::uint64_t offset) {
  constexpr std::size_t bytes = batch_keys * key_bytes;
  const double start = wall_seconds();
  StoreBatch marks;
  Report::check(keys.allocate(marks, id, offset, bytes));
  Report::check(store.apply(marks));
  for (std::size_t at = 0; at < bytes; at += key_bytes)
    Report::take(keys.read(id, offset + at, key_bytes));
  StoreBatch spent;
  Report::check(keys.spend(spent, id, offset, bytes));
  Report::check(store.apply(spent));
  return wall_seconds() - start;
}

}  // namespace

int main(int argc, char** argv) {
  const Report report(argc, argv, "keystore");
  std::string directory = (std::filesystem::temp_directory_path() / "quoin-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return 1;
  {
    OpenSslSecretRandom random;
    OpenSslPublicRandom nonces;
    const auto cipher = Report::take(AtRestCipher::from_file_key(SecretBytes::zeroed(32), nonces));
    const auto store = Report::take(SqliteStore::open(directory + "/keys.db"));
    const auto keys =
        Report::take(KeyStore::load(*store, cipher, random, {.allow_simulated = true}));
    StoreBatch loaded;
    Report::check(keys->finish_load(loaded));
    Report::check(store->apply(loaded));
    std::vector<double> stored;
    std::vector<double> served;
    for (std::uint32_t i = 0; i < 3; ++i) {
      const BlockId id = make_block_id(1, i);
      stored.push_back(store_block(*keys, *store, random, id));
      for (std::uint64_t at = 0; at < block_bits / 8; at += batch_keys * key_bytes)
        served.push_back(serve_batch(*keys, *store, id, at));
    }
    report.row("4096", "keys_per_s", batch_keys / bench::median(served), "1/s");
    report.row("4096", "mbps", block_bits / 1e6 / bench::median(stored), "Mb/s");
  }
  std::filesystem::remove_all(directory);
  return 0;
}
