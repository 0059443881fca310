// The ports to the world. Protocol code sees only these; real sides live in src/adapters and
// src/crypto, seeded ones in src/sim.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/bytes.hpp"
#include "core/key_stages.hpp"
#include "core/passport.hpp"
#include "core/quantum_vocabulary.hpp"

namespace quoin {

// Nanoseconds of a clock that never goes back; only differences mean something.
struct Instant {
  std::int64_t ns = 0;
  auto operator<=>(const Instant&) const = default;
};
constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::int64_t ns_per_s = 1'000'000'000;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual std::int64_t wall_unix_ms()
      const = 0;  // for people and certificates, never for protocol decisions
};

// Positions, permutations, hash seeds: values that will be public.
class PublicRandom {
 public:
  virtual ~PublicRandom() = default;
  virtual void fill(MutableByteSpan out) = 0;
};

// Bits, bases, intensities, keys: values that must stay secret.
class SecretRandom {
 public:
  virtual ~SecretRandom() = default;
  virtual void fill_secret(MutableByteSpan out) = 0;
  SecretBytes draw(std::size_t size) {
    SecretBytes out = SecretBytes::zeroed(size);
    fill_secret(out.expose_secret_mutable());
    return out;
  }
};

// Tables of the one store of a site. Values are opaque to the store; secrets in them are sealed by
// their owner before they get here. The numbers are on disk: never change or reuse one.
enum class Table : std::uint8_t {
  meta = 1,             // schema version, counters, lineage
  ledger_segments = 2,  // authentication key per block
  ledger_marks = 3,     // high-water marks of pads
  blocks = 4,           // key blocks: state, passport
  block_groups = 5,     // sealed key material, by group
  wrapping_keys = 6,    // one per group, destroyed to erase it
  leases = 7,
  deliveries = 8,  // what was handed out
  saes = 9,
  audit = 10,
};

struct StoreRow {
  Bytes key;
  Bytes value;
};

// Writes that become durable together or not at all.
class StoreBatch {
 public:
  struct Write {
    Table table;
    Bytes key;
    std::optional<Bytes> value;  // none erases
  };
  void put(Table table, ByteSpan key, ByteSpan value) {
    writes_.push_back({table, Bytes(key.begin(), key.end()), Bytes(value.begin(), value.end())});
  }
  void erase(Table table, ByteSpan key) {
    writes_.push_back({table, Bytes(key.begin(), key.end()), std::nullopt});
  }
  bool empty() const { return writes_.empty(); }
  const std::vector<Write>& writes() const { return writes_; }

 private:
  std::vector<Write> writes_;
};

class Store {
 public:
  virtual ~Store() = default;
  // Durable when it returns success. After a failure nothing of the batch is there and the store
  // refuses further writes: the site stops, and what was in doubt is burnt at the next start.
  virtual Status apply(const StoreBatch& batch) = 0;
  virtual Result<std::optional<Bytes>> get(Table table, ByteSpan key) const = 0;
  // Rows with first <= key, ascending by key bytes, at most `limit`.
  virtual Result<std::vector<StoreRow>> scan(Table table, ByteSpan first,
                                             std::size_t limit) const = 0;
};

// Where the link hands finished key: implemented by src/keystore, called by src/link. Rows go into
// the link's batch, so that a block, its split between ledger and keys, and its marks become
// durable together.
class SecretBlockSink {
 public:
  virtual ~SecretBlockSink() = default;
  virtual Status prepare(StoreBatch& batch, BlockId block, SecretKey&& key,
                         const Passport& passport) = 0;
  virtual Status commit(StoreBatch& batch, BlockId block) = 0;
  virtual Status discard(StoreBatch& batch, BlockId block) = 0;
  // False while the store is full: the link then makes no new block.
  virtual bool has_room() const { return true; }
};

// What the link knows of the connection under it, asserted by the adapter that made it.
struct TransportFacts {
  std::string peer_name;     // authenticated name of the peer site
  std::string anchor;        // "pki", "openpgp", "psk"
  std::string key_exchange;  // negotiated group, e.g. "X25519MLKEM768"
  SecretBytes exporter;      // 64 bytes from the TLS exporter (RFC 8446, 7.5), bound to roles and
                             // names; empty for plain transport
};

}  // namespace quoin
