// The key on its way from detections to users, a type per stage: passing one stage for another does
// not compile. raw -> sifted -> reconciled -> verified -> secret. Only src/distill makes a stage
// from the one before.
#pragma once

#include "core/bits.hpp"

namespace quoin {

enum class KeyStage : std::uint8_t { raw, sifted, reconciled, verified, secret };

template <KeyStage stage>
class StagedKey {
 public:
  StagedKey() = default;
  // Named on purpose: whoever calls it claims that the bits have reached this stage.
  static StagedKey claim_stage(SecretBits bits) {
    StagedKey key;
    key.bits_ = std::move(bits);
    return key;
  }
  StagedKey(StagedKey&&) noexcept = default;
  StagedKey& operator=(StagedKey&&) noexcept = default;

  std::size_t size_bits() const { return bits_.size_bits(); }
  const SecretBits& bits() const { return bits_; }
  SecretBits release() && { return std::move(bits_); }

 private:
  SecretBits bits_;
};

using RawKey = StagedKey<KeyStage::raw>;        // Alice's settings, Bob's outcomes, slot by slot
using SiftedKey = StagedKey<KeyStage::sifted>;  // same basis, key basis only
using ReconciledKey = StagedKey<KeyStage::reconciled>;  // equal as far as error correction knows
using VerifiedKey = StagedKey<KeyStage::verified>;      // equal except with probability epsilon_cor
using SecretKey = StagedKey<KeyStage::secret>;          // after privacy amplification

}  // namespace quoin
