#include "keystore/lease_book.hpp"

#include <algorithm>
#include <set>

#include "keystore/rows.hpp"

namespace quoin {

namespace {

constexpr std::uint8_t row_version = 1;
constexpr std::uint8_t master_mark = 1;
constexpr std::uint8_t slave_mark = 2;

std::size_t index_of(LeaseSide side) { return side == LeaseSide::master ? 0 : 1; }

Bytes sealing_context(const LeaseId& id, LeaseSide side) {
  ByteWriter writer;
  writer.text("quoin lease").fixed(id.bytes).u8(static_cast<std::uint8_t>(side));
  return std::move(writer).take();
}

Bytes master_mark_key(const LeaseId& id) {
  return std::move(ByteWriter().fixed(id.bytes).u8(master_mark)).take();
}
// One row per slave and 64 keys: a bit per key that was handed out.
Bytes slave_mark_key(const LeaseId& id, std::size_t slave, std::size_t word) {
  ByteWriter writer;
  writer.fixed(id.bytes).u8(slave_mark).u8(static_cast<std::uint8_t>(slave));
  return std::move(writer.u32(static_cast<std::uint32_t>(word))).take();
}

Failure damaged() {
  return fail(ErrorCode::malformed, "a lease row of the store cannot be read",
              "the store file is damaged: move it away and make new key");
}

}  // namespace

Result<std::unique_ptr<LeaseBook>> LeaseBook::load(const Store& store, const AtRestCipher& at_rest,
                                                   KeyStore& keys, StoreBatch& batch) {
  std::unique_ptr<LeaseBook> book(new LeaseBook(store, at_rest, keys));
  QUOIN_TRY(for_each_row(store, Table::leases,
                         [&](const StoreRow& row) { return book->load_lease(row, batch); }));
  // Rows come by random id; each association's leases are used oldest first.
  for (auto& side : book->by_association_)
    for (auto& [association, leases] : side)
      std::ranges::sort(leases, {}, [](const Lease* lease) { return lease->sequence; });
  return book;
}

Status LeaseBook::load_lease(const StoreRow& row, StoreBatch& batch) {
  ByteReader reader(row.value);
  const std::uint8_t version = reader.u8();
  auto lease = std::make_unique<Lease>();
  lease->side = static_cast<LeaseSide>(reader.u8());
  lease->state = static_cast<LeaseState>(reader.u8());
  lease->sequence = reader.u64();
  const bool sides = lease->side == LeaseSide::master || lease->side == LeaseSide::slave;
  const bool states = lease->state == LeaseState::offered || lease->state == LeaseState::active;
  if (reader.failed() || version != row_version || !sides || !states ||
      row.key.size() != lease->terms.id.bytes.size())
    return damaged();
  LeaseId id;
  std::ranges::copy(row.key, id.bytes.begin());
  QUOIN_TAKE(opened, at_rest_->open(reader.remaining(), sealing_context(id, lease->side)));
  QUOIN_TAKE(terms, decode_terms(opened.expose_secret()));
  if (terms.id != id) return damaged();
  lease->terms = std::move(terms);
  QUOIN_TRY(lease->side == LeaseSide::master ? load_master_mark(*lease) : load_slave_marks(*lease));
  const auto passport = keys_->passport(lease->terms.block);
  if (!passport || lease->live_keys == 0) {  // nothing of it can be served
    erase(batch, *lease);
    return success();
  }
  lease->statement = statement_of(**passport, lease->terms);
  QUOIN_TRY(retain_unused(*lease));
  next_sequence_ = std::max(next_sequence_, lease->sequence + 1);
  enter(std::move(lease));
  return success();
}

Status LeaseBook::load_master_mark(Lease& lease) const {
  QUOIN_TAKE(mark, store_->get(Table::deliveries, master_mark_key(lease.terms.id)));
  if (mark) {
    ByteReader reader(*mark);
    lease.reserved = reader.u32();
    if (!reader.finish("a delivery mark") || lease.reserved > lease.terms.key_count)
      return damaged();
  }
  // Which of the reserved keys went out is not known: all of them are burnt.
  lease.used = lease.reserved;
  lease.live_keys = lease.terms.key_count - lease.used;
  return success();
}

Status LeaseBook::load_slave_marks(Lease& lease) const {
  const std::size_t slaves = lease.terms.association.slaves.size();
  const std::size_t words = words_for_bits(lease.terms.key_count);
  lease.taken.assign(slaves, std::vector<std::uint64_t>(words));
  lease.lacking.assign(lease.terms.key_count, static_cast<std::uint8_t>(slaves));
  for (std::size_t slave = 0; slave < slaves; ++slave) {
    for (std::size_t word = 0; word < words; ++word) {
      QUOIN_TAKE(mark, store_->get(Table::deliveries, slave_mark_key(lease.terms.id, slave, word)));
      if (!mark) continue;
      ByteReader reader(*mark);
      lease.taken[slave][word] = reader.u64();
      if (!reader.finish("a delivery mark")) return damaged();
    }
    for (std::uint32_t i = 0; i < lease.terms.key_count; ++i)
      if (bit_at(lease.taken[slave], i)) --lease.lacking[i];
  }
  lease.live_keys = static_cast<std::uint32_t>(
      std::ranges::count_if(lease.lacking, [](std::uint8_t lacking) { return lacking > 0; }));
  return success();
}

Status LeaseBook::retain_unused(const Lease& lease) {
  const std::uint64_t size = lease.terms.association.key_bytes;
  for (std::uint32_t i = 0; i < lease.terms.key_count; ++i) {
    const bool is_needed = lease.side == LeaseSide::master ? i >= lease.used : lease.lacking[i] > 0;
    if (is_needed)
      QUOIN_TRY(keys_->retain(lease.terms.block, lease.terms.offset_bytes + i * size, size));
  }
  return success();
}

void LeaseBook::put_lease_row(StoreBatch& batch, const Lease& lease) const {
  ByteWriter row;
  row.u8(row_version)
      .u8(static_cast<std::uint8_t>(lease.side))
      .u8(static_cast<std::uint8_t>(lease.state))
      .u64(lease.sequence);
  row.fixed(at_rest_->seal(encode_terms(lease.terms).expose_secret(),
                           sealing_context(lease.terms.id, lease.side)));
  batch.put(Table::leases, lease.terms.id.bytes, row.bytes());
}

LeaseBook::Lease& LeaseBook::enter(std::unique_ptr<Lease> owned) {
  Lease& lease = *owned;
  by_association_[index_of(lease.side)][lease.terms.association].push_back(&lease);
  leases_.emplace(lease.terms.id, std::move(owned));
  if (lease.side == LeaseSide::slave) {
    KeyIds ids(lease.terms);
    for (std::uint32_t i = 0; i < lease.terms.key_count; ++i)
      if (lease.lacking[i] > 0) slave_keys_[ids.at(i)] = {&lease, i};
  }
  return lease;
}

// Takes the lease out of the book as well, if it was entered; `lease` is gone then.
void LeaseBook::erase(StoreBatch& batch, Lease& lease) {
  const LeaseId id = lease.terms.id;
  batch.erase(Table::leases, id.bytes);
  if (lease.side == LeaseSide::master) batch.erase(Table::deliveries, master_mark_key(id));
  for (std::size_t slave = 0; slave < lease.taken.size(); ++slave)
    for (std::size_t word = 0; word < lease.taken[slave].size(); ++word)
      if (lease.taken[slave][word] != 0)
        batch.erase(Table::deliveries, slave_mark_key(id, slave, word));
  const auto at = leases_.find(id);
  if (at == leases_.end()) return;
  auto& side = by_association_[index_of(lease.side)];
  const auto list = side.find(lease.terms.association);
  std::erase(list->second, &lease);
  if (list->second.empty()) side.erase(list);
  leases_.erase(at);
}

Status LeaseBook::add(StoreBatch& batch, LeaseTerms terms, LeaseSide side, LeaseState state) {
  QUOIN_TRY(check_terms(terms));
  if (has(terms.id)) return fail(ErrorCode::conflict, "a lease with this id is here already");
  if (leases_.size() >= leases_max)
    return fail(ErrorCode::exhausted, "there are too many leases", "fetch the keys waiting");
  QUOIN_TAKE(passport, keys_->passport(terms.block));
  auto lease = std::make_unique<Lease>();
  lease->statement = statement_of(*passport, terms);
  QUOIN_TRY(keys_->allocate(batch, terms.block, terms.offset_bytes, terms.range_bytes));
  const std::uint64_t used = std::uint64_t{terms.key_count} * terms.association.key_bytes;
  if (terms.range_bytes > used)
    QUOIN_TRY(
        keys_->spend(batch, terms.block, terms.offset_bytes + used, terms.range_bytes - used));
  lease->side = side;
  lease->state = state;
  lease->sequence = next_sequence_++;
  lease->live_keys = terms.key_count;
  if (side == LeaseSide::slave) {
    const std::size_t slaves = terms.association.slaves.size();
    lease->taken.assign(slaves, std::vector<std::uint64_t>(words_for_bits(terms.key_count)));
    lease->lacking.assign(terms.key_count, static_cast<std::uint8_t>(slaves));
  }
  lease->terms = std::move(terms);
  put_lease_row(batch, *lease);
  enter(std::move(lease));
  return success();
}

bool LeaseBook::has(const LeaseId& id) const { return leases_.contains(id); }

Status LeaseBook::activate(StoreBatch& batch, const LeaseId& id) {
  const auto at = leases_.find(id);
  if (at == leases_.end()) return fail(ErrorCode::not_found, "the lease is gone");
  if (at->second->state == LeaseState::active) return success();
  at->second->state = LeaseState::active;
  put_lease_row(batch, *at->second);
  return success();
}

Status LeaseBook::burn(StoreBatch& batch, const LeaseId& id) {
  const auto at = leases_.find(id);
  if (at == leases_.end()) return fail(ErrorCode::not_found, "the lease is gone");
  Lease& lease = *at->second;
  if (lease.side == LeaseSide::master) {
    spend_keys(batch, lease, lease.used, lease.terms.key_count - lease.used);
  } else {
    KeyIds ids(lease.terms);
    for (std::uint32_t i = 0; i < lease.terms.key_count; ++i) {
      if (lease.lacking[i] == 0) continue;
      slave_keys_.erase(ids.at(i));
      spend_keys(batch, lease, i, 1);
    }
  }
  erase(batch, lease);
  return success();
}

void LeaseBook::spend_keys(StoreBatch& batch, const Lease& lease, std::uint32_t first,
                           std::uint32_t count) {
  const std::uint64_t size = lease.terms.association.key_bytes;
  const Status spent =
      keys_->spend(batch, lease.terms.block, lease.terms.offset_bytes + first * size, count * size);
  QUOIN_INVARIANT(spent.has_value(), "the range of a lease is not in its block");
}

namespace {

template <class Map, class Count>
std::uint64_t sum_over(const Map& leases, const Association& association, Count&& count) {
  const auto at = leases.find(association);
  std::uint64_t total = 0;
  if (at != leases.end())
    for (const auto* lease : at->second) total += count(*lease);
  return total;
}

}  // namespace

std::uint64_t LeaseBook::ready_keys(const Association& association) const {
  return sum_over(by_association_[0], association, [](const Lease& lease) {
    return lease.state == LeaseState::active ? lease.live_keys : 0u;
  });
}

std::uint64_t LeaseBook::offered_keys(const Association& association) const {
  return sum_over(by_association_[0], association, [](const Lease& lease) {
    return lease.state == LeaseState::offered ? lease.live_keys : 0u;
  });
}

std::uint64_t LeaseBook::undelivered_keys(const Association& association) const {
  return sum_over(by_association_[1], association,
                  [](const Lease& lease) { return lease.live_keys; });
}

Status LeaseBook::read_keys(const Lease& lease, std::uint32_t first, std::uint32_t count,
                            std::vector<DeliveredKey>& out) {
  const std::uint64_t size = lease.terms.association.key_bytes;
  KeyIds ids(lease.terms);
  for (std::uint32_t i = first; i < first + count; ++i) {
    QUOIN_TAKE(key, keys_->read(lease.terms.block, lease.terms.offset_bytes + i * size,
                                static_cast<std::size_t>(size)));
    out.push_back({ids.at(i), std::move(key), lease.statement});
  }
  return success();
}

Result<std::vector<DeliveredKey>> LeaseBook::take(StoreBatch& batch, const Association& association,
                                                  std::uint32_t count,
                                                  std::optional<Grade> grade_min) {
  if (ready_keys(association) < count)
    return fail(ErrorCode::exhausted, "fewer keys are ready than were asked for");
  std::vector<std::pair<Lease*, std::uint32_t>> parts;
  std::uint32_t wanted = count;
  for (Lease* lease : by_association_[0].find(association)->second) {
    if (wanted == 0) break;
    if (lease->state != LeaseState::active) continue;
    if (grade_min && lease->statement.grade < *grade_min)
      return fail(ErrorCode::conflict, "the keys at hand are below the grade asked for");
    parts.emplace_back(lease, std::min(wanted, lease->live_keys));
    wanted -= parts.back().second;
  }
  // Everything is read before anything is marked: a failure changes nothing.
  std::vector<DeliveredKey> keys;
  keys.reserve(count);
  for (const auto& [lease, part] : parts) QUOIN_TRY(read_keys(*lease, lease->used, part, keys));
  for (const auto& [lease, part] : parts) mark_used(batch, *lease, part);
  return keys;
}

void LeaseBook::mark_used(StoreBatch& batch, Lease& lease, std::uint32_t count) {
  spend_keys(batch, lease, lease.used, count);
  lease.used += count;
  lease.live_keys -= count;
  if (lease.live_keys == 0) return erase(batch, lease);
  if (lease.used <= lease.reserved) return;
  lease.reserved = std::min(lease.terms.key_count, lease.used + reserve_keys);
  const Bytes mark = std::move(ByteWriter().u32(lease.reserved)).take();
  batch.put(Table::deliveries, master_mark_key(lease.terms.id), mark);
}

void LeaseBook::settle(StoreBatch& batch) {
  for (auto& [id, lease] : leases_) {
    if (lease->side != LeaseSide::master || lease->reserved == lease->used) continue;
    lease->reserved = lease->used;
    const Bytes mark = std::move(ByteWriter().u32(lease->reserved)).take();
    batch.put(Table::deliveries, master_mark_key(id), mark);
  }
}

Result<std::vector<LeaseBook::KeyPlace>> LeaseBook::locate(const SaeId& slave, const SaeId& master,
                                                           std::span<const KeyId> ids) const {
  if (std::set<KeyId>(ids.begin(), ids.end()).size() != ids.size())
    return fail(ErrorCode::invalid_argument, "a key_ID is asked for twice");
  std::vector<KeyPlace> places;
  bool is_missing = false;
  for (const KeyId& id : ids) {
    const auto at = slave_keys_.find(id);
    if (at == slave_keys_.end()) {
      is_missing = true;
      continue;
    }
    KeyPlace place = at->second;
    const Association& association = place.lease->terms.association;
    const auto found = std::ranges::lower_bound(association.slaves, slave);
    if (association.master != master || found == association.slaves.end() || *found != slave)
      return fail(ErrorCode::unauthorised, "the caller was not named when a key was made");
    place.slave = static_cast<std::size_t>(found - association.slaves.begin());
    if (bit_at(place.lease->taken[place.slave], place.index)) is_missing = true;
    places.push_back(place);
  }
  if (is_missing)
    return fail(ErrorCode::not_found, "one or more keys specified are not found on KME");
  return places;
}

Result<std::vector<DeliveredKey>> LeaseBook::fetch(StoreBatch& batch, const SaeId& slave,
                                                   const SaeId& master,
                                                   std::span<const KeyId> ids) {
  QUOIN_TAKE(places, locate(slave, master, ids));
  std::vector<DeliveredKey> keys;
  keys.reserve(places.size());
  for (const KeyPlace& place : places) QUOIN_TRY(read_keys(*place.lease, place.index, 1, keys));
  for (const DeliveredKey& key : keys) {
    const KeyPlace& place = slave_keys_.find(key.id)->second;
    if (place.lease->lacking[place.index] == 1) slave_keys_.erase(key.id);
  }
  mark_fetched(batch, places);
  return keys;
}

void LeaseBook::mark_fetched(StoreBatch& batch, std::span<const KeyPlace> places) {
  std::set<std::tuple<Lease*, std::size_t, std::size_t>> words;
  for (const KeyPlace& place : places) {
    Lease& lease = *place.lease;
    assign_bit(lease.taken[place.slave], place.index, true);
    words.insert({&lease, place.slave, place.index / 64});
    if (--lease.lacking[place.index] > 0) continue;
    spend_keys(batch, lease, place.index, 1);
    --lease.live_keys;
  }
  std::set<Lease*> finished;
  for (const auto& [lease, slave, word] : words) {
    const Bytes mark = std::move(ByteWriter().u64(lease->taken[slave][word])).take();
    batch.put(Table::deliveries, slave_mark_key(lease->terms.id, slave, word), mark);
    if (lease->live_keys == 0) finished.insert(lease);
  }
  for (Lease* lease : finished) erase(batch, *lease);
}

Status LeaseBook::retire_oldest(StoreBatch& batch, const Association& association,
                                std::uint64_t keys_max) {
  while (undelivered_keys(association) > keys_max) {
    const Lease* oldest = by_association_[1].find(association)->second.front();
    const LeaseId id = oldest->terms.id;
    QUOIN_TRY(burn(batch, id));
  }
  return success();
}

std::vector<const LeaseTerms*> LeaseBook::offered() const {
  std::vector<const Lease*> leases;
  for (const auto& [id, lease] : leases_)
    if (lease->state == LeaseState::offered) leases.push_back(lease.get());
  std::ranges::sort(leases, {}, [](const Lease* lease) { return lease->sequence; });
  std::vector<const LeaseTerms*> terms;
  for (const Lease* lease : leases) terms.push_back(&lease->terms);
  return terms;
}

}  // namespace quoin
