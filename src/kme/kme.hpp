// The key manager of one site for its link: agrees leases with the peer KME and answers the SAEs of
// the site. Sans-I/O and single-threaded: src/site feeds it control messages and link events and
// carries out the effects at once and in this order: make `persist` durable (stop the site when
// that fails), send `messages` over the control channel, only then let keys out; when `is_changed`,
// ask waiting deliveries to try again.
//
// Alice's KME alone allocates ranges. Keys for a request come from leases agreed before, so most
// requests need no round trip; leases are asked for ahead once a pair has been used or is known.
#pragma once

#include <memory>

#include "keystore/lease_book.hpp"
#include "kme/lease_messages.hpp"
#include "kme/sae_registry.hpp"

namespace quoin {

struct KmeEffects {
  StoreBatch persist;
  std::vector<Bytes> messages;
  bool is_changed = false;
};

struct KmeConfig {
  QuantumRole role = QuantumRole::alice;
  std::string kme_id;       // this KME, as the SAEs see it
  std::string peer_kme_id;  // the KME at the other site
  std::uint32_t key_bits_default = 256;
  std::uint32_t key_bits_min = 64;  // multiples of 8, all three
  std::uint32_t key_bits_max = 4096;
  std::uint32_t keys_per_request_max = 128;
  std::uint32_t key_count_max = 100'000;  // waiting at once for a pair, either side
  std::uint32_t additional_slaves_max = 8;
  // Blocks below are kept but not leased.
  // After a start nothing is served before the link has come up once: only then is it known that
  // the store is no old copy, whose keys were handed out before (security-rules A4).
  bool waits_for_link = false;
  Grade grade_min = Grade::bootstrap_pki;
  double epsilon_sec_max = 1.0;
  std::uint32_t lease_keys_first = 64;  // a pair's first lease; doubles while requests find none
  std::uint32_t lease_keys_max = 4096;
};
Status check_kme_config(const KmeConfig& config);

struct KeyRequest {
  SaeId master;  // the caller
  SaeId slave;   // from the path
  std::vector<SaeId> additional_slaves{};
  std::uint32_t number = 1;
  std::optional<std::uint32_t> size_bits{};  // none: the default
  std::optional<Grade> grade_min;            // conflict when it cannot be met
};

// is_pending: nothing was used; ask again when the KME changed, or give up.
struct KeyReply {
  bool is_pending = false;
  std::vector<DeliveredKey> keys;
};

struct KmeStatus {
  std::string source_kme_id, target_kme_id;
  SaeId master, slave;
  std::uint32_t key_bits_default = 0, key_bits_min = 0, key_bits_max = 0;
  std::uint64_t stored_key_count = 0;  // of the default size, deliverable now or after one lease
  std::uint32_t key_count_max = 0, keys_per_request_max = 0, additional_slaves_max = 0;
};

class Kme {
 public:
  // Loads the leases of the store. `keys` was loaded from the same store and not used yet; the
  // references must outlive the object. The effects clean up after a crash: carry them out first.
  static Result<std::unique_ptr<Kme>> load(KmeConfig config, SaeRegistry saes, const Store& store,
                                           const AtRestCipher& at_rest, KeyStore& keys,
                                           PublicRandom& public_random, SecretRandom& secret_random,
                                           KmeEffects& effects);

  // Link events. A failed handle_control means that the peer does not keep to the protocol: the
  // caller ends the session; nothing was changed.
  Status handle_control(ByteSpan message, KmeEffects& effects);
  void on_link_up(KmeEffects& effects);
  void on_link_down(KmeEffects& effects);
  void on_block_committed(BlockId block, KmeEffects& effects);

  // A clean stop: makes the marks exact, so that no key reserved ahead is burnt.
  void on_stop(KmeEffects& effects);

  // For the SAEs of this site. Errors: unauthorised (caller unknown, or the pair is denied),
  // invalid_argument (sizes, numbers, slaves; message as ETSI GS QKD 014 prints it where it does),
  // conflict (grade_min), exhausted and unavailable (no key now: 503).
  Result<KeyReply> request_keys(const KeyRequest& request, KmeEffects& effects);
  // All or nothing. Errors: unauthorised, not_found (unknown or taken), invalid_argument.
  Result<std::vector<DeliveredKey>> fetch_keys(const SaeId& slave, const SaeId& master,
                                               std::span<const KeyId> ids, KmeEffects& effects);
  Result<KmeStatus> status(const SaeId& master, const SaeId& slave) const;

  const KmeConfig& config() const { return config_; }
  bool is_link_up() const { return is_link_up_; }

 private:
  Status check_may_serve() const;
  // What this KME remembers of an association with its master here.
  struct Demand {
    std::uint32_t chunk_keys = 0;          // size of the next lease
    std::uint64_t request = 0;             // outstanding LeaseRequest, 0 for none
    std::optional<RefusalReason> refusal;  // told to the next request
  };
  static constexpr std::size_t demands_max = 4096;
  static constexpr std::size_t pairs_ahead_max = 64;  // more pairs wait for their first request

  Kme(KmeConfig config, SaeRegistry saes, KeyStore& keys, PublicRandom& public_random,
      SecretRandom& secret_random);

  Status handle(LeaseRequest&& message, KmeEffects& effects);
  Status handle(LeaseOffer&& message, KmeEffects& effects);
  Status handle(LeaseAck&& message, KmeEffects& effects);
  Status handle(LeaseRefusal&& message, KmeEffects& effects);
  // Why this KME will not have such a lease, seen from the side on which it would be.
  std::optional<RefusalReason> objection(const Association& association, LeaseSide side) const;
  std::optional<RefusalReason> accept(LeaseOffer&& message, LeaseSide side, KmeEffects& effects);

  Result<Association> association_of(const KeyRequest& request) const;
  Status check_pair(const SaeId& master, const SaeId& slave) const;
  Demand& demand_of(const Association& association);
  // Keys ready or on their way.
  std::uint64_t expected_keys(const Association& association) const;
  // How many keys to lease when the stock of an association runs low.
  std::uint64_t stock_keys(const Association& association);
  // Asks for (Bob) or makes (Alice) a lease, large enough for `need` keys if that can be.
  void seek(const Association& association, std::uint64_t need, KmeEffects& effects);
  void seek_ahead(const Association& association, KmeEffects& effects);
  void seek_ahead_for_all(KmeEffects& effects);
  // Alice: leases up to `keys` keys, from several blocks if need be; says how many.
  std::uint32_t lease_out(const Association& association, std::uint32_t keys, LeaseSide side,
                          std::uint64_t request, KmeEffects& effects);
  std::optional<LeaseTerms> next_terms(const Association& association, std::uint32_t keys);
  bool is_leasable(BlockId block) const;
  std::uint64_t leasable_bytes() const;

  KmeConfig config_;
  SaeRegistry saes_;
  KeyStore* keys_;
  PublicRandom* public_random_;
  SecretRandom* secret_random_;
  std::unique_ptr<LeaseBook> leases_;
  std::map<Association, Demand> demands_;
  std::uint64_t next_request_ = 1;
  bool is_link_up_ = false;
  bool link_was_up_ = false;
};

}  // namespace quoin
