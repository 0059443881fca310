#include "distill/sift.hpp"

#include <gtest/gtest.h>

#include "distill/sift_messages.hpp"
#include "seeded.hpp"

namespace quoin {
namespace {

using namespace testing_support;

// A link as the devices show it: Alice's settings for every slot, and what Bob's device saw.
struct Link {
  DetectionEvents events;
  SettingPlanes settings;  // of the detected slots
  EmissionSums emitted;
  std::vector<bool> alice_bits;
  std::vector<Basis> alice_bases;
  std::vector<Intensity> intensities;
};

Link simulate(std::uint64_t seed, std::uint64_t slots, double click) {
  std::mt19937_64 engine(seed);
  Link link;
  link.events.first_slot = 1'000'000'007;
  link.events.slot_count = slots;
  BitString alice_bits, clicked_0, clicked_1;
  const auto chance = [&](double p) {
    return std::ldexp(static_cast<double>(engine() >> 11), -53) < p;
  };
  for (std::uint64_t slot = 0; slot < slots; ++slot) {
    const Basis basis = chance(0.3) ? Basis::test_z : Basis::key_x;
    const Intensity intensity = chance(0.6)   ? Intensity::signal
                                : chance(0.7) ? Intensity::decoy
                                              : Intensity::vacuum;
    ++link.emitted.sent[static_cast<std::size_t>(basis)][static_cast<std::size_t>(intensity)];
    const bool bit = chance(0.5);
    if (!chance(click)) continue;
    const bool bob_is_test = chance(0.3);
    const bool is_same = bob_is_test == (basis == Basis::test_z);
    const bool outcome = is_same ? bit != chance(0.05) : chance(0.5);
    const bool is_double = chance(0.02);
    link.events.offsets.push_back(static_cast<std::uint32_t>(slot));
    link.events.basis_is_test.push_back(bob_is_test);
    clicked_0.push_back(!outcome || is_double);
    clicked_1.push_back(outcome || is_double);
    link.settings.basis_is_test.push_back(basis == Basis::test_z);
    link.settings.intensity_is_decoy.push_back(intensity == Intensity::decoy);
    link.settings.intensity_is_vacuum.push_back(intensity == Intensity::vacuum);
    alice_bits.push_back(bit);
    link.alice_bits.push_back(bit);
    link.alice_bases.push_back(basis);
    link.intensities.push_back(intensity);
  }
  link.settings.bits = to_secret(alice_bits);
  link.events.clicked_0 = to_secret(clicked_0);
  link.events.clicked_1 = to_secret(clicked_1);
  return link;
}

RawKey raw(const BitString& bits) { return RawKey::claim_stage(to_secret(bits)); }

// Counts and keys by going through the detections one by one.
struct Expected {
  BitString alice_key, bob_key;
  BlockCounts counts;
};

Expected expect(const Link& link, const Commitment& commitment, const BitString& outcomes) {
  Expected out;
  for (std::size_t i = 0; i < commitment.offsets.size(); ++i) {
    const auto k = static_cast<std::size_t>(link.intensities[i]);
    const bool is_test = commitment.basis_is_test[i];
    if (is_test != (link.alice_bases[i] == Basis::test_z)) continue;
    BasisCounts& basis = is_test ? out.counts.test : out.counts.key;
    ++basis.detected[k];
    if (outcomes[i] != link.alice_bits[i]) ++basis.errors[k];
    if (is_test) continue;
    out.alice_key.push_back(link.alice_bits[i]);
    out.bob_key.push_back(outcomes[i]);
  }
  return out;
}

TEST(Sift, both_sides_agree_with_a_count_one_by_one) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Link link = simulate(seed, 5000 + seed * 37, seed % 3 == 0 ? 0.6 : 0.05);
    SeededSecretRandom random(seed);
    auto resolved = resolve_detections(link.events.clone_secret(), random);
    ASSERT_TRUE(resolved) << resolved.error().text();
    const BitString outcomes = to_public(resolved->outcomes.bits());
    const auto commitment = decode_commitment(encode(resolved->commitment), {});
    ASSERT_TRUE(commitment) << commitment.error().text();
    ASSERT_EQ(*commitment, resolved->commitment);

    auto alice = sift_alice(*commitment, link.settings.clone_secret(), link.emitted);
    ASSERT_TRUE(alice) << alice.error().text();
    const auto announcement =
        decode_sift_announcement(encode(alice->announcement), commitment->offsets.size());
    ASSERT_TRUE(announcement) << announcement.error().text();
    ASSERT_EQ(*announcement, alice->announcement);
    auto bob = sift_bob(*commitment, std::move(resolved->outcomes), *announcement);
    ASSERT_TRUE(bob) << bob.error().text();
    const auto estimate = decode_estimate(encode(make_estimate(*bob)));
    ASSERT_TRUE(estimate && apply_estimate(alice->block, *estimate));

    const Expected expected = expect(link, *commitment, outcomes);
    EXPECT_EQ(to_public(alice->block.key.bits()), expected.alice_key);
    EXPECT_EQ(to_public(bob->key.bits()), expected.bob_key);
    const BitString errors = exclusive_or(expected.alice_key, expected.bob_key);
    for (SiftedBlock* block : {&alice->block, &*bob}) {
      count_key_errors(*block, errors);
      EXPECT_EQ(block->counts.key, expected.counts.key);
      EXPECT_EQ(block->counts.test, expected.counts.test);
      EXPECT_EQ(block->counts.emitted, link.emitted);
      EXPECT_EQ(block->counts.slots, link.events.slot_count);
      EXPECT_EQ(block->counts.detections, link.events.offsets.size());
    }
    EXPECT_EQ(alice->block.counts, bob->counts);
    EXPECT_EQ(reconciliation_qber(alice->block.counts), reconciliation_qber(bob->counts));
  }
}

// What a detection's bit reaches: the key, or what is disclosed, or neither; never both. Turning
// one bit of Alice's over shows where it went.
TEST(Sift, no_disclosed_bit_is_a_key_bit) {
  Link link = simulate(77, 400, 0.9);
  SeededSecretRandom random(77);
  const auto resolved = resolve_detections(link.events.clone_secret(), random);
  ASSERT_TRUE(resolved);
  const auto sift = [&] {
    auto out = sift_alice(resolved->commitment, link.settings.clone_secret(), link.emitted);
    EXPECT_TRUE(out);
    return std::move(*out);
  };
  const AliceSift before = sift();
  const BitString key = to_public(before.block.key.bits());
  std::size_t in_key = 0;
  std::size_t disclosed = 0;
  for (std::size_t i = 0; i < link.events.offsets.size(); ++i) {
    const MutableWordSpan bits = link.settings.bits.expose_secret_mutable();
    assign_bit(bits, i, !bit_at(bits, i));
    const AliceSift after = sift();
    assign_bit(bits, i, !bit_at(bits, i));
    const std::size_t key_changes =
        exclusive_or(key, to_public(after.block.key.bits())).count_ones();
    const std::size_t test_changes =
        exclusive_or(before.announcement.test_bits, after.announcement.test_bits).count_ones();
    ASSERT_LE(key_changes + test_changes, 1U) << i;
    EXPECT_EQ(after.announcement.basis_matches, before.announcement.basis_matches);
    in_key += key_changes;
    disclosed += test_changes;
  }
  EXPECT_EQ(in_key, key.size_bits());
  EXPECT_EQ(disclosed, before.announcement.test_bits.size_bits());
  EXPECT_GT(in_key, 50U);
  EXPECT_GT(disclosed, 10U);
}

TEST(Sift, double_clicks_become_random_bits_and_are_counted) {
  DetectionEvents events;
  constexpr std::size_t entries = 20'000;
  events.slot_count = entries;
  for (std::uint32_t i = 0; i < entries; ++i) events.offsets.push_back(i);
  events.basis_is_test = BitString(entries);
  events.clicked_0 = SecretBits::zeroed(entries);
  events.clicked_1 = SecretBits::zeroed(entries);
  for (std::size_t i = 0; i < entries; ++i) {
    assign_bit(events.clicked_0.expose_secret_mutable(), i, true);
    assign_bit(events.clicked_1.expose_secret_mutable(), i, i % 2 == 0);
  }
  SeededSecretRandom random(1);
  const auto resolved = resolve_detections(std::move(events), random);
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->commitment.double_clicks, entries / 2);
  const BitString outcomes = to_public(resolved->outcomes.bits());
  for (std::size_t i = 1; i < entries; i += 2) ASSERT_FALSE(outcomes[i]);
  // 10000 fair bits: 6 standard deviations are 300; a false alarm in 10^9 for a random seed.
  EXPECT_NEAR(static_cast<double>(outcomes.count_ones()), 5000, 300);
}

TEST(Sift, the_device_is_not_trusted_to_be_well_formed) {
  const Link link = simulate(3, 3000, 0.1);
  SeededSecretRandom random(1);
  const auto attempt = [&](auto spoil) {
    DetectionEvents events = link.events.clone_secret();
    spoil(events);
    return resolve_detections(std::move(events), random).has_value();
  };
  EXPECT_TRUE(attempt([](DetectionEvents&) {}));
  EXPECT_FALSE(attempt([](DetectionEvents& e) { e.offsets.pop_back(); }));
  EXPECT_FALSE(attempt([](DetectionEvents& e) { e.basis_is_test.push_back(true); }));
  EXPECT_FALSE(attempt([](DetectionEvents& e) { std::swap(e.offsets[3], e.offsets[4]); }));
  EXPECT_FALSE(attempt([](DetectionEvents& e) { e.offsets[3] = e.offsets[4]; }));
  EXPECT_FALSE(attempt([](DetectionEvents& e) { e.slot_count = e.offsets.back(); }));
  EXPECT_FALSE(attempt([](DetectionEvents& e) {
    assign_bit(e.clicked_0.expose_secret_mutable(), 5, false);
    assign_bit(e.clicked_1.expose_secret_mutable(), 5, false);
  }));
  EXPECT_FALSE(attempt([](DetectionEvents& e) { e.slot_count = (std::uint64_t{1} << 32) + 1; }));
}

TEST(Sift, alices_device_and_contradictions_are_refused) {
  const Link link = simulate(4, 3000, 0.1);
  SeededSecretRandom random(1);
  const auto resolved = resolve_detections(link.events.clone_secret(), random);
  ASSERT_TRUE(resolved);
  const auto attempt = [&](auto spoil) {
    SettingPlanes settings = link.settings.clone_secret();
    EmissionSums emitted = link.emitted;
    spoil(settings, emitted);
    return sift_alice(resolved->commitment, std::move(settings), emitted).has_value();
  };
  EXPECT_TRUE(attempt([](SettingPlanes&, EmissionSums&) {}));
  EXPECT_FALSE(attempt([](SettingPlanes& s, EmissionSums&) { s.basis_is_test.push_back(false); }));
  EXPECT_FALSE(attempt([](SettingPlanes& s, EmissionSums&) { s.bits = SecretBits::zeroed(1); }));
  EXPECT_FALSE(attempt([](SettingPlanes& s, EmissionSums&) {
    s.intensity_is_decoy.set(0, true);
    s.intensity_is_vacuum.set(0, true);
  }));
  EXPECT_FALSE(attempt([](SettingPlanes&, EmissionSums& e) { ++e.sent[0][0]; }));
  EXPECT_FALSE(attempt([](SettingPlanes&, EmissionSums& e) {
    e.sent[0][0] += e.sent[0][2];
    e.sent[0][2] = 0;
  }));
}

TEST(Sift, bob_refuses_announcements_that_contradict_the_commitment) {
  const Link link = simulate(5, 3000, 0.1);
  SeededSecretRandom random(1);
  const auto resolved = resolve_detections(link.events.clone_secret(), random);
  const auto alice = sift_alice(resolved->commitment, link.settings.clone_secret(), link.emitted);
  ASSERT_TRUE(alice);
  const BitString outcomes = to_public(resolved->outcomes.bits());
  const auto attempt = [&](auto spoil) {
    SiftAnnouncement announcement = alice->announcement;
    spoil(announcement);
    return sift_bob(resolved->commitment, raw(outcomes), announcement).has_value();
  };
  EXPECT_TRUE(attempt([](SiftAnnouncement&) {}));
  EXPECT_FALSE(attempt([](SiftAnnouncement& a) { a.test_bits.push_back(true); }));
  EXPECT_FALSE(attempt([](SiftAnnouncement& a) { a.basis_matches.push_back(true); }));
  EXPECT_FALSE(attempt([](SiftAnnouncement& a) { a.emitted.sent[1][1] += 1; }));
  EXPECT_FALSE(attempt([](SiftAnnouncement& a) { a.emitted.sent[1][1] = ~std::uint64_t{0}; }));
  EXPECT_FALSE(attempt([](SiftAnnouncement& a) {
    a.intensity_is_decoy.set(0, true);
    a.intensity_is_vacuum.set(0, true);
  }));
  SiftedBlock block;
  EXPECT_FALSE(apply_estimate(block, Estimate{{1, 0, 0}}));
}

TEST(Sift, an_empty_block_is_sifted_to_nothing) {
  DetectionEvents events;
  events.slot_count = 1000;
  SeededSecretRandom random(1);
  const auto resolved = resolve_detections(std::move(events), random);
  ASSERT_TRUE(resolved);
  const auto commitment = decode_commitment(encode(resolved->commitment), {});
  ASSERT_TRUE(commitment);
  EmissionSums emitted;
  emitted.sent[0][0] = 1000;
  const auto alice = sift_alice(*commitment, {}, emitted);
  ASSERT_TRUE(alice) << alice.error().text();
  EXPECT_EQ(alice->block.key.size_bits(), 0U);
}

TEST(SiftMessages, every_truncation_and_every_flipped_byte_is_refused_or_canonical) {
  const Link link = simulate(6, 2000, 0.1);
  SeededSecretRandom random(1);
  const auto resolved = resolve_detections(link.events.clone_secret(), random);
  const Bytes good = encode(resolved->commitment);
  for (std::size_t size = 0; size < good.size(); ++size)
    ASSERT_FALSE(decode_commitment(ByteSpan(good).first(size), {})) << size;
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes bad = good;
      bad[i] ^= static_cast<std::byte>(1U << bit);
      const auto decoded = decode_commitment(bad, {});
      if (!decoded) continue;
      ++accepted;
      ASSERT_EQ(encode(*decoded), bad) << "byte " << i;
    }
  }
  EXPECT_GT(accepted, 0U);  // another basis bit is another, equally valid commitment
}

TEST(SiftMessages, bounds_are_enforced) {
  const Link link = simulate(7, 2000, 0.1);
  SeededSecretRandom random(1);
  const auto resolved = resolve_detections(link.events.clone_secret(), random);
  const Bytes good = encode(resolved->commitment);
  const std::size_t detections = link.events.offsets.size();
  EXPECT_TRUE(decode_commitment(good, {.slot_count_max = 2000, .detections_max = detections}));
  EXPECT_FALSE(decode_commitment(good, {.slot_count_max = 1999, .detections_max = detections}));
  EXPECT_FALSE(decode_commitment(good, {.slot_count_max = 2000, .detections_max = detections - 1}));
  // A claim of many detections in a short message.
  ByteWriter liar;
  liar.u64(0).u64(std::uint64_t{1} << 32).u32(std::uint32_t{1} << 27).u64(0).bits({}).bits({});
  EXPECT_FALSE(decode_commitment(liar.bytes(), {}));
}

TEST(SiftMessages, a_commitment_costs_what_its_gaps_are_worth) {
  for (const double click : {0.002, 0.02, 0.2}) {
    const Link link = simulate(8, 200'000, click);
    SeededSecretRandom random(1);
    const auto resolved = resolve_detections(link.events.clone_secret(), random);
    const double bits = 8.0 * static_cast<double>(encode(resolved->commitment).size());
    const auto detections = static_cast<double>(link.events.offsets.size());
    const double h = -click * std::log2(click) - (1 - click) * std::log2(1 - click);
    // Within 6 % of the entropy of the positions, and a bit for the basis; 400 bits of header.
    EXPECT_LE(bits, detections * (1.06 * h / click + 1) + 400) << click;
  }
}

}  // namespace
}  // namespace quoin
