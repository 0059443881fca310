// Records of another gateway: whatever arrives, in whatever pieces, a tunnel fails as a value,
// never becomes established and never hands bytes to the user, since nobody holds the key.
#include <cstdlib>

#include "consumers/gateway_session.hpp"

namespace {

class FixedRandom final : public quoin::PublicRandom {
 public:
  void fill(quoin::MutableByteSpan out) override {
    for (std::byte& byte : out) byte = std::byte{0x5a};
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  using namespace quoin;
  if (size < 2) return 0;
  const GatewayRole role = (input[0] & 1) != 0 ? GatewayRole::master : GatewayRole::slave;
  const std::size_t piece = 1 + input[1];
  ByteSpan wire = std::as_bytes(std::span(input, size)).subspan(2);
  FixedRandom random;
  GatewayTerms terms;
  terms.master_sae = "a";
  terms.slave_sae = "b";
  Instant now{1};
  auto session = GatewaySession::make(role, terms, random, now);
  if (!session) std::abort();
  static_cast<void>(session->start());
  if (role == GatewayRole::master && !session->key_arrived({"key", SecretBytes::zeroed(32)}, now))
    std::abort();
  while (!wire.empty()) {
    const ByteSpan part = wire.first(std::min(piece, wire.size()));
    wire = wire.subspan(part.size());
    auto effects = session->network_bytes(part, now);
    if (effects && effects->needs_key_id)
      effects = session->key_arrived({*effects->needs_key_id, SecretBytes::zeroed(32)}, now);
    // The zero key is known to the fuzzer in principle, but a GCM tag under it is not found by
    // luck.
    if (effects && (!effects->to_user.empty() || effects->is_done)) std::abort();
    if (session->is_established()) std::abort();
    if (!effects) break;
  }
  return 0;
}
