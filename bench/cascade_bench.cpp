// Reconciliation by Cascade: each party on a thread of its own, messages passed in memory. Megabits
// of sifted key per second of a party's user time, efficiency, frames that kept errors and round
// trips, at the reference points; next to it the plain reference of the tests. --json prints one
// row per line; without it all goals are shown.
#include <sys/resource.h>

#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "../tests/distill/reference_cascade.hpp"
#include "distill/reconcile.hpp"

namespace {

using namespace quoin;

struct Point {
  const char* name;
  double qber;
  std::size_t key_bits;
  int blocks;  // more than 1e8 bits in all at the points of the frame failures
};
constexpr Point points[] = {
    {"P1", 0.0035, 100'000'000, 2}, {"P2", 0.01, 10'000'000, 10}, {"P3", 0.02, 10'000'000, 20},
    {"P4", 0.05, 1'000'000, 60},    {"P5", 0.08, 1'000'000, 60},  {"P6", 0.008, 100'000, 200},
};
constexpr std::size_t reference_bits = 1'000'000;

// User time of the calling thread: neighbours on the machine do not count.
double user_seconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec);
}

double entropy(double q) {
  return q <= 0 || q >= 1 ? 0 : -q * std::log2(q) - (1 - q) * std::log2(1 - q);
}

SecretBits random_key(std::mt19937_64& engine, std::size_t size_bits) {
  SecretBits out = SecretBits::zeroed(size_bits);
  for (std::uint64_t& word : out.expose_secret_mutable()) word = engine();
  out.trim();
  return out;
}

BitString random_errors(std::mt19937_64& engine, std::size_t size_bits, double q) {
  BitString out(size_bits);
  std::geometric_distribution<std::size_t> gap(q);
  for (std::size_t i = gap(engine); i < size_bits; i += 1 + gap(engine)) out.set(i, true);
  return out;
}

// One message at a time between two threads; nullopt ends the talk.
class Mailbox {
 public:
  void put(std::optional<Bytes> message) {
    const std::lock_guard lock(mutex_);
    message_ = std::move(message);
    is_full_ = true;
    changed_.notify_one();
  }
  std::optional<Bytes> take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_full_; });
    is_full_ = false;
    return std::move(message_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Bytes> message_;
  bool is_full_ = false;
};

struct Party {
  QuantumRole role;
  Mailbox* in;
  Mailbox* out;
  double seconds = 0;
  ReconcileReport report{};
  SecretBits key{};
  bool is_good = false;
};

void reconcile(Party& party, SecretBits key, const ReconcileParameters& parameters) {
  const double start = user_seconds();
  auto own = make_reconciler(ReconcileFamily::cascade, party.role,
                             SiftedKey::claim_stage(std::move(key)), parameters);
  auto first = (*own)->start();
  bool is_good = first.has_value();
  if (party.role == QuantumRole::alice) party.out->put(is_good ? *first : std::nullopt);
  while (is_good) {
    const std::optional<Bytes> message = party.in->take();
    if (!message) break;
    auto answer = (*own)->handle(*message);
    is_good = answer.has_value();
    party.out->put(is_good ? std::move(*answer) : std::nullopt);
    if (!is_good || (*own)->is_finished()) break;
  }
  party.is_good = is_good && (*own)->is_finished();
  if (party.is_good) {
    party.report = (*own)->report();
    party.key = std::move(**own).take_key().release();
  }
  party.seconds += user_seconds() - start;
}

struct Measured {
  double bits = 0;
  double limit = 0;  // Slepian and Wolf's, for the errors there were
  double leak = 0;
  double rounds = 0;
  double frames = 0;
  double frames_wrong = 0;
  double frames_disclosed = 0;
  double alice_seconds = 0;
  double bob_seconds = 0;
  int blocks = 0;
  bool is_good = true;

  double f() const { return leak / limit; }
  double mbps() const { return bits / std::max(alice_seconds, bob_seconds) / 1e6; }
};

double count_wrong_frames(const SecretBits& a, const SecretBits& b, std::size_t frames) {
  const std::size_t words = a.expose_secret().size();
  const std::size_t frame_words = (words + frames - 1) / std::max<std::size_t>(frames, 1);
  double wrong = 0;
  for (std::size_t at = 0; at < words; at += frame_words) {
    const std::size_t end = std::min(words, at + frame_words);
    bool differs = false;
    for (std::size_t w = at; w < end; ++w)
      differs = differs || a.expose_secret()[w] != b.expose_secret()[w];
    wrong += differs ? 1 : 0;
  }
  return wrong;
}

void run_block(std::mt19937_64& engine, const Point& point, ReconcileGoal goal, Measured& sum) {
  ReconcileParameters parameters{.qber_estimate = point.qber, .goal = goal};
  for (std::byte& byte : parameters.permutation_seed) byte = static_cast<std::byte>(engine());
  SecretBits alice_key = random_key(engine, point.key_bits);
  SecretBits bob_key = alice_key.clone_secret();
  const BitString errors = random_errors(engine, point.key_bits, point.qber);
  for (std::size_t w = 0; w < errors.words().size(); ++w)
    bob_key.expose_secret_mutable()[w] ^= errors.words()[w];
  Mailbox to_alice;
  Mailbox to_bob;
  Party alice{QuantumRole::alice, &to_alice, &to_bob};
  Party bob{QuantumRole::bob, &to_bob, &to_alice};
  std::thread other([&] { reconcile(bob, std::move(bob_key), parameters); });
  reconcile(alice, std::move(alice_key), parameters);
  other.join();
  sum.is_good = sum.is_good && alice.is_good && bob.is_good;
  if (!sum.is_good) return;
  const auto n = static_cast<double>(point.key_bits);
  sum.bits += n;
  sum.limit += n * entropy(static_cast<double>(errors.count_ones()) / n);
  sum.leak += static_cast<double>(alice.report.leak_bits);
  sum.rounds += static_cast<double>(alice.report.rounds);
  sum.frames += static_cast<double>(alice.report.frames);
  sum.frames_disclosed += static_cast<double>(alice.report.frames_disclosed);
  sum.frames_wrong += count_wrong_frames(alice.key, bob.key, alice.report.frames);
  sum.alice_seconds += alice.seconds;
  sum.bob_seconds += bob.seconds;
  ++sum.blocks;
}

// The plain reference at this error rate, once, on the same machine in the same run.
Measured run_reference(const Point& point, ReconcileGoal goal) {
  std::mt19937_64 engine(1);
  const std::size_t n = std::min(point.key_bits, reference_bits);
  const BitString errors = random_errors(engine, n, point.qber);
  const ReconcileParameters parameters{.qber_estimate = point.qber, .goal = goal};
  Measured out;
  const double start = user_seconds();
  const CascadeLayout layout(make_cascade_plan(n, parameters), parameters.permutation_seed);
  const auto outcome = testing_support::ReferenceCascade(layout, errors).run();
  out.alice_seconds = user_seconds() - start;
  out.bits = static_cast<double>(n);
  out.limit = out.bits * entropy(static_cast<double>(errors.count_ones()) / out.bits);
  out.leak = static_cast<double>(outcome.leak_bits);
  out.is_good = outcome.found == errors;
  return out;
}

void print_row(const Point& point, const char* metric, double value, const char* unit,
               double baseline) {
  std::printf(
      "{\"stage\":\"cascade\",\"point\":\"%s\",\"metric\":\"%s\",\"value\":%.6g,"
      "\"unit\":\"%s\",\"baseline\":",
      point.name, metric, value, unit);
  if (baseline > 0) {
    std::printf("%.6g,\"ratio\":%.6g}\n", baseline, value / baseline);
  } else {
    std::printf("null,\"ratio\":null}\n");
  }
}

bool run_point(const Point& point, ReconcileGoal goal, bool as_json) {
  std::mt19937_64 engine(1);
  Measured sum;
  for (int i = 0; i < point.blocks && sum.is_good; ++i) run_block(engine, point, goal, sum);
  if (!sum.is_good) {
    std::fprintf(stderr, "cascade_bench: %s did not end as it should\n", point.name);
    return false;
  }
  const Measured reference = run_reference(point, goal);
  const double rounds = sum.rounds / sum.blocks;
  if (as_json) {
    print_row(point, "mbps", sum.mbps(), "Mb/s per party and core", reference.mbps());
    print_row(point, "f", sum.f(), "leakage over the Slepian-Wolf limit", reference.f());
    print_row(point, "frame_error_rate", sum.frames_wrong / sum.frames, "frames", 0);
    print_row(point, "round_trips", rounds, "per block", 0);
    return true;
  }
  std::printf(
      "%s  QBER %.2f %%  %.0e bits  %-10s  alice %6.1f  bob %6.1f Mb/s  f %.4f  %5.0f rounds  "
      "%.0f of %.0f frames wrong, %.0f told  reference %.2f Mb/s\n",
      point.name, 100 * point.qber, static_cast<double>(point.key_bits), to_string(goal),
      sum.bits / sum.alice_seconds / 1e6, sum.bits / sum.bob_seconds / 1e6, sum.f(), rounds,
      sum.frames_wrong, sum.frames, sum.frames_disclosed, reference.mbps());
  std::fflush(stdout);
  return true;
}

}  // namespace

// cascade_bench [--json] [POINT...]
int main(int argc, char** argv) {
  const bool as_json = argc > 1 && std::strcmp(argv[1], "--json") == 0;
  const int first = as_json ? 2 : 1;
  bool is_good = true;
  for (const Point& point : points) {
    bool is_wanted = argc == first;
    for (int i = first; i < argc; ++i)
      is_wanted = is_wanted || std::strcmp(argv[i], point.name) == 0;
    if (!is_wanted) continue;
    if (as_json) {
      is_good = run_point(point, ReconcileGoal::balanced, true) && is_good;
      continue;
    }
    for (const ReconcileGoal goal :
         {ReconcileGoal::few_rounds, ReconcileGoal::balanced, ReconcileGoal::low_leak})
      is_good = run_point(point, goal, false) && is_good;
  }
  return is_good ? 0 : 1;
}
