#include "kme/kme.hpp"

#include <gtest/gtest.h>

#include "two_kmes.hpp"

namespace quoin {
namespace {

using test::bytes_of;
using test::ids_of;
using test::TwoKmes;

KeyRequest ask(const char* master, const char* slave, std::uint32_t number = 1) {
  KeyRequest request;
  request.master = {master};
  request.slave = {slave};
  request.number = number;
  return request;
}

TEST(Kme, BothSitesHoldEqualKeysInBothDirections) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 200'000));
  for (const auto& [master, slave] : {std::pair{"a", "b"}, {"b", "a"}, {"b2", "a2"}}) {
    const auto sent = world.request(ask(master, slave, 100));
    ASSERT_TRUE(sent) << sent.error().text();
    ASSERT_EQ(sent->size(), 100u);
    const auto received = world.fetch({slave}, {master}, ids_of(*sent));
    ASSERT_TRUE(received) << received.error().text();
    for (std::size_t i = 0; i < 100; ++i) {
      EXPECT_EQ(bytes_of((*sent)[i]), bytes_of((*received)[i]));
      EXPECT_EQ((*sent)[i].id, (*received)[i].id);
      EXPECT_EQ((*sent)[i].statement.opaque_id, (*received)[i].statement.opaque_id);
      EXPECT_EQ(bytes_of((*sent)[i]).size(), 32u);
    }
  }
}

TEST(Kme, KnownPairsAreServedWithoutARoundTrip) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 1'000'000));
  for (const auto& [master, slave] : {std::pair{"a", "b"}, {"b", "a"}}) {
    KmeEffects effects;
    const auto reply = world.site_of({master}).kme().request_keys(ask(master, slave), effects);
    ASSERT_TRUE(reply) << reply.error().text();
    EXPECT_FALSE(reply->is_pending);
  }
}

TEST(Kme, WaitsForTheBlockThenServes) {
  TwoKmes world;
  world.connect();
  for (const char* master : {"a", "b"}) {
    const auto none = world.request(ask(master, master[0] == 'a' ? "b" : "a"));
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::exhausted);
  }
  ASSERT_TRUE(world.add_block(BlockId{1}, 100'000));
  EXPECT_TRUE(world.bob.take_changed());
  EXPECT_TRUE(world.request(ask("a", "b")));
  EXPECT_TRUE(world.request(ask("b", "a")));
}

TEST(Kme, ServesStockWithTheLinkDownThenSaysWhy) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 400'000));
  for (test::Site* site : {&world.alice, &world.bob}) {
    KmeEffects effects;
    site->kme().on_link_down(effects);
    site->carry_out(effects);
  }
  EXPECT_TRUE(world.request(ask("a", "b", 10)));
  const auto too_many = world.request(ask("a", "b", 128));
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().code, ErrorCode::unavailable);
}

TEST(Kme, NoByteServesTwoKeys) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 64'003));
  ASSERT_TRUE(world.add_block(BlockId{2}, 50'000));
  const SecretKey block_1 = test::make_secret_key(1, 64'003);
  std::set<Bytes> words;  // every 8 bytes that were served
  std::size_t bytes = 0;
  const std::tuple<const char*, const char*, std::uint32_t> kinds[] = {
      {"a", "b", 256}, {"b", "a", 256}, {"a2", "b2", 64}, {"b", "a2", 1024}, {"a", "b", 4096}};
  bool any = true;
  while (any) {
    any = false;
    for (const auto& [master, slave, bits] : kinds) {
      KeyRequest request = ask(master, slave);
      request.size_bits = bits;
      const auto keys = world.request(request);
      if (!keys) {
        ASSERT_EQ(keys.error().code, ErrorCode::exhausted);
        continue;
      }
      any = true;
      const Bytes key = bytes_of(keys->front());
      ASSERT_EQ(key.size(), bits / 8);
      bytes += key.size();
      for (std::size_t at = 0; at < key.size(); at += 8)
        ASSERT_TRUE(words
                        .insert(Bytes(key.begin() + static_cast<std::ptrdiff_t>(at),
                                      key.begin() + static_cast<std::ptrdiff_t>(at) + 8))
                        .second);
      ASSERT_TRUE(world.fetch({slave}, {master}, ids_of(*keys)));
    }
  }
  // What is left stands in stock for other pairs, or is the short rest of a block.
  EXPECT_GT(bytes, (64'003u + 50'000u) / 8 * 6 / 10);
}

TEST(Kme, RequestsAreChecked) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 400'000));
  const auto error = [&](KeyRequest request) {
    const auto keys = world.request(std::move(request));
    return keys ? Error{ErrorCode::internal, "was served", {}} : keys.error();
  };
  const auto sized = [](std::uint32_t bits) {
    KeyRequest request = ask("a", "b");
    request.size_bits = bits;
    return request;
  };
  EXPECT_EQ(error(ask("a", "b", 0)).code, ErrorCode::invalid_argument);
  EXPECT_EQ(error(ask("a", "b", 129)).code, ErrorCode::invalid_argument);
  EXPECT_EQ(error(sized(7)).message, "size shall be a multiple of 8");
  EXPECT_EQ(error(sized(8)).code, ErrorCode::invalid_argument);
  EXPECT_EQ(error(sized(4104)).code, ErrorCode::invalid_argument);
  EXPECT_EQ(error(ask("ax", "b")).code, ErrorCode::unauthorised);
  EXPECT_EQ(error(ask("a", "a2")).code, ErrorCode::invalid_argument);
  EXPECT_EQ(error(ask("a", "nobody")).code, ErrorCode::invalid_argument);
  KeyRequest mixed = ask("a", "b");
  mixed.additional_slaves = {{"b2"}, {"a2"}};
  EXPECT_EQ(error(mixed).code, ErrorCode::invalid_argument);
  mixed.additional_slaves.assign(9, {"b2"});
  EXPECT_EQ(error(mixed).code, ErrorCode::invalid_argument);
  EXPECT_TRUE(world.request(sized(4096)));
  EXPECT_EQ(world.fetch({"b"}, {"a"}, {}).error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(world.fetch({"bx"}, {"a"}, {KeyId{}}).error().code, ErrorCode::unauthorised);
}

TEST(Kme, DeniedPairsAreRefusedAtEitherSite) {
  SaeRegistry at_a = TwoKmes::registry(true);
  at_a.deny({"b"}, {"a"});
  at_a.deny({"a2"}, {"b"});
  test::Site alice(QuantumRole::alice, TwoKmes::named({}, "A", "B"), at_a, 1);
  EXPECT_EQ(alice.kme().status({"a2"}, {"b"}).error().code, ErrorCode::unauthorised);
  // Bob's KME does not know of the rule; Alice's refuses the lease.
  KmeEffects effects;
  ASSERT_TRUE(
      alice.kme().handle_control(encode(LeaseRequest{1, {{"b"}, {{"a"}}, 32}, 5}), effects));
  ASSERT_EQ(effects.messages.size(), 1u);
  const auto refusal = decode_lease_message(effects.messages.front()).value();
  EXPECT_EQ(std::get<LeaseRefusal>(refusal).reason, RefusalReason::not_allowed);
}

TEST(Kme, MulticastServesEachSlaveOnce) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 100'000));
  KeyRequest request = ask("a", "b2", 3);
  request.additional_slaves = {{"b"}, {"b3"}, {"b"}};
  const auto keys = world.request(request);
  ASSERT_TRUE(keys) << keys.error().text();
  for (const char* slave : {"b", "b2", "b3"}) {
    const auto fetched = world.fetch({slave}, {"a"}, ids_of(*keys));
    ASSERT_TRUE(fetched);
    EXPECT_EQ(bytes_of((*fetched)[2]), bytes_of((*keys)[2]));
    EXPECT_EQ(world.fetch({slave}, {"a"}, ids_of(*keys)).error().code, ErrorCode::not_found);
  }
}

TEST(Kme, GradeAndEpsilonPolicyKeepBlocksBack) {
  KmeConfig config;
  config.grade_min = Grade::information_theoretic;
  TwoKmes world(config);
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 100'000, Grade::bootstrap_pki));
  EXPECT_EQ(world.request(ask("a", "b")).error().code, ErrorCode::exhausted);
  EXPECT_EQ(world.alice.kme().status({"a"}, {"b"})->stored_key_count, 0u);
  ASSERT_TRUE(world.add_block(BlockId{2}, 100'000));
  EXPECT_TRUE(world.request(ask("a", "b")));

  TwoKmes open;
  open.connect();
  ASSERT_TRUE(open.add_block(BlockId{1}, 100'000, Grade::bootstrap_pki));
  KeyRequest strict = ask("b", "a");
  strict.grade_min = Grade::information_theoretic;
  EXPECT_EQ(open.request(strict).error().code, ErrorCode::conflict);
  EXPECT_TRUE(open.request(ask("b", "a")));
}

TEST(Kme, StatusCountsWhatCanBeDelivered) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 256 * 1000));
  const auto before = world.alice.kme().status({"a"}, {"b"}).value();
  EXPECT_EQ(before.source_kme_id, "KME-A");
  EXPECT_EQ(before.target_kme_id, "KME-B");
  // Two masters at Alice's, four SAEs at Bob's: 16 pairs may hold stock of the thousand.
  EXPECT_GT(before.stored_key_count, 300u);
  EXPECT_LE(before.stored_key_count, 1000u);
  ASSERT_TRUE(world.request(ask("a", "b", 5)));
  EXPECT_EQ(world.alice.kme().status({"a"}, {"b"})->stored_key_count, before.stored_key_count - 5);
}

TEST(Kme, PreparedBlockRollsForwardWhenThePeerLeasesIt) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.alice.prepare(BlockId{1}, 100'000));
  ASSERT_TRUE(world.bob.prepare(BlockId{1}, 100'000));
  ASSERT_TRUE(world.alice.commit(BlockId{1}));  // Bob has not heard of it
  ASSERT_TRUE(world.deliver());
  EXPECT_EQ(world.bob.keys().state_of(BlockId{1}), BlockState::committed);
  EXPECT_TRUE(world.request(ask("a", "b")));
}

TEST(Kme, RefusedOfferIsBurntAndTheNextOneWorks) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.alice.prepare(BlockId{1}, 20'000));
  ASSERT_TRUE(world.alice.commit(BlockId{1}));  // Bob lost this block
  ASSERT_TRUE(world.deliver());
  EXPECT_EQ(world.request(ask("a", "b")).error().code, ErrorCode::exhausted);
  ASSERT_TRUE(world.add_block(BlockId{2}, 100'000));
  bool served = false;
  for (int i = 0; i < 40 && !served; ++i) served = world.request(ask("a", "b")).has_value();
  EXPECT_TRUE(served);
}

TEST(Kme, LostMessagesAreMadeGoodByReconnecting) {
  for (int lost = 0; lost < 6; ++lost) {
    TwoKmes world;
    world.connect();
    ASSERT_TRUE(world.alice.prepare(BlockId{1}, 400'000));
    ASSERT_TRUE(world.bob.prepare(BlockId{1}, 400'000));
    ASSERT_TRUE(world.alice.commit(BlockId{1}));
    ASSERT_TRUE(world.bob.commit(BlockId{1}));
    for (int i = 0; i < lost; ++i) {
      TwoKmes::deliver_one(world.alice, world.bob);
      TwoKmes::deliver_one(world.bob, world.alice);
    }
    world.connect();
    for (const auto& [master, slave] : {std::pair{"a", "b"}, {"b", "a"}}) {
      const auto sent = world.request(ask(master, slave, 20));
      ASSERT_TRUE(sent) << sent.error().text();
      const auto received = world.fetch({slave}, {master}, ids_of(*sent));
      ASSERT_TRUE(received) << received.error().text();
      EXPECT_EQ(bytes_of(sent->back()), bytes_of(received->back()));
    }
  }
}

TEST(Kme, AcknowledgementLostAfterAllKeysWereUsed) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 400'000));
  // A rare size: the lease holds exactly these keys.
  KeyRequest request = ask("b", "a", 4);
  request.size_bits = 512;
  KmeEffects effects;
  ASSERT_TRUE(world.bob.kme().request_keys(request, effects)->is_pending);
  ASSERT_TRUE(world.bob.carry_out(effects));
  ASSERT_TRUE(TwoKmes::deliver_one(world.bob, world.alice));  // request
  ASSERT_TRUE(TwoKmes::deliver_one(world.alice, world.bob));  // offer
  KmeEffects served;
  auto reply = world.bob.kme().request_keys(request, served);
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->keys.size(), 4u);
  ASSERT_TRUE(world.bob.carry_out(served));
  world.connect();  // the acknowledgement is lost, the offer comes again
  EXPECT_TRUE(world.fetch({"a"}, {"b"}, ids_of(reply->keys)));
}

TEST(Kme, PeerThatDoesNotKeepToTheProtocolIsReported) {
  TwoKmes world;
  KmeEffects effects;
  LeaseId id;
  id.bytes.fill(std::byte{1});
  LeaseTerms terms{id, SecretBytes::zeroed(32), BlockId{1}, 0, 32, 1, {{"a"}, {{"b"}}, 32}};
  EXPECT_FALSE(world.alice.kme().handle_control(encode(LeaseOffer{0, std::move(terms)}), effects));
  EXPECT_FALSE(world.bob.kme().handle_control(encode(LeaseAck{id}), effects));
  EXPECT_FALSE(
      world.bob.kme().handle_control(encode(LeaseRequest{1, {{"a"}, {{"b"}}, 32}, 1}), effects));
  EXPECT_FALSE(world.bob.kme().handle_control(to_bytes("noise"), effects));
  EXPECT_TRUE(effects.persist.empty());
  EXPECT_TRUE(effects.messages.empty());
  // An acknowledgement or refusal of a lease that is not there changes nothing.
  EXPECT_TRUE(world.alice.kme().handle_control(encode(LeaseAck{id}), effects));
  EXPECT_TRUE(world.alice.kme().handle_control(encode(LeaseRefusal{0, id, RefusalReason::conflict}),
                                               effects));
  EXPECT_TRUE(effects.persist.empty());
}

TEST(Kme, OverlappingAndForeignOffersAreRefused) {
  TwoKmes world;
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 100'000));
  const auto offer = [&](std::uint64_t block, std::uint64_t offset, Association association) {
    LeaseTerms terms;
    terms.id.bytes.fill(static_cast<std::byte>(offset + 1));
    terms.id_key = SecretBytes::zeroed(32);
    terms.block = BlockId{block};
    terms.offset_bytes = offset;
    terms.range_bytes = 64;
    terms.key_count = 2;
    terms.association = std::move(association);
    KmeEffects effects;
    EXPECT_TRUE(world.bob.kme().handle_control(encode(LeaseOffer{0, std::move(terms)}), effects));
    const auto answer = decode_lease_message(effects.messages.front()).value();
    const auto* refusal = std::get_if<LeaseRefusal>(&answer);
    return refusal == nullptr ? RefusalReason{} : refusal->reason;
  };
  const Association pair{{"a"}, {{"b"}}, 32};
  EXPECT_EQ(offer(1, 32, pair), RefusalReason::conflict);
  EXPECT_EQ(offer(9, 0, pair), RefusalReason::unknown_block);
  EXPECT_EQ(offer(1, 12'480, pair), RefusalReason::unknown_block);  // leaves the block
  EXPECT_EQ(offer(1, 12'400, {{"a"}, {{"zz"}}, 32}), RefusalReason::unknown_sae);
  EXPECT_EQ(offer(1, 12'400, {{"zz"}, {{"b"}}, 32}), RefusalReason::unknown_sae);
}

TEST(Kme, UnfetchedKeysAreBounded) {
  KmeConfig config;
  config.key_count_max = 200;
  config.lease_keys_max = 100;
  config.keys_per_request_max = 100;
  TwoKmes world(config);
  world.connect();
  ASSERT_TRUE(world.add_block(BlockId{1}, 4'000'000));
  std::vector<KeyId> first;
  for (int i = 0; i < 10; ++i) {
    const auto keys = world.request(ask("a", "b", 50));
    ASSERT_TRUE(keys);
    if (i == 0) first = ids_of(*keys);
    if (i == 9) {
      EXPECT_TRUE(world.fetch({"b"}, {"a"}, ids_of(*keys)));
    }
  }
  EXPECT_EQ(world.fetch({"b"}, {"a"}, first).error().code, ErrorCode::not_found);
}

TEST(KmeConfig, IsChecked) {
  const auto refuses = [](auto change) {
    KmeConfig config;
    change(config);
    return !check_kme_config(config);
  };
  EXPECT_TRUE(refuses([](KmeConfig& c) { c.key_bits_default = 260; }));
  EXPECT_TRUE(refuses([](KmeConfig& c) { c.key_bits_default = 32; }));
  EXPECT_TRUE(refuses([](KmeConfig& c) { c.key_bits_max = 1 << 20; }));
  EXPECT_TRUE(refuses([](KmeConfig& c) { c.keys_per_request_max = 0; }));
  EXPECT_TRUE(refuses([](KmeConfig& c) { c.lease_keys_max = 10; }));
  EXPECT_TRUE(refuses([](KmeConfig& c) { c.key_count_max = 100; }));
  EXPECT_TRUE(refuses([](KmeConfig& c) { c.additional_slaves_max = 16; }));
  EXPECT_FALSE(refuses([](KmeConfig&) {}));
}

TEST(SaeRegistry, NamesAreCheckedAndUnique) {
  SaeRegistry saes;
  EXPECT_TRUE(saes.add_local({"x"}));
  EXPECT_EQ(saes.add_remote({"x"}).error().code, ErrorCode::conflict);
  EXPECT_FALSE(saes.add_local({""}));
  EXPECT_FALSE(saes.add_local({std::string(256, 'x')}));
  EXPECT_FALSE(saes.add_local({"a\tb"}));
}

}  // namespace
}  // namespace quoin
