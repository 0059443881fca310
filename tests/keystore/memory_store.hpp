// A Store in memory with a write that fails on demand, seeded ports, and blocks to put in: for the
// tests of src/keystore, src/kme and src/delivery.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "core/ports.hpp"

namespace quoin::test {

class MemoryStore final : public Store {
 public:
  // The n-th write from now on fails and nothing is written any more; 0 is the next one. A torn
  // store cannot be: a batch is there or not.
  void fail_at(std::size_t n) { fail_at_ = writes_ + n; }
  std::size_t writes() const { return writes_; }
  bool has_failed() const { return has_failed_; }
  // What a restart finds.
  void restart() {
    has_failed_ = false;
    fail_at_ = never;
  }

  Status apply(const StoreBatch& batch) override {
    if (batch.empty()) return success();
    if (has_failed_ || writes_ == fail_at_) {
      has_failed_ = true;
      return fail(ErrorCode::io, "injected failure");
    }
    ++writes_;
    for (const auto& write : batch.writes()) {
      const auto place = std::pair(write.table, write.key);
      if (write.value) {
        rows_[place] = *write.value;
      } else {
        rows_.erase(place);
      }
    }
    return success();
  }
  Result<std::optional<Bytes>> get(Table table, ByteSpan key) const override {
    const auto at = rows_.find({table, Bytes(key.begin(), key.end())});
    if (at == rows_.end()) return std::optional<Bytes>{};
    return std::optional<Bytes>(at->second);
  }
  Result<std::vector<StoreRow>> scan(Table table, ByteSpan first,
                                     std::size_t limit) const override {
    std::vector<StoreRow> out;
    for (auto at = rows_.lower_bound({table, Bytes(first.begin(), first.end())});
         at != rows_.end() && at->first.first == table && out.size() < limit; ++at)
      out.push_back({at->first.second, at->second});
    return out;
  }

  std::size_t count(Table table) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(rows_, [&](const auto& row) { return row.first.first == table; }));
  }
  // Whether these bytes stand anywhere in the store.
  bool holds(ByteSpan bytes) const {
    for (const auto& [place, value] : rows_)
      if (!std::ranges::search(value, bytes).empty()) return true;
    return false;
  }
  std::map<std::pair<Table, Bytes>, Bytes>& rows() { return rows_; }

 private:
  static constexpr std::size_t never = ~std::size_t{0};
  std::map<std::pair<Table, Bytes>, Bytes> rows_;
  std::size_t writes_ = 0;
  std::size_t fail_at_ = never;
  bool has_failed_ = false;
};

// Reproducible, and good for nothing else.
class SeededRandom final : public PublicRandom, public SecretRandom {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(MutableByteSpan out) override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(engine_());
  }
  void fill_secret(MutableByteSpan out) override { fill(out); }

 private:
  std::mt19937_64 engine_;
};

inline SecretKey make_secret_key(std::uint64_t seed, std::size_t size_bits) {
  SecretBits bits = SecretBits::zeroed(size_bits);
  std::mt19937_64 engine(seed);
  for (std::uint64_t& word : bits.expose_secret_mutable()) word = engine();
  bits.trim();
  return SecretKey::claim_stage(std::move(bits));
}

inline Passport make_passport(BlockId block, Grade grade = Grade::information_theoretic) {
  Passport passport;
  passport.block = block;
  passport.protocol = "bb84-decoy2";
  passport.proof = "lim2014";
  passport.epsilon_sec = 1e-10;
  passport.epsilon_cor = 1e-15;
  passport.epsilon_accumulated = 3e-10;
  passport.grade = grade;
  passport.lineage = 7;
  passport.source = KeySource::simulated;
  return passport;
}

}  // namespace quoin::test
