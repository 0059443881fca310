#include "kme/kme.hpp"

#include <algorithm>

namespace quoin {

namespace {

bool is_bits_limit_valid(std::uint32_t bits) {
  return bits >= 8 && bits % 8 == 0 && bits / 8 <= key_bytes_max;
}

Failure no_key(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::unknown_sae:
    case RefusalReason::not_allowed: return fail(ErrorCode::unauthorised, to_string(reason));
    case RefusalReason::limits: return fail(ErrorCode::invalid_argument, to_string(reason));
    default:
      return fail(ErrorCode::exhausted, std::string("no key now: ") + to_string(reason),
                  "ask again when the link has made more key");
  }
}

}  // namespace

Status check_kme_config(const KmeConfig& config) {
  const auto wrong = [](const char* what) { return fail(ErrorCode::configuration, what); };
  if (!is_bits_limit_valid(config.key_bits_min) || !is_bits_limit_valid(config.key_bits_max) ||
      !is_bits_limit_valid(config.key_bits_default))
    return wrong("key sizes are multiples of 8, from 8 to 8192 bits");
  if (config.key_bits_default < config.key_bits_min ||
      config.key_bits_default > config.key_bits_max)
    return wrong("the default key size lies outside its limits");
  if (config.keys_per_request_max == 0 || config.keys_per_request_max > 1024)
    return wrong("a request gets 1 to 1024 keys");
  if (config.lease_keys_first == 0 || config.lease_keys_max > lease_keys_max ||
      config.lease_keys_first > config.lease_keys_max)
    return wrong("a lease has 1 to 8192 keys, the first no more than the longest");
  if (config.key_count_max < config.lease_keys_max ||
      config.key_count_max < config.keys_per_request_max)
    return wrong("the keys waiting for a pair are fewer than those of one lease or request");
  if (config.additional_slaves_max >= slaves_max)
    return wrong("at most 15 additional slaves can be named");
  return success();
}

Kme::Kme(KmeConfig config, SaeRegistry saes, KeyStore& keys, PublicRandom& public_random,
         SecretRandom& secret_random)
    : config_(std::move(config)),
      saes_(std::move(saes)),
      keys_(&keys),
      public_random_(&public_random),
      secret_random_(&secret_random) {}

Result<std::unique_ptr<Kme>> Kme::load(KmeConfig config, SaeRegistry saes, const Store& store,
                                       const AtRestCipher& at_rest, KeyStore& keys,
                                       PublicRandom& public_random, SecretRandom& secret_random,
                                       KmeEffects& effects) {
  QUOIN_TRY(check_kme_config(config));
  std::unique_ptr<Kme> kme(
      new Kme(std::move(config), std::move(saes), keys, public_random, secret_random));
  QUOIN_TAKE(leases, LeaseBook::load(store, at_rest, keys, effects.persist));
  kme->leases_ = std::move(leases);
  QUOIN_TRY(keys.finish_load(effects.persist));
  return kme;
}

// --- requests of the SAEs of this site ---

Status Kme::check_pair(const SaeId& master, const SaeId& slave) const {
  if (!saes_.is_local(master))
    return fail(ErrorCode::unauthorised, "the caller is no SAE of this KME");
  if (saes_.is_local(slave))
    return fail(ErrorCode::invalid_argument, "the slave SAE is at this site, not across the link");
  if (!saes_.is_remote(slave))
    return fail(ErrorCode::invalid_argument, "the slave SAE is not known to this KME");
  if (!saes_.is_allowed(master, slave))
    return fail(ErrorCode::unauthorised, "these two SAEs may not share key");
  return success();
}

Result<Association> Kme::association_of(const KeyRequest& request) const {
  QUOIN_TRY(check_pair(request.master, request.slave));
  if (request.additional_slaves.size() > config_.additional_slaves_max)
    return fail(ErrorCode::invalid_argument, "too many additional_slave_SAE_IDs");
  if (request.number == 0 || request.number > config_.keys_per_request_max)
    return fail(ErrorCode::invalid_argument,
                "number shall be from 1 to " + std::to_string(config_.keys_per_request_max));
  const std::uint32_t bits = request.size_bits.value_or(config_.key_bits_default);
  if (bits % 8 != 0) return fail(ErrorCode::invalid_argument, "size shall be a multiple of 8");
  if (bits < config_.key_bits_min || bits > config_.key_bits_max)
    return fail(ErrorCode::invalid_argument, "size shall be from " +
                                                 std::to_string(config_.key_bits_min) + " to " +
                                                 std::to_string(config_.key_bits_max));
  Association association{request.master, {request.slave}, bits / 8};
  for (const SaeId& slave : request.additional_slaves) {
    QUOIN_TRY(check_pair(request.master, slave));
    association.slaves.push_back(slave);
  }
  std::ranges::sort(association.slaves);
  const auto doubles = std::ranges::unique(association.slaves);
  association.slaves.erase(doubles.begin(), doubles.end());
  return association;
}

Result<KeyReply> Kme::request_keys(const KeyRequest& request, KmeEffects& effects) {
  QUOIN_TAKE(association, association_of(request));
  QUOIN_TRY(check_may_serve());
  auto keys = leases_->take(effects.persist, association, request.number, request.grade_min);
  if (keys) {
    seek_ahead(association, effects);
    return KeyReply{.keys = std::move(keys).value()};
  }
  if (keys.error().code != ErrorCode::exhausted) return keys.failure();

  Demand& demand = demand_of(association);
  if (const auto refusal = std::exchange(demand.refusal, std::nullopt)) return no_key(*refusal);
  if (!is_link_up_)
    return fail(ErrorCode::unavailable, "no key now: the link to the peer KME is down",
                "ask again when the link is up");
  if (expected_keys(association) < request.number && demand.request == 0) {
    demand.chunk_keys = std::min(std::max(2 * demand.chunk_keys, 1u), config_.lease_keys_max);
    seek(association, request.number, effects);
  }
  if (expected_keys(association) < request.number && demand.request == 0)
    return no_key(RefusalReason::exhausted);
  return KeyReply{.is_pending = true, .keys = {}};
}

Result<std::vector<DeliveredKey>> Kme::fetch_keys(const SaeId& slave, const SaeId& master,
                                                  std::span<const KeyId> ids, KmeEffects& effects) {
  if (!saes_.is_local(slave))
    return fail(ErrorCode::unauthorised, "the caller is no SAE of this KME");
  if (ids.empty() || ids.size() > config_.keys_per_request_max)
    return fail(ErrorCode::invalid_argument, "the number of key_IDs shall be from 1 to " +
                                                 std::to_string(config_.keys_per_request_max));
  QUOIN_TRY(check_may_serve());
  return leases_->fetch(effects.persist, slave, master, ids);
}

Status Kme::check_may_serve() const {
  if (link_was_up_ || !config_.waits_for_link) return success();
  return fail(ErrorCode::unavailable,
              "no key yet: this site has not compared its marks with the peer since it started",
              "ask again when the link is up");
}

Result<KmeStatus> Kme::status(const SaeId& master, const SaeId& slave) const {
  QUOIN_TRY(check_pair(master, slave));
  const Association association{master, {slave}, config_.key_bits_default / 8};
  const std::uint64_t stored =
      expected_keys(association) + leasable_bytes() / association.key_bytes;
  return KmeStatus{
      .source_kme_id = config_.kme_id,
      .target_kme_id = config_.peer_kme_id,
      .master = master,
      .slave = slave,
      .key_bits_default = config_.key_bits_default,
      .key_bits_min = config_.key_bits_min,
      .key_bits_max = config_.key_bits_max,
      .stored_key_count = std::min<std::uint64_t>(stored, config_.key_count_max),
      .key_count_max = config_.key_count_max,
      .keys_per_request_max = config_.keys_per_request_max,
      .additional_slaves_max = config_.additional_slaves_max,
  };
}

// --- looking for leases ---

Kme::Demand& Kme::demand_of(const Association& association) {
  if (const auto known = demands_.find(association); known != demands_.end()) return known->second;
  if (demands_.size() >= demands_max)
    std::erase_if(demands_, [](const auto& entry) { return entry.second.request == 0; });
  Demand& demand = demands_[association];
  // Usual keys come in stock; a rare size or set gets what it asks for until it asks often.
  const bool is_usual =
      association.slaves.size() == 1 && association.key_bytes == config_.key_bits_default / 8;
  if (is_usual) demand.chunk_keys = config_.lease_keys_first;
  return demand;
}

std::uint64_t Kme::expected_keys(const Association& association) const {
  return leases_->ready_keys(association) + leases_->offered_keys(association);
}

std::uint64_t Kme::stock_keys(const Association& association) {
  const std::uint32_t chunk = demand_of(association).chunk_keys;
  // All associations of both sites together stock at most half of what is free.
  const std::uint64_t share =
      leasable_bytes() / association.key_bytes / (4 * std::max<std::size_t>(demands_.size(), 1));
  return std::min<std::uint64_t>(chunk, share);
}

void Kme::seek(const Association& association, std::uint64_t need, KmeEffects& effects) {
  const std::uint64_t have = expected_keys(association);
  const std::uint64_t missing = need > have ? need - have : 0;
  const auto keys = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(std::max(missing, stock_keys(association)), config_.lease_keys_max));
  if (keys == 0) return;
  if (config_.role == QuantumRole::alice) {
    lease_out(association, keys, LeaseSide::master, 0, effects);
  } else {
    const std::uint64_t request = demand_of(association).request = next_request_++;
    effects.messages.push_back(encode(LeaseRequest{request, association, keys}));
  }
}

void Kme::seek_ahead(const Association& association, KmeEffects& effects) {
  const Demand& demand = demand_of(association);
  if (!is_link_up_ || demand.request != 0 || demand.refusal) return;
  if (demand.chunk_keys < config_.lease_keys_first) return;
  if (expected_keys(association) < (stock_keys(association) + 1) / 2) seek(association, 0, effects);
}

void Kme::seek_ahead_for_all(KmeEffects& effects) {
  if (saes_.local().size() * saes_.remote().size() <= pairs_ahead_max)
    for (const SaeId& master : saes_.local())
      for (const SaeId& slave : saes_.remote())
        if (saes_.is_allowed(master, slave))
          demand_of({master, {slave}, config_.key_bits_default / 8});
  std::vector<Association> associations;
  for (const auto& [association, demand] : demands_) associations.push_back(association);
  for (const Association& association : associations) seek_ahead(association, effects);
}

// --- allocating, at Alice's site ---

bool Kme::is_leasable(BlockId block) const {
  const auto passport = keys_->passport(block);
  return passport && (*passport)->grade >= config_.grade_min &&
         (*passport)->epsilon_sec <= config_.epsilon_sec_max;
}

std::uint64_t Kme::leasable_bytes() const {
  std::uint64_t bytes = 0;
  for (const BlockSummary& block : keys_->committed_blocks())
    if (is_leasable(block.id)) bytes += block.free_bytes();
  return bytes;
}

std::optional<LeaseTerms> Kme::next_terms(const Association& association, std::uint32_t keys) {
  const std::uint64_t size = association.key_bytes;
  for (const BlockSummary& block : keys_->committed_blocks()) {
    if (block.free_bytes() < size || !is_leasable(block.id)) continue;
    LeaseTerms terms;
    public_random_->fill(terms.id.bytes);
    terms.id_key = secret_random_->draw(32);
    terms.block = block.id;
    terms.offset_bytes = block.leased_up_to;
    terms.key_count = static_cast<std::uint32_t>(
        std::min<std::uint64_t>({keys, block.free_bytes() / size, lease_keys_max}));
    terms.range_bytes = terms.key_count * size;
    // A rest too short for the longest key could never be used up by all sizes: burnt at once.
    const std::uint64_t rest = block.free_bytes() - terms.range_bytes;
    if (rest < config_.key_bits_max / 8) terms.range_bytes += rest;
    terms.association = association;
    return terms;
  }
  return std::nullopt;
}

std::uint32_t Kme::lease_out(const Association& association, std::uint32_t keys, LeaseSide side,
                             std::uint64_t request, KmeEffects& effects) {
  std::vector<LeaseTerms> offers;
  std::uint32_t granted = 0;
  while (granted < keys) {
    auto terms = next_terms(association, keys - granted);
    if (!terms || !leases_->add(effects.persist, terms->clone_secret(), side, LeaseState::offered))
      break;
    granted += terms->key_count;
    offers.push_back(std::move(*terms));
  }
  for (LeaseTerms& terms : offers) {
    const bool is_last = &terms == &offers.back();
    effects.messages.push_back(encode(LeaseOffer{is_last ? request : 0, std::move(terms)}));
  }
  return granted;
}

// --- messages of the peer KME ---

Status Kme::handle_control(ByteSpan message, KmeEffects& effects) {
  QUOIN_TAKE(decoded, decode_lease_message(message));
  return std::visit([&](auto&& kind) { return handle(std::move(kind), effects); },
                    std::move(decoded));
}

std::optional<RefusalReason> Kme::objection(const Association& association, LeaseSide side) const {
  const bool master_is_here = side == LeaseSide::master;
  if (!(master_is_here ? saes_.is_local(association.master) : saes_.is_remote(association.master)))
    return RefusalReason::unknown_sae;
  for (const SaeId& slave : association.slaves) {
    if (!(master_is_here ? saes_.is_remote(slave) : saes_.is_local(slave)))
      return RefusalReason::unknown_sae;
    if (!saes_.is_allowed(association.master, slave)) return RefusalReason::not_allowed;
  }
  const std::uint32_t bits = association.key_bytes * 8;
  if (bits < config_.key_bits_min || bits > config_.key_bits_max) return RefusalReason::limits;
  return std::nullopt;
}

Status Kme::handle(LeaseRequest&& message, KmeEffects& effects) {
  if (config_.role != QuantumRole::alice)
    return fail(ErrorCode::conflict, "Alice's KME asked Bob's for a lease");
  auto reason = objection(message.association, LeaseSide::slave);
  if (!reason && message.key_count > config_.lease_keys_max) reason = RefusalReason::limits;
  if (!reason && lease_out(message.association, message.key_count, LeaseSide::slave,
                           message.request, effects) == 0)
    reason = RefusalReason::exhausted;
  if (reason) {
    effects.messages.push_back(encode(LeaseRefusal{message.request, {}, *reason}));
    return success();
  }
  return leases_->retire_oldest(effects.persist, message.association, config_.key_count_max);
}

Status Kme::handle(LeaseOffer&& message, KmeEffects& effects) {
  if (config_.role != QuantumRole::bob)
    return fail(ErrorCode::conflict, "Bob's KME offered a lease to Alice's");
  const LeaseId id = message.terms.id;
  const std::uint64_t request = message.request;
  const Association association = message.terms.association;
  const LeaseSide side = saes_.is_local(association.master) ? LeaseSide::master : LeaseSide::slave;
  const auto reason = leases_->has(id) ? std::nullopt : accept(std::move(message), side, effects);
  if (reason) {
    effects.messages.push_back(encode(LeaseRefusal{0, id, *reason}));
  } else {
    effects.messages.push_back(encode(LeaseAck{id}));
  }
  if (const auto at = demands_.find(association); at != demands_.end() && request != 0) {
    if (at->second.request == request) at->second.request = 0;
    if (reason) at->second.refusal = reason;
  }
  effects.is_changed = true;
  return leases_->retire_oldest(effects.persist, association, config_.key_count_max);
}

std::optional<RefusalReason> Kme::accept(LeaseOffer&& message, LeaseSide side,
                                         KmeEffects& effects) {
  const LeaseTerms& terms = message.terms;
  if (const auto reason = objection(terms.association, side)) return reason;
  const auto block = keys_->summary(terms.block);
  // Offered again after its keys were used up here: the acknowledgement was lost, not the lease.
  const bool is_past = !block || terms.offset_bytes < block->leased_up_to;
  if (is_past && side == LeaseSide::master) return std::nullopt;
  if (!block) return RefusalReason::unknown_block;
  if (is_past) return RefusalReason::conflict;
  if (terms.offset_bytes + terms.range_bytes > block->size_bytes)
    return RefusalReason::unknown_block;
  // Alice leases committed blocks only, so a block still prepared here rolls forward.
  if (!keys_->commit(effects.persist, terms.block)) return RefusalReason::unknown_block;
  if (!leases_->add(effects.persist, std::move(message.terms), side, LeaseState::active))
    return RefusalReason::exhausted;
  return std::nullopt;
}

Status Kme::handle(LeaseAck&& message, KmeEffects& effects) {
  if (config_.role != QuantumRole::alice)
    return fail(ErrorCode::conflict, "Alice's KME acknowledged a lease of its own");
  // One that is gone was acknowledged twice, or retired meanwhile.
  if (leases_->has(message.lease)) QUOIN_TRY(leases_->activate(effects.persist, message.lease));
  effects.is_changed = true;
  return success();
}

Status Kme::handle(LeaseRefusal&& message, KmeEffects& effects) {
  effects.is_changed = true;
  if (message.request != 0) {
    for (auto& [association, demand] : demands_) {
      if (demand.request != message.request) continue;
      demand.request = 0;
      demand.refusal = message.reason;
    }
    return success();
  }
  for (const LeaseTerms* terms : leases_->offered()) {
    if (terms->id != message.lease) continue;
    if (saes_.is_local(terms->association.master))
      demand_of(terms->association).refusal = message.reason;
    return leases_->burn(effects.persist, message.lease);
  }
  return success();
}

// --- events of the link ---

void Kme::on_link_up(KmeEffects& effects) {
  is_link_up_ = true;
  link_was_up_ = true;
  for (auto& [association, demand] : demands_) {
    demand.request = 0;
    demand.refusal.reset();
  }
  // First what the peer may have missed, in the order in which the ranges were allocated.
  if (config_.role == QuantumRole::alice)
    for (const LeaseTerms* terms : leases_->offered())
      effects.messages.push_back(encode(LeaseOffer{0, terms->clone_secret()}));
  seek_ahead_for_all(effects);
  effects.is_changed = true;
}

void Kme::on_link_down(KmeEffects& effects) {
  is_link_up_ = false;
  for (auto& [association, demand] : demands_) demand.request = 0;
  effects.is_changed = true;
}

void Kme::on_block_committed(BlockId, KmeEffects& effects) {
  for (auto& [association, demand] : demands_) demand.refusal.reset();
  seek_ahead_for_all(effects);
  effects.is_changed = true;
}

void Kme::on_stop(KmeEffects& effects) { leases_->settle(effects.persist); }

}  // namespace quoin
