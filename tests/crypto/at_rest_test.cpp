#include "crypto/at_rest.hpp"

#include <gtest/gtest.h>

#include <set>

#include "crypto/random.hpp"

namespace quoin {
namespace {

AtRestCipher cipher_of(const SecretBytes& file_key, PublicRandom& nonces) {
  auto made = AtRestCipher::from_file_key(file_key, nonces);
  EXPECT_TRUE(made);
  return std::move(made).value();
}

SecretBytes key_filled_with(std::uint8_t value) {
  Bytes bytes(file_key_bytes, static_cast<std::byte>(value));
  return SecretBytes::take_and_wipe(bytes);
}

TEST(AtRestCipher, OpensWhatItSealed) {
  OpenSslPublicRandom nonces;
  const AtRestCipher cipher = cipher_of(key_filled_with(3), nonces);
  for (const std::size_t size : {0u, 1u, 16u, 5000u}) {
    const Bytes secret(size, std::byte{0x42});
    const Bytes sealed = cipher.seal(secret, as_bytes("row 7"));
    EXPECT_EQ(sealed.size(), size + at_rest_overhead_bytes);
    const auto opened = cipher.open(sealed, as_bytes("row 7"));
    ASSERT_TRUE(opened) << opened.error().text();
    EXPECT_TRUE(equal_constant_time(opened->expose_secret(), secret));
  }
}

TEST(AtRestCipher, OpensAfterARestart) {
  OpenSslPublicRandom nonces;
  const Bytes sealed = cipher_of(key_filled_with(3), nonces).seal(as_bytes("pad"), {});
  EXPECT_TRUE(cipher_of(key_filled_with(3), nonces).open(sealed, {}));
}

TEST(AtRestCipher, NeverSealsTheSameWay) {
  OpenSslPublicRandom nonces;
  const AtRestCipher cipher = cipher_of(key_filled_with(3), nonces);
  std::set<Bytes> seen;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(seen.insert(cipher.seal(as_bytes("s"), {})).second);
}

TEST(AtRestCipher, RefusesEveryFlippedBitAndEveryTruncation) {
  OpenSslPublicRandom nonces;
  const AtRestCipher cipher = cipher_of(key_filled_with(3), nonces);
  const Bytes sealed = cipher.seal(as_bytes("secret"), as_bytes("row 7"));
  for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
    Bytes altered = sealed;
    altered[i / 8] ^= static_cast<std::byte>(1u << i % 8);
    EXPECT_FALSE(cipher.open(altered, as_bytes("row 7"))) << "bit " << i;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size)
    EXPECT_FALSE(cipher.open(ByteSpan(sealed).first(size), as_bytes("row 7")));
}

TEST(AtRestCipher, RefusesARowThatWasMoved) {
  OpenSslPublicRandom nonces;
  const AtRestCipher cipher = cipher_of(key_filled_with(3), nonces);
  const Bytes sealed = cipher.seal(as_bytes("secret"), as_bytes("row 7"));
  EXPECT_EQ(cipher.open(sealed, as_bytes("row 8")).error().code, ErrorCode::unauthenticated);
}

TEST(AtRestCipher, NamesTheWrongFileKey) {
  OpenSslPublicRandom nonces;
  const AtRestCipher own = cipher_of(key_filled_with(3), nonces);
  const AtRestCipher stranger = cipher_of(key_filled_with(4), nonces);
  const auto opened = stranger.open(own.seal(as_bytes("secret"), {}), {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::configuration);
  EXPECT_NE(opened.error().text().find(to_hex(own.key_id())), std::string::npos);
}

TEST(AtRestCipher, RefusesAFileKeyOfAnotherSize) {
  OpenSslPublicRandom nonces;
  const auto made = AtRestCipher::from_file_key(SecretBytes::zeroed(31), nonces);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(made.error().cure.empty());
}

TEST(MakeFileKey, DrawsNewKeys) {
  OpenSslSecretRandom random;
  const SecretBytes a = make_file_key(random);
  const SecretBytes b = make_file_key(random);
  ASSERT_EQ(a.size_bytes(), file_key_bytes);
  EXPECT_FALSE(equal_constant_time(a.expose_secret(), b.expose_secret()));
}

}  // namespace
}  // namespace quoin
