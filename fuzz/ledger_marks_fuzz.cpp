// Any bytes as the marks of a peer's ledger: decoding never misbehaves, and what decodes encodes
// back to the same bytes.
#include <cstdlib>

#include "auth/ledger.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const quoin::ByteSpan bytes = std::as_bytes(std::span(data, size));
  const auto marks = quoin::decode_ledger_marks(bytes);
  if (marks && quoin::encode(*marks) != quoin::Bytes(bytes.begin(), bytes.end())) std::abort();
  return 0;
}
