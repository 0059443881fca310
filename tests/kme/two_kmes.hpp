// Two sites back to back in memory, for the tests of src/kme and src/delivery: a store, a key store
// and a KME each, and the control channel between them as two queues. Effects are carried out as
// the contract says: persist, then send, then serve; a site whose write fails is dead until it is
// restarted from its store.
#pragma once

#include <gtest/gtest.h>

#include <deque>

#include "../keystore/memory_store.hpp"
#include "kme/kme.hpp"

namespace quoin::test {

class Site {
 public:
  Site(QuantumRole role, KmeConfig config, SaeRegistry saes, std::uint64_t seed)
      : random_(seed), config_(std::move(config)), saes_(std::move(saes)) {
    config_.role = role;
    cipher_.emplace(AtRestCipher::from_file_key(SecretBytes::zeroed(32), random_).value());
    restart();
  }

  // From the store alone, as after a crash.
  void restart() {
    kme_.reset();
    keys_.reset();
    outbox_.clear();
    store_.restart();
    is_dead_ = false;
    KmeEffects effects;
    auto keys = KeyStore::load(store_, *cipher_, random_, {.allow_simulated = true});
    ASSERT_TRUE(keys) << keys.error().text();
    keys_ = std::move(keys).value();
    auto kme = Kme::load(config_, saes_, store_, *cipher_, *keys_, random_, random_, effects);
    ASSERT_TRUE(kme) << kme.error().text();
    kme_ = std::move(kme).value();
    carry_out(effects);
  }
  // False when the write failed: nothing may leave the site then.
  bool carry_out(const KmeEffects& effects) {
    if (is_dead_ || !store_.apply(effects.persist)) {
      is_dead_ = true;
      return false;
    }
    outbox_.insert(outbox_.end(), effects.messages.begin(), effects.messages.end());
    was_changed_ = was_changed_ || effects.is_changed;
    return true;
  }
  bool prepare(BlockId block, std::size_t bits, Grade grade = Grade::information_theoretic) {
    KmeEffects effects;
    EXPECT_TRUE(keys_->prepare(effects.persist, block, make_secret_key(to_u64(block), bits),
                               make_passport(block, grade)));
    return carry_out(effects);
  }
  bool commit(BlockId block) {
    KmeEffects effects;
    EXPECT_TRUE(keys_->commit(effects.persist, block));
    if (!carry_out(effects)) return false;
    KmeEffects after;
    kme_->on_block_committed(block, after);
    return carry_out(after);
  }

  Kme& kme() { return *kme_; }
  KeyStore& keys() { return *keys_; }
  MemoryStore& store() { return store_; }
  std::deque<Bytes>& outbox() { return outbox_; }
  bool is_dead() const { return is_dead_; }
  bool take_changed() { return std::exchange(was_changed_, false); }

 private:
  SeededRandom random_;
  KmeConfig config_;
  SaeRegistry saes_;
  std::optional<AtRestCipher> cipher_;
  MemoryStore store_;
  std::unique_ptr<KeyStore> keys_;
  std::unique_ptr<Kme> kme_;
  std::deque<Bytes> outbox_;
  bool is_dead_ = false;
  bool was_changed_ = false;
};

class TwoKmes {
 public:
  explicit TwoKmes(KmeConfig config = {})
      : alice(QuantumRole::alice, named(config, "KME-A", "KME-B"), registry(true), 11),
        bob(QuantumRole::bob, named(config, "KME-B", "KME-A"), registry(false), 22) {}

  // "a", "a2" live at Alice's site; "b", "b2", "b3" and one with every awkward character at Bob's.
  static SaeRegistry registry(bool at_alice) {
    SaeRegistry saes;
    for (const char* name : {"a", "a2"})
      EXPECT_TRUE(at_alice ? saes.add_local({name}) : saes.add_remote({name}));
    for (const char* name : {"b", "b2", "b3", "SAE/100%+ \u00e4?x=1"})
      EXPECT_TRUE(at_alice ? saes.add_remote({name}) : saes.add_local({name}));
    return saes;
  }
  static KmeConfig named(KmeConfig config, const char* own, const char* peer) {
    config.kme_id = own;
    config.peer_kme_id = peer;
    return config;
  }

  // A new connection: what was under way on the old one is lost.
  void connect() {
    for (Site* site : {&alice, &bob}) {
      site->outbox().clear();
      KmeEffects down;
      site->kme().on_link_down(down);
      site->carry_out(down);
    }
    for (Site* site : {&alice, &bob}) {
      KmeEffects up;
      site->kme().on_link_up(up);
      site->carry_out(up);
    }
    deliver();
  }
  // The two-phase commit that the link does: prepared on both sides, committed at Alice first.
  bool add_block(BlockId block, std::size_t bits, Grade grade = Grade::information_theoretic) {
    const bool done = alice.prepare(block, bits, grade) && bob.prepare(block, bits, grade) &&
                      alice.commit(block) && bob.commit(block);
    return done && deliver();
  }
  // Passes messages until nobody has one. False when a site died.
  bool deliver() {
    while (!alice.outbox().empty() || !bob.outbox().empty())
      if (!deliver_one(alice, bob) || !deliver_one(bob, alice)) return false;
    return !alice.is_dead() && !bob.is_dead();
  }
  static bool deliver_one(Site& from, Site& to) {
    if (from.outbox().empty()) return true;
    const Bytes message = from.outbox().front();
    from.outbox().pop_front();
    KmeEffects effects;
    const Status handled = to.kme().handle_control(message, effects);
    EXPECT_TRUE(handled) << handled.error().text();
    return to.carry_out(effects);
  }

  Site& site_of(const SaeId& sae) { return sae.name[0] == 'a' ? alice : bob; }

  // Asks until the request is no longer pending, with the messages passing in between.
  Result<std::vector<DeliveredKey>> request(KeyRequest request) {
    Site& site = site_of(request.master);
    for (int attempt = 0; attempt < 20; ++attempt) {
      KmeEffects effects;
      auto reply = site.kme().request_keys(request, effects);
      if (!site.carry_out(effects)) return fail(ErrorCode::io, "the site died");
      if (!reply) return reply.failure();
      if (!reply->is_pending) return std::move(reply->keys);
      if (!deliver()) return fail(ErrorCode::io, "a site died");
    }
    return fail(ErrorCode::internal, "pending for ever");
  }
  Result<std::vector<DeliveredKey>> fetch(const SaeId& slave, const SaeId& master,
                                          const std::vector<KeyId>& ids) {
    Site& site = site_of(slave);
    KmeEffects effects;
    auto keys = site.kme().fetch_keys(slave, master, ids, effects);
    if (!site.carry_out(effects)) return fail(ErrorCode::io, "the site died");
    return keys;
  }

  Site alice;
  Site bob;
};

inline std::vector<KeyId> ids_of(const std::vector<DeliveredKey>& keys) {
  std::vector<KeyId> ids;
  for (const DeliveredKey& key : keys) ids.push_back(key.id);
  return ids;
}
inline Bytes bytes_of(const DeliveredKey& key) {
  return {key.key.expose_secret().begin(), key.key.expose_secret().end()};
}

}  // namespace quoin::test
