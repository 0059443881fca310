// "Fail the n-th write", for every write of either site: the site dies there, restarts from its
// store, and the day goes on. No key byte is served twice, none to a third party, and every key
// that a master got can be fetched exactly once.
#include <gtest/gtest.h>

#include "two_kmes.hpp"

namespace quoin {
namespace {

using test::bytes_of;
using test::ids_of;
using test::Site;
using test::TwoKmes;

class Day {
 public:
  Day(bool victim_is_alice, std::size_t fail_at) : victim_(victim_is_alice ? w.alice : w.bob) {
    victim_.store().fail_at(fail_at);
  }

  void run() {
    reconnect();
    for (std::uint64_t n = 1; n <= 3; ++n) {
      w.add_block(BlockId{n}, 30'000 + 8 * n);
      recover();
      for (int round = 0; round < 3; ++round) {
        exchange("a", "b", {}, 5, 256);
        exchange("b", "a", {}, 5, 256);
        exchange("b2", "a2", {}, 2, 512);
        exchange("a", "b3", {{"b2"}}, 1, 128);
      }
    }
    end();
  }
  bool was_hit() const { return was_hit_; }

 private:
  // What the link does when the connection is back: both sides tell the state of each block.
  void resolve_blocks() {
    for (std::uint64_t n = 1; n <= 3; ++n) {
      const BlockId id{n};
      const BlockState at_a = w.alice.keys().state_of(id);
      const BlockState at_b = w.bob.keys().state_of(id);
      for (Site* site : {&w.alice, &w.bob}) {
        if (site->keys().state_of(id) != BlockState::prepared) continue;
        KmeEffects effects;
        if (at_a == BlockState::absent || at_b == BlockState::absent) {
          EXPECT_TRUE(site->keys().discard(effects.persist, id));
        } else {
          EXPECT_TRUE(site->keys().commit(effects.persist, id));
        }
        site->carry_out(effects);
      }
    }
  }
  void reconnect() {
    w.connect();
    recover();
  }
  void recover() {
    while (w.alice.is_dead() || w.bob.is_dead()) {
      was_hit_ = true;
      for (Site* site : {&w.alice, &w.bob})
        if (site->is_dead()) site->restart();
      resolve_blocks();
      w.connect();
    }
  }

  void exchange(const char* master, const char* slave, std::vector<SaeId> others,
                std::uint32_t number, std::uint32_t bits) {
    KeyRequest request;
    request.master = {master};
    request.slave = {slave};
    request.additional_slaves = others;
    request.number = number;
    request.size_bits = bits;
    const auto sent = w.request(request);
    recover();
    if (!sent) return;
    for (const DeliveredKey& key : *sent) note_served(key);
    others.push_back({slave});
    for (const SaeId& reader : others) fetch_once(reader, {master}, *sent);
  }
  void note_served(const DeliveredKey& key) {
    EXPECT_TRUE(served_ids_.insert(key.id).second) << "a key_ID was served twice";
    const Bytes bytes = bytes_of(key);
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      const auto first = bytes.begin() + static_cast<std::ptrdiff_t>(at);
      EXPECT_TRUE(served_words_.insert(Bytes(first, first + 8)).second) << "key was served twice";
    }
  }
  void fetch_once(const SaeId& slave, const SaeId& master, const std::vector<DeliveredKey>& sent) {
    const SaeId third{slave.name[0] == 'a' ? "a2" : "SAE/100%+ \u00e4?x=1"};
    if (third != slave) {
      EXPECT_FALSE(w.fetch(third, master, ids_of(sent)));
    }
    auto received = w.fetch(slave, master, ids_of(sent));
    const bool died = w.alice.is_dead() || w.bob.is_dead();
    recover();
    // The write failed, so nothing left the site: after the restart the keys are there.
    if (died) received = w.fetch(slave, master, ids_of(sent));
    ASSERT_TRUE(received) << received.error().text();
    for (std::size_t i = 0; i < sent.size(); ++i)
      EXPECT_EQ(bytes_of(sent[i]), bytes_of((*received)[i]));
    deliveries_ += sent.size();
    given_.push_back({slave, master, ids_of(sent)});
  }
  void end() {
    EXPECT_GT(deliveries_, 30u);
    for (Site* site : {&w.alice, &w.bob}) site->restart();
    for (const auto& [slave, master, ids] : given_)
      for (const KeyId& id : ids) EXPECT_FALSE(w.fetch(slave, master, {id}));
    // A last request still gets fresh key, or none.
    reconnect();
    KeyRequest request;
    request.master = {"a"};
    request.slave = {"b"};
    if (const auto keys = w.request(request)) note_served(keys->front());
  }

  struct Given {
    SaeId slave, master;
    std::vector<KeyId> ids;
  };
  TwoKmes w;
  Site& victim_;
  bool was_hit_ = false;
  std::set<KeyId> served_ids_;
  std::set<Bytes> served_words_;
  std::vector<Given> given_;
  std::size_t deliveries_ = 0;
};

class CrashAtEveryWrite : public ::testing::TestWithParam<bool> {};

TEST_P(CrashAtEveryWrite, NothingIsServedTwice) {
  std::size_t n = 0;
  for (bool was_hit = true; was_hit && !HasFailure(); ++n) {
    SCOPED_TRACE("write " + std::to_string(n));
    Day day(GetParam(), n);
    day.run();
    was_hit = day.was_hit();
  }
  std::printf("writes tried: %zu\n", n - 1);
  EXPECT_GT(n, 30u);
}

INSTANTIATE_TEST_SUITE_P(EitherSite, CrashAtEveryWrite, ::testing::Bool(),
                         [](const auto& site) { return site.param ? "Alice" : "Bob"; });

}  // namespace
}  // namespace quoin
