#include "distill/amplify.hpp"

#include <algorithm>

namespace quoin {

std::size_t amplification_seed_bits(std::size_t key_bits, std::size_t secret_bits) {
  static_cast<void>(secret_bits);
  return key_bits == 0 ? 0 : key_bits - 1;
}

Result<AmplificationSeed> AmplificationSeed::prepare(const BitString& seed, std::size_t key_bits,
                                                     std::uint64_t secret_bits) {
  if (key_bits > amplification_key_bits_max)
    return fail(ErrorCode::invalid_argument, "a key of more than 2^28 bits is to be amplified");
  if (secret_bits > key_bits)
    return fail(ErrorCode::invalid_argument, "more secret bits asked for than the key has");
  const auto m = static_cast<std::size_t>(secret_bits);
  if (seed.size_bits() != amplification_seed_bits(key_bits, m))
    return fail(ErrorCode::invalid_argument, "the seed of amplification has a wrong length");
  AmplificationSeed out;
  out.key_bits_ = key_bits;
  out.secret_bits_ = m;
  if (m > 0 && m < key_bits) out.toeplitz_.emplace(seed.words(), m, key_bits - m);
  return out;
}

Result<SecretKey> amplify(VerifiedKey&& key, const AmplificationSeed& seed) {
  const SecretBits own = std::move(key).release();
  if (own.size_bits() != seed.key_bits_)
    return fail(ErrorCode::invalid_argument, "the seed was made for a key of another length");
  SecretBits out = SecretBits::zeroed(seed.secret_bits_);
  const MutableWordSpan words = out.expose_secret_mutable();
  std::ranges::copy(own.expose_secret().first(words.size()), words.begin());
  if (seed.toeplitz_) seed.toeplitz_->multiply_add(words, own.expose_secret(), seed.secret_bits_);
  out.trim();
  return SecretKey::claim_stage(std::move(out));
}

Result<SecretKey> amplify(VerifiedKey&& key, const BitString& seed, std::uint64_t secret_bits) {
  VerifiedKey own = std::move(key);
  QUOIN_TAKE(prepared, AmplificationSeed::prepare(seed, own.size_bits(), secret_bits));
  return amplify(std::move(own), prepared);
}

}  // namespace quoin
