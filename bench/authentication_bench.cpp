// The authentication hash: megabits per second of processor time. Baseline: OpenSSL's GHASH, as
// GMAC over AES-256 (AES-GCM with associated bytes alone), in the same rounds. Points are message
// lengths in bytes.
#include "auth/authenticator.hpp"
#include "core/key_stages.hpp"
#include "crypto/aead.hpp"
#include "crypto/mac.hpp"
#include "distill/verify.hpp"
#include "kernels/poly_hash.hpp"
#include "measure.hpp"

namespace {

using namespace quoin;
using bench::Report;

SecretBytes fixed_key(std::size_t size) {
  Bytes bytes(size, std::byte{0x5a});
  return SecretBytes::take_and_wipe(bytes);
}

// Where results go, so that no run is left out as useless.
volatile unsigned seen = 0;
void note(ByteSpan bytes) { seen = seen ^ std::to_integer<unsigned>(bytes[0]); }

void run_point(const Report& report, const std::string& name, std::size_t bytes) {
  const Bytes message(bytes, std::byte{0x33});
  const SecretBytes key = fixed_key(poly_hash_bytes);
  PolyHash hash(key.expose_secret().first<poly_hash_bytes>());
  const AesGcm cipher(fixed_key(aead_key_bytes));
  Bytes tag(aead_tag_bytes);
  HmacSha384 mac(fixed_key(hmac_sha384_bytes).expose_secret());
  auto sender = TranscriptAuthenticator::wegman_carter(
      {"bench", "link-1", Bytes(32), Direction::alice_to_bob, 0}, key);
  SecretBits block = SecretBits::zeroed(bytes * 8);
  const ReconciledKey reconciled = ReconciledKey::claim_stage(std::move(block));
  const VerificationSeed seed{};
  const int repetitions =
      static_cast<int>(std::max<std::size_t>(1, (std::size_t{1} << 24) / bytes));
  const auto repeated = [repetitions](auto run) {
    return [run, repetitions]() mutable {
      for (int i = 0; i < repetitions; ++i) run();
    };
  };
  const auto seconds =
      bench::medians({repeated([&] {
                        hash.update(message);
                        note(hash.finish());
                      }),
                      repeated([&] {
                        cipher.seal_into(AeadNonce{}, {}, message, tag);
                        note(tag);
                      }),
                      repeated([&] {
                        sender.absorb(message);
                        note(Report::take(sender.tag(Pad{{}, fixed_key(pad_bytes)})).tag);
                      }),
                      repeated([&] { note(mac.update(message).finish()); }),
                      repeated([&] { note(verification_tag(reconciled, seed)); })},
                     11);
  const double megabits = static_cast<double>(bytes) * 8e-6 * repetitions;
  const double gmac = megabits / seconds[1];
  report.row(name, "mbps", megabits / seconds[0], "Mb/s", gmac);
  report.row(name, "checkpoint_mbps", megabits / seconds[2], "Mb/s", gmac);
  report.row(name, "hmac_sha384_mbps", megabits / seconds[3], "Mb/s", gmac);
  report.row(name, "verification_mbps", megabits / seconds[4], "Mb/s", gmac);
}

}  // namespace

int main(int argc, char** argv) {
  const Report report(argc, argv, "authentication");
  run_point(report, "2^14", std::size_t{1} << 14);
  run_point(report, "2^20", std::size_t{1} << 20);
  report.row("P1", "key_bits_per_block", 2.0 * 8 * pad_bytes, "bits");
  return 0;
}
