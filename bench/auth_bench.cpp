// The authentication hash against OpenSSL's in the same run: GMAC (AES-256-GCM over associated
// bytes alone) and AES-256-GCM sealing. Ratios of one run are what counts.
#include <benchmark/benchmark.h>

#include "auth/authenticator.hpp"
#include "crypto/aead.hpp"
#include "crypto/mac.hpp"
#include "kernels/poly_hash.hpp"

namespace quoin {
namespace {

constexpr std::size_t key_fill = 0x5a;

SecretBytes fixed_key(std::size_t size) {
  Bytes bytes(size, static_cast<std::byte>(key_fill));
  return SecretBytes::take_and_wipe(bytes);
}

Bytes message_of(const benchmark::State& state) {
  return Bytes(static_cast<std::size_t>(state.range(0)), std::byte{0x33});
}

void set_throughput(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void poly_hash_simd(benchmark::State& state) {
  const Bytes message = message_of(state);
  const SecretBytes key = fixed_key(poly_hash_bytes);
  PolyHash hash(key.expose_secret().first<poly_hash_bytes>());
  for (auto _ : state) {
    hash.update(message);
    benchmark::DoNotOptimize(hash.finish());
  }
  set_throughput(state);
}

void poly_hash_scalar(benchmark::State& state) {
  const Bytes message = message_of(state);
  const SecretBytes key = fixed_key(poly_hash_bytes);
  std::vector<poly_hash_blocks::Words> powers(poly_hash_blocks::powers_count);
  poly_hash_blocks::make_powers(key.expose_secret().first<poly_hash_bytes>(), powers);
  poly_hash_blocks::Words sum{};
  for (auto _ : state) {
    poly_hash_blocks::absorb_scalar(sum, powers, message);
    benchmark::DoNotOptimize(sum);
  }
  set_throughput(state);
}

void openssl_gmac(benchmark::State& state) {
  const Bytes message = message_of(state);
  const AesGcm cipher(fixed_key(aead_key_bytes));
  Bytes tag(aead_tag_bytes);
  for (auto _ : state) {
    cipher.seal_into(AeadNonce{}, {}, message, tag);
    benchmark::DoNotOptimize(tag.data());
  }
  set_throughput(state);
}

void openssl_aes_gcm_seal(benchmark::State& state) {
  const Bytes message = message_of(state);
  const AesGcm cipher(fixed_key(aead_key_bytes));
  Bytes sealed(message.size() + aead_tag_bytes);
  for (auto _ : state) {
    cipher.seal_into(AeadNonce{}, message, {}, sealed);
    benchmark::DoNotOptimize(sealed.data());
  }
  set_throughput(state);
}

void hmac_sha384_running(benchmark::State& state) {
  const Bytes message = message_of(state);
  HmacSha384 mac(fixed_key(hmac_sha384_bytes).expose_secret());
  for (auto _ : state) benchmark::DoNotOptimize(mac.update(message).finish());
  set_throughput(state);
}

// A whole checkpoint: one frame, one Wegman-Carter tag.
void wegman_carter_checkpoint(benchmark::State& state) {
  const Bytes message = message_of(state);
  auto sender = TranscriptAuthenticator::wegman_carter(
      {"bench", "link-1", Bytes(32), Direction::alice_to_bob, 0}, fixed_key(poly_hash_bytes));
  for (auto _ : state) {
    sender.absorb(message);
    benchmark::DoNotOptimize(sender.tag(Pad{{}, fixed_key(pad_bytes)}));
  }
  set_throughput(state);
}

constexpr std::int64_t frame_bytes = 16 << 10;
constexpr std::int64_t block_bytes = 1 << 20;

BENCHMARK(poly_hash_simd)->Arg(frame_bytes)->Arg(block_bytes);
BENCHMARK(openssl_gmac)->Arg(frame_bytes)->Arg(block_bytes);
BENCHMARK(openssl_aes_gcm_seal)->Arg(frame_bytes)->Arg(block_bytes);
BENCHMARK(wegman_carter_checkpoint)->Arg(frame_bytes)->Arg(block_bytes);
BENCHMARK(hmac_sha384_running)->Arg(block_bytes);
BENCHMARK(poly_hash_scalar)->Arg(frame_bytes);

}  // namespace
}  // namespace quoin

BENCHMARK_MAIN();
