#include "crypto/random.hpp"

#include <openssl/rand.h>

#include <algorithm>

namespace quoin {

namespace {

// OpenSSL counts in int.
constexpr std::size_t piece_max = std::size_t{1} << 30;

template <class Draw>
void fill_in_pieces(MutableByteSpan out, Draw draw) {
  while (!out.empty()) {
    const std::size_t size = std::min(out.size(), piece_max);
    QUOIN_INVARIANT(draw(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(size)) == 1,
                    "the random generator failed");
    out = out.subspan(size);
  }
}

}  // namespace

void OpenSslPublicRandom::fill(MutableByteSpan out) { fill_in_pieces(out, RAND_bytes); }

void OpenSslSecretRandom::fill_secret(MutableByteSpan out) { fill_in_pieces(out, RAND_priv_bytes); }

}  // namespace quoin
