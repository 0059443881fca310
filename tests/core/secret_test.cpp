// Secrets in memory: moved, never copied by accident, wiped, and no end of the process when there
// are many.
#include "core/secret.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/key_stages.hpp"

namespace quoin {
namespace {

SecretBytes filled(std::size_t size, int value, SecretMemory memory = SecretMemory::locked) {
  SecretBytes secret = SecretBytes::zeroed(size, memory);
  std::ranges::fill(secret.expose_secret_mutable(), static_cast<std::byte>(value));
  return secret;
}

bool is_all(ByteSpan bytes, int value) {
  return std::ranges::all_of(bytes,
                             [value](std::byte b) { return b == static_cast<std::byte>(value); });
}

TEST(SecretBytesTest, MovingLeavesNothingBehind) {
  for (const SecretMemory memory : {SecretMemory::locked, SecretMemory::block}) {
    SecretBytes first = filled(100, 7, memory);
    SecretBytes second = std::move(first);
    EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
    EXPECT_TRUE(is_all(second.expose_secret(), 7));
    const SecretBytes copy = second.clone_secret();
    second.wipe();
    EXPECT_TRUE(second.empty());
    EXPECT_TRUE(is_all(copy.expose_secret(), 7));
  }
}

TEST(SecretBytesTest, TakingWipesTheSource) {
  std::vector<std::byte> source(40, std::byte{9});
  const SecretBytes secret = SecretBytes::take_and_wipe(source);
  EXPECT_TRUE(is_all(source, 0));
  EXPECT_TRUE(is_all(secret.expose_secret(), 9));
}

// The arena gives memory back as it was found: what one secret held, the next does not see.
TEST(SecretBytesTest, MemoryIsWipedBeforeItIsUsedAgain) {
  const std::byte* place = nullptr;
  {
    const SecretBytes secret = filled(64, 0x5a);
    place = secret.expose_secret().data();
  }
  // The arena stays mapped, so the place can be looked at.
  EXPECT_TRUE(is_all(ByteSpan(place, 64), 0));
}

// Many small secrets at once, as a peer or an application may bring about: past 4 MiB they live
// elsewhere.
TEST(SecretBytesTest, AFullArenaEndsNobody) {
  std::vector<SecretBytes> many;
  for (int i = 0; i < 600; ++i) many.push_back(filled(std::size_t{16} << 10, i & 0xff));
  for (int i = 0; i < 600; ++i)
    EXPECT_TRUE(is_all(many[static_cast<std::size_t>(i)].expose_secret(), i & 0xff));
  many.clear();
  EXPECT_TRUE(is_all(filled(32, 3).expose_secret(), 3));
  EXPECT_TRUE(secret_memory_report().arena_is_locked);
}

TEST(SecretBytesTest, ComparisonSeesEveryByteAndTheLength) {
  const SecretBytes a = filled(33, 1);
  SecretBytes b = filled(33, 1);
  EXPECT_TRUE(equal_constant_time(a.expose_secret(), b.expose_secret()));
  for (std::size_t i = 0; i < 33; ++i) {
    b.expose_secret_mutable()[i] ^= std::byte{0x80};
    EXPECT_FALSE(equal_constant_time(a.expose_secret(), b.expose_secret())) << i;
    b.expose_secret_mutable()[i] ^= std::byte{0x80};
  }
  EXPECT_FALSE(equal_constant_time(a.expose_secret(), a.expose_secret().first(32)));
}

TEST(SecretBitsTest, BitsPastTheEndAreTrimmed) {
  SecretBits bits = SecretBits::zeroed(70);
  std::ranges::fill(bits.expose_secret_mutable(), ~std::uint64_t{0});
  bits.trim();
  EXPECT_EQ(bits.expose_secret()[1], std::uint64_t{0x3f});
  EXPECT_EQ(bits.expose_secret_bytes().size(), 9U);
  SecretKey key = SecretKey::claim_stage(std::move(bits));
  EXPECT_EQ(key.size_bits(), 70U);
}

}  // namespace
}  // namespace quoin
