// Sealed files from outside: whatever the bytes, the header parses within its bounds or fails, an
// accepted header has exactly one encoding, and no plaintext comes out of chunks that nobody
// sealed.
#include <cstdlib>

#include "consumers/sealed_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  using namespace quoin;
  const ByteSpan file = std::as_bytes(std::span(input, size));
  const auto parsed = parse_sealed_header(file);
  if (!parsed || !parsed->has_value()) return 0;
  const std::size_t start = (*parsed)->size_bytes;
  if (start > sealed_header_bytes_max || start > size) std::abort();
  const Bytes again = encode((*parsed)->header);
  if (!std::equal(again.begin(), again.end(), file.begin()) || again.size() != start) std::abort();
  const SecretBytes key = SecretBytes::zeroed(sealed_key_bytes);
  auto reader = OpenReader::make((*parsed)->header, key);
  if (!reader) std::abort();
  const auto opened = reader->push(file.subspan(start));
  if (opened && !opened->empty()) std::abort();
  if (opened && reader->finish()) std::abort();
  return 0;
}
