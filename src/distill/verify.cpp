#include "distill/verify.hpp"

#include "core/bytes.hpp"
#include "kernels/poly_hash.hpp"

namespace quoin {

VerificationTag verification_tag(const ReconciledKey& key, const VerificationSeed& seed) {
  PolyHash hash{std::span<const std::byte, 16>(seed)};
  // The hash itself counts whole bytes, so the length in bits goes in front.
  hash.update(ByteWriter().u64(key.size_bits()).bytes());
  hash.update(key.bits().expose_secret_bytes());
  return hash.finish();
}

Result<VerifiedKey> accept_verified(ReconciledKey&& key, ByteSpan own_tag, ByteSpan peer_tag) {
  SecretBits bits = std::move(key).release();
  if (own_tag.size() != VerificationTag{}.size() || peer_tag.size() != VerificationTag{}.size())
    return fail(ErrorCode::malformed, "a verification tag has not 16 bytes");
  if (!equal_constant_time(own_tag, peer_tag))
    return fail(ErrorCode::conflict, "the keys of the two sites differ after reconciliation",
                "the block is discarded; nothing of it was used");
  return VerifiedKey::claim_stage(std::move(bits));
}

}  // namespace quoin
