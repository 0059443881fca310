// Privacy amplification: input megabits per second of processor time at half compression, one
// thread.
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>

#include "distill/amplify.hpp"

namespace {

using namespace quoin;

int run_point(std::size_t key_bits, bool as_json) {
  std::mt19937_64 engine(1);
  SecretBits key = SecretBits::zeroed(key_bits);
  for (std::uint64_t& word : key.expose_secret_mutable()) word = engine();
  key.trim();
  BitString seed(amplification_seed_bits(key_bits, key_bits / 2));
  for (std::uint64_t& word : seed.words()) word = engine();
  seed.trim();
  double best = 1e9;
  for (int repetition = 0; repetition < 3; ++repetition) {
    VerifiedKey input = VerifiedKey::claim_stage(key.clone_secret());
    const std::clock_t start = std::clock();
    const auto secret = amplify(std::move(input), seed, key_bits / 2);
    const double took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (!secret) return 1;
    best = std::min(best, took);
  }
  const auto n = static_cast<double>(key_bits);
  std::printf(as_json ? "{\"bench\":\"amplify\",\"bits\":%.0f,\"ms\":%.2f,\"mbps\":%.1f}\n"
                      : "amplify  %.0f bits  %.2f ms  %.1f Mb/s\n",
              n, best * 1e3, n / best / 1e6);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool as_json = argc > 1 && std::strcmp(argv[1], "--json") == 0;
  int failed = 0;
  for (const std::size_t bits :
       {std::size_t{100'000}, std::size_t{1} << 20, std::size_t{10'000'000}, std::size_t{1} << 26})
    failed += run_point(bits, as_json);
  return failed;
}
