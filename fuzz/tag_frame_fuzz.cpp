// Any bytes as a tag: decoding never misbehaves, and what decodes encodes back to the same bytes.
#include <cstdlib>

#include "auth/tag_frame.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const quoin::ByteSpan bytes = std::as_bytes(std::span(data, size));
  const auto frame = quoin::decode_tag_frame(bytes);
  if (frame && quoin::encode(*frame) != quoin::Bytes(bytes.begin(), bytes.end())) std::abort();
  return 0;
}
