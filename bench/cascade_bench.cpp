// Reconciliation by Cascade, each party by itself, messages passed in memory: megabits of sifted
// key per second of the slower party's processor time, efficiency, frames that kept errors, round
// trips. Baseline: the plain reference of the tests, bit by bit, at the same error rate. The goal
// is balanced, or one of --few-rounds and --low-leak; names of points choose among them.
#include <cmath>
#include <random>

#include "../tests/distill/reference_cascade.hpp"
#include "distill/reconcile.hpp"
#include "measure.hpp"

namespace {

using namespace quoin;
using bench::Report;

struct Point {
  const char* name;
  double qber;
  std::size_t key_bits;
  int blocks;  // of P1 to P3 at least 1e8 bits in all
};
constexpr Point points[] = {
    {"P1", 0.0035, 100'000'000, 3}, {"P2", 0.01, 10'000'000, 11}, {"P3", 0.02, 10'000'000, 21},
    {"P4", 0.05, 1'000'000, 41},    {"P5", 0.08, 1'000'000, 41},  {"P6", 0.008, 100'000, 101},
};
constexpr std::size_t reference_bits = 500'000;

double entropy(double q) {
  return q <= 0 || q >= 1 ? 0 : -q * std::log2(q) - (1 - q) * std::log2(1 - q);
}
// Slepian and Wolf's limit for the errors that there were.
double limit_of(const BitString& errors) {
  const auto n = static_cast<double>(errors.size_bits());
  return n * entropy(static_cast<double>(errors.count_ones()) / n);
}

BitString random_errors(std::mt19937_64& engine, std::size_t size_bits, double q) {
  BitString out(size_bits);
  std::geometric_distribution<std::size_t> gap(q);
  for (std::size_t i = gap(engine); i < size_bits; i += 1 + gap(engine)) out.set(i, true);
  return out;
}

struct Measured {
  std::vector<double> alice_seconds;  // per block
  std::vector<double> bob_seconds;
  double limit = 0;
  double leak = 0;
  double rounds = 0;
  double frames = 0;
  double frames_wrong = 0;
};

class Stopwatch {
 public:
  // Adds the time since the last call to `seconds`.
  void lap(double& seconds) {
    const double now = bench::thread_seconds();
    seconds += now - last_;
    last_ = now;
  }

 private:
  double last_ = bench::thread_seconds();
};

std::size_t count_wrong_frames(WordSpan a, WordSpan b, std::size_t frames) {
  const std::size_t frame_words = (a.size() + frames - 1) / frames;
  std::size_t wrong = 0;
  for (std::size_t at = 0; at < a.size(); at += frame_words) {
    const std::size_t count = std::min(frame_words, a.size() - at);
    wrong += std::ranges::equal(a.subspan(at, count), b.subspan(at, count)) ? 0U : 1U;
  }
  return wrong;
}

void run_block(std::mt19937_64& engine, const Point& point, ReconcileGoal goal, Measured& sum) {
  ReconcileParameters parameters{.qber_estimate = point.qber, .goal = goal};
  for (std::byte& byte : parameters.permutation_seed) byte = static_cast<std::byte>(engine());
  SecretBits alice_key = SecretBits::zeroed(point.key_bits);
  for (std::uint64_t& word : alice_key.expose_secret_mutable()) word = engine();
  alice_key.trim();
  SecretBits bob_key = alice_key.clone_secret();
  const BitString errors = random_errors(engine, point.key_bits, point.qber);
  for (std::size_t w = 0; w < errors.words().size(); ++w)
    bob_key.expose_secret_mutable()[w] ^= errors.words()[w];

  double alice_seconds = 0;
  double bob_seconds = 0;
  Stopwatch watch;
  auto alice =
      Report::take(make_reconciler(ReconcileFamily::cascade, QuantumRole::alice,
                                   SiftedKey::claim_stage(std::move(alice_key)), parameters));
  std::optional<Bytes> message = Report::take(alice->start());
  watch.lap(alice_seconds);
  auto bob = Report::take(make_reconciler(ReconcileFamily::cascade, QuantumRole::bob,
                                          SiftedKey::claim_stage(std::move(bob_key)), parameters));
  Report::take(bob->start());
  watch.lap(bob_seconds);
  while (message) {
    const std::optional<Bytes> answer = Report::take(bob->handle(*message));
    watch.lap(bob_seconds);
    message = Report::take(alice->handle(*answer));
    watch.lap(alice_seconds);
  }
  const ReconcileReport report = alice->report();
  const ReconciledKey alices = std::move(*alice).take_key();
  alice.reset();
  watch.lap(alice_seconds);
  const ReconcileReport bobs_report = bob->report();
  const ReconciledKey bobs = std::move(*bob).take_key();
  bob.reset();
  watch.lap(bob_seconds);

  sum.alice_seconds.push_back(alice_seconds);
  sum.bob_seconds.push_back(bob_seconds);
  sum.limit += limit_of(errors);
  sum.leak += static_cast<double>(report.leak_bits);
  sum.rounds += static_cast<double>(report.rounds);
  sum.frames += static_cast<double>(report.frames);
  sum.frames_wrong += static_cast<double>(count_wrong_frames(
      alices.bits().expose_secret(), bobs.bits().expose_secret(), report.frames));
  Report::check(check_reconcile_report(bobs_report, point.key_bits));
}

struct Reference {
  double mbps;
  double f;
};
Reference run_reference(const Point& point, ReconcileGoal goal) {
  std::mt19937_64 engine(2);
  const std::size_t n = std::min(point.key_bits, reference_bits);
  const BitString errors = random_errors(engine, n, point.qber);
  const ReconcileParameters parameters{.qber_estimate = point.qber, .goal = goal};
  const double start = bench::thread_seconds();
  const CascadeLayout layout(make_cascade_plan(n, parameters), parameters.permutation_seed);
  const auto outcome = testing_support::ReferenceCascade(layout, errors).run();
  const double seconds = bench::thread_seconds() - start;
  return {static_cast<double>(n) / seconds / 1e6,
          static_cast<double>(outcome.leak_bits) / limit_of(errors)};
}

void run_point(const Report& report, const Point& point, ReconcileGoal goal) {
  std::mt19937_64 engine(1);
  Measured sum;
  for (int i = 0; i < point.blocks; ++i) run_block(engine, point, goal, sum);
  const Reference reference = run_reference(point, goal);
  const auto mbps = [&](const std::vector<double>& seconds) {
    return static_cast<double>(point.key_bits) / bench::median(seconds) / 1e6;
  };
  const double alice = mbps(sum.alice_seconds);
  const double bob = mbps(sum.bob_seconds);
  report.row(point.name, "mbps", std::min(alice, bob), "Mb/s", reference.mbps);
  report.row(point.name, "mbps_alice", alice, "Mb/s");
  report.row(point.name, "mbps_bob", bob, "Mb/s");
  report.row(point.name, "f", sum.leak / sum.limit, "", reference.f);
  report.row(point.name, "frame_error_rate", sum.frames_wrong / sum.frames, "");
  report.row(point.name, "round_trips", sum.rounds / point.blocks, "");
}

}  // namespace

int main(int argc, char** argv) {
  const Report report(argc, argv, "cascade");
  ReconcileGoal goal = ReconcileGoal::balanced;
  if (report.has("--few-rounds")) goal = ReconcileGoal::few_rounds;
  if (report.has("--low-leak")) goal = ReconcileGoal::low_leak;
  const bool is_any_named =
      std::ranges::any_of(points, [&](const Point& point) { return report.has(point.name); });
  for (const Point& point : points)
    if (!is_any_named || report.has(point.name)) run_point(report, point, goal);
}
