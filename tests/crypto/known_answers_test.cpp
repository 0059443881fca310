// Known answers of digests, HMAC, HKDF and AES-256-GCM, from the files in tests/vectors.
#include <gtest/gtest.h>

#include <algorithm>

#include "../vectors/vector_file.hpp"
#include "crypto/aead.hpp"
#include "crypto/digest.hpp"
#include "crypto/kdf.hpp"
#include "crypto/mac.hpp"

namespace quoin {
namespace {

SecretBytes secret_of(Bytes bytes) { return SecretBytes::take_and_wipe(bytes); }

TEST(Digest, GivesTheAnswersOfFips180) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha384(as_bytes("abc"))),
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
            "8086072ba1e7cc2358baeca134c825a7");
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Digest, RunsAndStartsAnew) {
  Sha384 running;
  running.update(as_bytes("a")).update({}).update(as_bytes("bc"));
  EXPECT_EQ(running.finish(), sha384(as_bytes("abc")));
  EXPECT_EQ(running.update(as_bytes("abc")).finish(), sha384(as_bytes("abc")));
}

TEST(HmacSha384, GivesTheAnswersOfRfc4231) {
  for (const VectorRecord& record : read_vectors("hmac_sha384.txt"))
    EXPECT_EQ(to_hex(hmac_sha384(record.bytes("key"), record.bytes("message"))), record.text("mac"))
        << record.text("source");
}

TEST(HmacSha384, RunsAndStartsAnew) {
  HmacSha384 running(as_bytes("key"));
  running.update(as_bytes("Hi ")).update(as_bytes("There"));
  EXPECT_EQ(running.finish(), hmac_sha384(as_bytes("key"), as_bytes("Hi There")));
  EXPECT_EQ(running.finish(), hmac_sha384(as_bytes("key"), {}));
}

TEST(HmacSha384, TakesAnEmptyKey) {
  HmacSha384 other(as_bytes("another key"));
  EXPECT_EQ(hmac_sha384({}, as_bytes("m")), hmac_sha384(Bytes(128), as_bytes("m")));
  EXPECT_NE(hmac_sha384({}, as_bytes("m")), other.update(as_bytes("m")).finish());
}

TEST(Hkdf, GivesTheAnswersOfRfc5869) {
  for (const VectorRecord& record : read_vectors("hkdf.txt")) {
    const auto algorithm =
        record.text("digest") == "sha256" ? DigestAlgorithm::sha256 : DigestAlgorithm::sha384;
    const Bytes expected = record.bytes("out");
    const SecretBytes out = hkdf(algorithm, record.bytes("secret"), record.bytes("salt"),
                                 record.bytes("info"), expected.size());
    EXPECT_EQ(to_hex(out.expose_secret()), to_hex(expected)) << record.text("source");
  }
}

// The info string as the header describes it, built here by hand.
TEST(Hkdf, BindsLabelAndParts) {
  const Bytes secret(32, std::byte{7});
  ByteWriter info;
  info.u32(7).fixed(as_bytes("quoin/1")).u32(1).fixed(as_bytes("L"));
  info.u32(2).fixed(as_bytes("ab")).u32(0).u32(2);
  const SecretBytes expected = hkdf(DigestAlgorithm::sha384, secret, {}, info.bytes(), 48);
  const SecretBytes out = hkdf_sha384(secret, {}, "L", {as_bytes("ab"), ByteSpan{}}, 48);
  EXPECT_EQ(to_hex(out.expose_secret()), to_hex(expected.expose_secret()));
  const SecretBytes moved = hkdf_sha384(secret, {}, "L", {as_bytes("a"), as_bytes("b")}, 48);
  EXPECT_NE(to_hex(out.expose_secret()), to_hex(moved.expose_secret()));
}

TEST(AesGcm, GivesTheKnownAnswers) {
  for (const VectorRecord& record : read_vectors("aes256_gcm.txt")) {
    const AesGcm cipher(secret_of(record.bytes("key")));
    AeadNonce nonce{};
    std::ranges::copy(record.bytes("nonce"), nonce.begin());
    const Bytes sealed = cipher.seal(nonce, record.bytes("plaintext"), record.bytes("associated"));
    EXPECT_EQ(to_hex(sealed), record.text("sealed")) << record.text("source");
    const auto opened = cipher.open(nonce, sealed, record.bytes("associated"));
    ASSERT_TRUE(opened) << opened.error().text();
    EXPECT_EQ(to_hex(opened->expose_secret()), record.text("plaintext"));
  }
}

TEST(AesGcm, RefusesEveryFlippedBitAndGoesOn) {
  const AesGcm cipher(secret_of(Bytes(32, std::byte{1})));
  const AeadNonce nonce{};
  const Bytes sealed = cipher.seal(nonce, as_bytes("seventeen octets!"), as_bytes("place"));
  for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
    Bytes altered = sealed;
    altered[i / 8] ^= static_cast<std::byte>(1u << i % 8);
    const auto opened = cipher.open(nonce, altered, as_bytes("place"));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::unauthenticated);
  }
  EXPECT_TRUE(cipher.open(nonce, sealed, as_bytes("place")));
}

TEST(AesGcm, RefusesAnotherPlaceNonceOrLengthAndWipesTheOutput) {
  const AesGcm cipher(secret_of(Bytes(32, std::byte{1})));
  AeadNonce nonce{};
  const Bytes sealed = cipher.seal(nonce, as_bytes("text"), as_bytes("place"));
  EXPECT_EQ(cipher.open(nonce, sealed, as_bytes("elsewhere")).error().code,
            ErrorCode::unauthenticated);
  EXPECT_EQ(cipher.open(nonce, sealed, {}).error().code, ErrorCode::unauthenticated);
  EXPECT_EQ(cipher.open(nonce, ByteSpan(sealed).first(15), as_bytes("place")).error().code,
            ErrorCode::malformed);
  EXPECT_EQ(cipher.open(nonce, ByteSpan(sealed).first(19), as_bytes("place")).error().code,
            ErrorCode::unauthenticated);
  nonce[11] = std::byte{1};
  Bytes out(4, std::byte{0xff});
  EXPECT_FALSE(cipher.open_into(nonce, sealed, as_bytes("place"), out));
  EXPECT_EQ(out, Bytes(4));
}

TEST(AesGcmDeathTest, TakesNoKeyOfAnotherSize) {
  EXPECT_DEATH(AesGcm(SecretBytes::zeroed(16)), "key of 32 bytes");
}

}  // namespace
}  // namespace quoin
