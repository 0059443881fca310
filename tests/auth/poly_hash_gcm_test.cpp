// The polynomial hash against OpenSSL: without associated bytes the tag of GCM is the same
// polynomial, XORed with the encrypted first counter block.
#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/aead.hpp"
#include "crypto/random.hpp"
#include "kernels/poly_hash.hpp"

namespace quoin {
namespace {

TEST(PolyHash, IsTheGhashOfOpenSsl) {
  // Under the all-zero key (McGrew and Viega, test cases 13 and 14): E(0), and E(first counter)
  // which is the tag of the empty message.
  const Bytes hash_key = from_hex("dc95c078a2408989ad48a21492842087").value();
  const Bytes mask = from_hex("530f8afbc74536b9a963b4f1c4cb738b").value();
  const AesGcm cipher(SecretBytes::zeroed(aead_key_bytes));
  OpenSslPublicRandom random;
  for (std::size_t size = 1; size < 3'000; size += 1 + size / 9) {
    Bytes message(size);
    random.fill(message);
    const Bytes sealed = cipher.seal(AeadNonce{}, message, {});
    const PolyHashValue hash = poly_hash(std::span<const std::byte, 16>(hash_key.data(), 16),
                                         ByteSpan(sealed).first(size));
    Bytes tag(aead_tag_bytes);
    for (std::size_t i = 0; i < tag.size(); ++i) tag[i] = hash[i] ^ mask[i];
    ASSERT_TRUE(std::ranges::equal(tag, ByteSpan(sealed).last(aead_tag_bytes))) << size;
  }
}

}  // namespace
}  // namespace quoin
