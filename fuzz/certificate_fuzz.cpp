// Any bytes as a certificate of a peer, in DER and in PEM: reading its names never misbehaves, and
// names never hold control characters.
#include <algorithm>
#include <cstdlib>

#include "crypto/certificates.hpp"

namespace {

void check(const quoin::Result<quoin::CertificateFacts>& facts) {
  if (!facts) return;
  const auto name = quoin::sae_name_of(*facts);
  if (name && std::ranges::any_of(*name, [](unsigned char c) { return c < 0x20; })) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const quoin::ByteSpan bytes = std::as_bytes(std::span(data, size));
  check(quoin::parse_certificate_der(bytes));
  check(quoin::parse_certificate_pem(quoin::to_text(bytes)));
  return 0;
}
