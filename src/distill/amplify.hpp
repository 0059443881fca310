// Privacy amplification by modified Toeplitz hashing (I|T), exact over GF(2), for keys of up to
// 2^28 bits. For the session's jobs. Time depends on the lengths only, never on the key.
//
// With n = key_bits, m = secret_bits, c = n - m, x = (x1: first m bits, x2: last c bits) and seed
// s:
//   y_i = x1_i + sum_j s_{i-j+c-1} x2_j   over GF(2), 0 <= i < m.
// Universal-2 (Hayashi, Tsurumaru, IEEE Trans. IT 62 (2016) 2213).
#pragma once

#include <optional>

#include "core/key_stages.hpp"
#include "core/result.hpp"
#include "kernels/toeplitz_matrix.hpp"

namespace quoin {

constexpr std::size_t amplification_key_bits_max = std::size_t{1} << 28;

// Bits of public seed for n input and m output bits: n - 1 (0 for an empty key).
std::size_t amplification_seed_bits(std::size_t key_bits, std::size_t secret_bits);

// A seed made ready: the work that does not depend on the key is done once. It may serve several
// keys, but only of blocks whose detections were all committed before the seed was sent
// (security-rules C6); each of them adds its epsilon. Public. May be read by several threads.
class AmplificationSeed {
 public:
  // Fails as invalid_argument for m > n, n > 2^28 or a seed of another length.
  static Result<AmplificationSeed> prepare(const BitString& seed, std::size_t key_bits,
                                           std::uint64_t secret_bits);
  std::size_t key_bits() const { return key_bits_; }
  std::size_t secret_bits() const { return secret_bits_; }

 private:
  friend Result<SecretKey> amplify(VerifiedKey&& key, const AmplificationSeed& seed);
  std::size_t key_bits_ = 0;
  std::size_t secret_bits_ = 0;
  std::optional<ToeplitzMatrix> toeplitz_;  // none where m is 0 or n
};

// The key is wiped. Fails as invalid_argument where the seed was made for another length.
Result<SecretKey> amplify(VerifiedKey&& key, const AmplificationSeed& seed);
// Prepares the seed for this key alone.
Result<SecretKey> amplify(VerifiedKey&& key, const BitString& seed, std::uint64_t secret_bits);

}  // namespace quoin
