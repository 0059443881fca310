#include "distill/verify.hpp"

#include <gtest/gtest.h>

#include "seeded.hpp"

namespace quoin {
namespace {

using namespace testing_support;

ReconciledKey reconciled(const BitString& bits) {
  return ReconciledKey::claim_stage(to_secret(bits));
}

VerificationSeed seed_of(unsigned value) {
  VerificationSeed seed{};
  seed[0] = std::byte{0x80};
  seed[7] = static_cast<std::byte>(value);
  return seed;
}

TEST(Verify, equal_keys_pass_and_keep_their_bits) {
  std::mt19937_64 engine(1);
  const BitString bits = random_bits(engine, 1001);
  const VerificationTag tag = verification_tag(reconciled(bits), seed_of(1));
  const auto key =
      accept_verified(reconciled(bits), tag, verification_tag(reconciled(bits), seed_of(1)));
  ASSERT_TRUE(key);
  EXPECT_EQ(to_public(key->bits()), bits);
}

TEST(Verify, one_wrong_bit_anywhere_fails) {
  std::mt19937_64 engine(2);
  const BitString bits = random_bits(engine, 777);
  const VerificationTag own = verification_tag(reconciled(bits), seed_of(2));
  for (std::size_t i = 0; i < bits.size_bits(); i += 16) {
    BitString other = bits;
    other.set(i, !other[i]);
    const auto key =
        accept_verified(reconciled(bits), own, verification_tag(reconciled(other), seed_of(2)));
    ASSERT_FALSE(key);
    EXPECT_EQ(key.error().code, ErrorCode::conflict);
  }
}

TEST(Verify, length_in_bits_and_seed_are_part_of_the_tag) {
  EXPECT_NE(verification_tag(reconciled(BitString(9)), seed_of(3)),
            verification_tag(reconciled(BitString(10)), seed_of(3)));
  std::mt19937_64 engine(3);
  const BitString bits = random_bits(engine, 500);
  EXPECT_NE(verification_tag(reconciled(bits), seed_of(3)),
            verification_tag(reconciled(bits), seed_of(4)));
}

TEST(Verify, tags_of_other_lengths_are_malformed) {
  const VerificationTag tag = verification_tag(reconciled(BitString(8)), seed_of(1));
  const auto key = accept_verified(reconciled(BitString(8)), tag, ByteSpan(tag).first(15));
  ASSERT_FALSE(key);
  EXPECT_EQ(key.error().code, ErrorCode::malformed);
  EXPECT_FALSE(accept_verified(reconciled(BitString(8)), ByteSpan(), ByteSpan()));
}

}  // namespace
}  // namespace quoin
