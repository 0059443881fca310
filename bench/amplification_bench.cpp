// Privacy amplification: input megabits per second of processor time at half compression, one
// thread, the seed's transform included (mbps) and with a seed that several blocks share
// (mbps_shared_seed). Baseline: the same Toeplitz product as a product of polynomials by gf2x,
// where it was found when this was built, and schoolbook by the carry-less instruction up to 2^20.
#include <random>

#include "distill/amplify.hpp"
#include "kernels/bit_ops.hpp"
#include "kernels/gf2_product.hpp"
#include "measure.hpp"

#ifdef QUOIN_HAS_GF2X
#include <gf2x.h>
#endif

namespace {

using namespace quoin;
using bench::Report;

struct Point {
  std::size_t bits;
  std::string name;
};

// The whole product, of which amplification needs the middle.
double gf2x_seconds(const BitString& seed, const SecretBits& key, std::size_t bits) {
#ifdef QUOIN_HAS_GF2X
  const std::size_t half = words_for_bits(bits / 2);
  std::vector<unsigned long> a(seed.words().begin(), seed.words().end());
  std::vector<unsigned long> b(half);
  std::copy_n(key.expose_secret().begin(), half, b.begin());
  std::vector<unsigned long> out(a.size() + b.size());
  const auto multiply = [&] { gf2x_mul(out.data(), a.data(), a.size(), b.data(), b.size()); };
  if (bits <= std::size_t{1} << 23) return bench::medians({multiply}, 3)[0];
  // It takes many seconds: once.
  const double start = bench::thread_seconds();
  multiply();
  return bench::thread_seconds() - start;
#else
  static_cast<void>(seed);
  static_cast<void>(key);
  static_cast<void>(bits);
  return 0;
#endif
}

void run_point(const Report& report, const Point& point) {
  std::mt19937_64 engine(1);
  SecretBits key = SecretBits::zeroed(point.bits);
  for (std::uint64_t& word : key.expose_secret_mutable()) word = engine();
  key.trim();
  BitString seed(amplification_seed_bits(point.bits, point.bits / 2));
  for (std::uint64_t& word : seed.words()) word = engine();
  seed.trim();
  const auto prepared = Report::take(AmplificationSeed::prepare(seed, point.bits, point.bits / 2));
  VerifiedKey input;
  const auto refill = [&] { input = VerifiedKey::claim_stage(key.clone_secret()); };
  const int rounds = point.bits > std::size_t{1} << 26 ? 3 : point.bits > 2'000'000 ? 5 : 21;
  const auto seconds = bench::medians(
      {refill, [&] { Report::take(amplify(std::move(input), seed, point.bits / 2)); }, refill,
       [&] { Report::take(amplify(std::move(input), prepared)); }},
      rounds);
  const auto megabits = static_cast<double>(point.bits) / 1e6;
  std::optional<double> baseline;
  if (const double gf2x =
          point.bits <= std::size_t{1} << 26 ? gf2x_seconds(seed, key, point.bits) : 0;
      gf2x > 0)
    baseline = megabits / gf2x;
  report.row(point.name, "mbps", megabits / seconds[1], "Mb/s", baseline);
  report.row(point.name, "mbps_shared_seed", megabits / seconds[3], "Mb/s");
}

}  // namespace

int main(int argc, char** argv) {
  const Report report(argc, argv, "amplification");
  std::vector<Point> points;
  for (const unsigned log2_bits : {14U, 17U, 20U, 23U, 26U})
    points.push_back({std::size_t{1} << log2_bits, "2^" + std::to_string(log2_bits)});
  points.push_back({10'000'000, "P2"});
  points.push_back({100'000'000, "P1"});
  if (report.has("--long")) points.push_back({std::size_t{1} << 28, "2^28"});
  for (const Point& point : points) run_point(report, point);
  return 0;
}
