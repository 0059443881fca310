// Cascade, each party by itself: megabits of sifted key per second of its own processor time,
// efficiency and rounds at the reference error rates, in frames of 65536 bits. Messages pass in
// memory.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>

#include "distill/reconcile.hpp"

namespace {

using namespace quoin;

// Processor time, so that neighbours on the machine do not count.
double seconds_now() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

SecretBits random_key(std::mt19937_64& engine, std::size_t size_bits) {
  SecretBits out = SecretBits::zeroed(size_bits);
  for (std::uint64_t& word : out.expose_secret_mutable()) word = engine();
  out.trim();
  return out;
}

SecretBits noisy_copy(std::mt19937_64& engine, const SecretBits& key, double q) {
  SecretBits out = key.clone_secret();
  std::geometric_distribution<std::size_t> gap(q);
  for (std::size_t i = gap(engine); i < key.size_bits(); i += 1 + gap(engine))
    out.expose_secret_mutable()[i / 64] ^= std::uint64_t{1} << (i % 64);
  return out;
}

int run_point(double q, std::size_t key_bits, bool as_json) {
  std::mt19937_64 engine(1);
  SecretBits alice_key = random_key(engine, key_bits);
  SecretBits bob_key = noisy_copy(engine, alice_key, q);
  const ReconcileParameters parameters{.qber_estimate = q};
  double alice_seconds = 0;
  double bob_seconds = 0;
  double last = seconds_now();
  const auto lap = [&last](double& total) {
    const double now = seconds_now();
    total += now - last;
    last = now;
  };
  auto alice =
      make_cascade(QuantumRole::alice, SiftedKey::claim_stage(std::move(alice_key)), parameters);
  lap(alice_seconds);
  auto bob = make_cascade(QuantumRole::bob, SiftedKey::claim_stage(std::move(bob_key)), parameters);
  if (!alice || !bob || !(*bob)->start()) return 1;
  lap(bob_seconds);
  auto first = (*alice)->start();
  lap(alice_seconds);
  std::optional<Bytes> message = std::move(*first);
  while (message) {
    auto answer = (*bob)->handle(*message);
    lap(bob_seconds);
    if (!answer) return 1;
    auto next = (*alice)->handle(**answer);
    lap(alice_seconds);
    if (!next) return 1;
    message = std::move(*next);
  }
  const ReconcileReport report = (*alice)->report();
  const auto n = static_cast<double>(key_bits);
  const double rate = static_cast<double>(report.error_positions.count_ones()) / n;
  const double limit = n * (-rate * std::log2(rate) - (1 - rate) * std::log2(1 - rate));
  const double f = static_cast<double>(report.leak_bits) / limit;
  std::printf(
      as_json
          ? "{\"bench\":\"cascade\",\"qber\":%.4f,\"bits\":%.0f,\"f\":%.4f,\"rounds\":%.0f,"
            "\"alice_mbps\":%.1f,\"bob_mbps\":%.1f}\n"
          : "cascade  QBER %.4f  %.0f bits  f %.4f  rounds %.0f  alice %.1f Mb/s  bob %.1f Mb/s\n",
      rate, n, f, static_cast<double>(report.rounds), n / alice_seconds / 1e6,
      n / bob_seconds / 1e6);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool as_json = argc > 1 && std::strcmp(argv[1], "--json") == 0;
  int failed = 0;
  for (const double q : {0.0035, 0.01, 0.02}) failed += run_point(q, 10'000'000, as_json);
  for (const double q : {0.05, 0.08}) failed += run_point(q, 1'000'000, as_json);
  return failed;
}
