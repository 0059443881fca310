// Messages of the peer KME: whatever decodes must be canonical, and no message may break a KME that
// holds key and leases of its own.
#include <cstdint>
#include <cstdlib>

#include "../tests/keystore/memory_store.hpp"
#include "kme/kme.hpp"

namespace {

using namespace quoin;

struct World {
  test::SeededRandom random{1};
  AtRestCipher cipher = AtRestCipher::from_file_key(SecretBytes::zeroed(32), random).value();
  test::MemoryStore store;
  std::unique_ptr<KeyStore> keys;
  std::unique_ptr<Kme> kme;

  explicit World(QuantumRole role) {
    KmeEffects effects;
    keys = KeyStore::load(store, cipher, random, {.allow_simulated = true}).value();
    SaeRegistry saes;
    (void)saes.add_local({role == QuantumRole::alice ? "a" : "b"});
    (void)saes.add_remote({role == QuantumRole::alice ? "b" : "a"});
    KmeConfig config;
    config.role = role;
    kme = Kme::load(config, saes, store, cipher, *keys, random, random, effects).value();
    for (const std::uint64_t n : {1u, 2u}) {
      (void)keys->prepare(effects.persist, BlockId{n}, test::make_secret_key(n, 40'000),
                          test::make_passport(BlockId{n}));
      if (n == 1) (void)keys->commit(effects.persist, BlockId{n});
    }
    kme->on_link_up(effects);
    (void)store.apply(effects.persist);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan bytes = std::as_bytes(std::span(data, size));
  const auto decoded = decode_lease_message(bytes);
  if (decoded && !std::ranges::equal(encode(*decoded), bytes)) std::abort();
  if (!decoded) return 0;
  for (const QuantumRole role : {QuantumRole::alice, QuantumRole::bob}) {
    World world(role);
    for (int twice = 0; twice < 2; ++twice) {
      KmeEffects effects;
      (void)world.kme->handle_control(bytes, effects);
      if (!world.store.apply(effects.persist)) std::abort();
    }
  }
  return 0;
}
