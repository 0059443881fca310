// Answers of a KME, ours or another maker's, as the client reads them.
#include <cstdint>
#include <cstdlib>

#include "delivery/etsi014_client.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace quoin;
  const ByteSpan bytes = std::as_bytes(std::span(data, size));
  (void)is_response_complete(bytes);
  (void)parse_status_response(bytes);
  const auto keys = parse_keys_response(bytes);
  if (keys)
    for (const FetchedKey& key : *keys)
      if (key.key.empty() || key.key.size_bytes() > key_bytes_max) std::abort();
  return 0;
}
