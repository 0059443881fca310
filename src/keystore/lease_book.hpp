// The leases of one site: which ranges of which block belong to which SAEs, what was used, and so
// what may still be handed out. Called by src/kme alone. Same rule as KeyStore: memory changes at
// once, rows go into the batch, and the batch is durable before anything leaves.
//
// Master side: keys are used in order; the mark "used up to" is written ahead by reserve_keys, so
// that most requests write nothing. After a crash the reserved ones are burnt. Slave side: every
// key is given once to each slave of its lease, marked before it leaves. So nothing is served
// twice, crash or not.
#pragma once

#include <memory>
#include <unordered_map>

#include "keystore/key_store.hpp"
#include "keystore/lease.hpp"

namespace quoin {

enum class LeaseSide : std::uint8_t { master = 1, slave = 2 };     // which end of the lease is here
enum class LeaseState : std::uint8_t { offered = 1, active = 2 };  // active: durable at both sites

class LeaseBook {
 public:
  static constexpr std::uint32_t reserve_keys = 64;
  static constexpr std::size_t leases_max = 8192;

  // Reads all leases and tells the key store what they still need (KeyStore::retain); the caller
  // then calls KeyStore::finish_load. Rows to clean up go into the batch.
  static Result<std::unique_ptr<LeaseBook>> load(const Store& store, const AtRestCipher& at_rest,
                                                 KeyStore& keys, StoreBatch& batch);

  // Takes the range out of the block (KeyStore::allocate) and keeps the lease. Errors as there, and
  // exhausted when there are too many leases, conflict when the id is known.
  Status add(StoreBatch& batch, LeaseTerms terms, LeaseSide side, LeaseState state);
  bool has(const LeaseId& id) const;
  // The peer has it durably. Success when it was active already; not_found when it is gone.
  Status activate(StoreBatch& batch, const LeaseId& id);
  // The keys that were not used are burnt, the lease is gone.
  Status burn(StoreBatch& batch, const LeaseId& id);

  // Master side: keys that take() can give now, and keys in leases not acknowledged yet.
  std::uint64_t ready_keys(const Association& association) const;
  std::uint64_t offered_keys(const Association& association) const;
  // Exactly `count` keys, oldest first. exhausted when fewer are ready; conflict when one of them
  // is below `grade_min` (nothing is used then).
  Result<std::vector<DeliveredKey>> take(StoreBatch& batch, const Association& association,
                                         std::uint32_t count, std::optional<Grade> grade_min);

  // Slave side, all or nothing. unauthorised when a known id does not name `slave` or has another
  // master; not_found when an id is unknown or was taken; invalid_argument for doubles.
  Result<std::vector<DeliveredKey>> fetch(StoreBatch& batch, const SaeId& slave,
                                          const SaeId& master, std::span<const KeyId> ids);

  // Slave side: keys of (master, slaves, size) not fetched yet by every slave.
  std::uint64_t undelivered_keys(const Association& association) const;
  // Burns the oldest slave-side leases of the association until at most `keys_max` keys wait.
  Status retire_oldest(StoreBatch& batch, const Association& association, std::uint64_t keys_max);

  // A clean stop: the marks become exact, so that nothing reserved ahead is burnt.
  void settle(StoreBatch& batch);

  // Leases in the state offered, oldest first: to be offered again on a new connection.
  std::vector<const LeaseTerms*> offered() const;

 private:
  struct Lease {
    LeaseTerms terms;
    LeaseSide side = LeaseSide::master;
    LeaseState state = LeaseState::offered;
    std::uint64_t sequence = 0;
    KeyStatement statement;
    std::uint32_t used = 0;      // master: keys handed out
    std::uint32_t reserved = 0;  // master: the durable mark, at least `used`
    // slave: a bit per key and slave, and how many slaves still lack each key
    std::vector<std::vector<std::uint64_t>> taken;
    std::vector<std::uint8_t> lacking;
    std::uint32_t live_keys = 0;
  };
  struct KeyPlace {
    Lease* lease = nullptr;
    std::uint32_t index = 0;
    std::size_t slave = 0;  // which slave of the lease asks; unused in the index of keys
  };
  using Leases = std::map<LeaseId, std::unique_ptr<Lease>>;

  LeaseBook(const Store& store, const AtRestCipher& at_rest, KeyStore& keys)
      : store_(&store), at_rest_(&at_rest), keys_(&keys) {}
  Status load_lease(const StoreRow& row, StoreBatch& batch);
  Status load_master_mark(Lease& lease) const;
  Status load_slave_marks(Lease& lease) const;
  Status retain_unused(const Lease& lease);
  void put_lease_row(StoreBatch& batch, const Lease& lease) const;
  Lease& enter(std::unique_ptr<Lease> lease);
  void erase(StoreBatch& batch, Lease& lease);
  void mark_used(StoreBatch& batch, Lease& lease, std::uint32_t count);
  Result<std::vector<KeyPlace>> locate(const SaeId& slave, const SaeId& master,
                                       std::span<const KeyId> ids) const;
  void mark_fetched(StoreBatch& batch, std::span<const KeyPlace> places);
  Status read_keys(const Lease& lease, std::uint32_t first, std::uint32_t count,
                   std::vector<DeliveredKey>& out);
  void spend_keys(StoreBatch& batch, const Lease& lease, std::uint32_t first, std::uint32_t count);

  const Store* store_;
  const AtRestCipher* at_rest_;
  KeyStore* keys_;
  Leases leases_;
  // oldest first
  std::map<Association, std::vector<Lease*>> by_association_[2];
  std::unordered_map<KeyId, KeyPlace, KeyIdHash> slave_keys_;
  std::uint64_t next_sequence_ = 1;
};

}  // namespace quoin
