// Privacy amplification by modified Toeplitz hashing (I|T), exact over GF(2). For the session's
// jobs: one call for 10^7 bits takes some tenths of a second.
#pragma once

#include "core/key_stages.hpp"
#include "core/result.hpp"

namespace quoin {

// Bits of public seed for n input and m output bits: n - 1 (0 for an empty key).
std::size_t amplification_seed_bits(std::size_t key_bits, std::size_t secret_bits);

// With m = secret_bits, c = n - m, x = (x1: first m bits, x2: last c bits) and seed s:
//   y_i = x1_i + sum_j s_{i-j+c-1} x2_j   over GF(2), 0 <= i < m.
// Universal-2 (Hayashi, Tsurumaru, IEEE Trans. IT 62 (2016) 2213). The key is wiped. Fails as
// invalid_argument for m > n or a seed of another length.
Result<SecretKey> amplify(VerifiedKey&& key, const BitString& seed, std::uint64_t secret_bits);

}  // namespace quoin
