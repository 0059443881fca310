// Bytes of an authenticated SAE on a delivery connection, in two pieces at a place the input
// chooses.
#include <cstdint>
#include <cstdlib>

#include "../tests/keystore/memory_store.hpp"
#include "delivery/etsi014.hpp"

namespace {

using namespace quoin;

struct World {
  test::SeededRandom random{1};
  AtRestCipher cipher = AtRestCipher::from_file_key(SecretBytes::zeroed(32), random).value();
  test::MemoryStore store;
  std::unique_ptr<KeyStore> keys;
  std::unique_ptr<Kme> kme;

  World() {
    KmeEffects effects;
    keys = KeyStore::load(store, cipher, random, {.allow_simulated = true}).value();
    SaeRegistry saes;
    (void)saes.add_local({"a"});
    (void)saes.add_remote({"b"});
    kme = Kme::load({}, saes, store, cipher, *keys, random, random, effects).value();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static World world;
  if (size == 0) return 0;
  const ByteSpan bytes = std::as_bytes(std::span(data, size)).subspan(1);
  const std::size_t cut = bytes.size() * data[0] / 256;
  Etsi014Connection connection(*world.kme, {"a"}, {});
  bool is_open = true;
  for (const ByteSpan part : {bytes.first(cut), bytes.subspan(cut)}) {
    const DeliveryStep step = connection.feed(part, {0});
    const std::string output = to_text(step.output.expose_secret());
    if (!is_open && !output.empty()) std::abort();
    if (!output.empty() && !output.starts_with("HTTP/1.1 ")) std::abort();
    if (!step.keeps_open && output.empty() && is_open) std::abort();
    is_open = step.keeps_open;
  }
  return 0;
}
