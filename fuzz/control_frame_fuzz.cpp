// Any bytes as a control frame: nothing but a frame with the right tag is ever accepted.
#include <cstdlib>

#include "auth/control_channel.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  quoin::Bytes key(quoin::hmac_sha384_bytes, std::byte{7});
  quoin::ControlChannel channel(quoin::SecretBytes::take_and_wipe(key),
                                quoin::Direction::alice_to_bob);
  if (channel.accept(std::as_bytes(std::span(data, size)))) std::abort();
  return 0;
}
