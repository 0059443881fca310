// Two whole sites, the fibre between them, their disks and the channel, in one thread on a seeded
// clock. The sites are the ones that ship (src/site). Frames may be lost, delayed, reordered,
// repeated or corrupted; a site may crash at any write to its store and comes back with what was
// durable. Watched all the while: no pad used twice, no key served twice, and equal keys or none.
#pragma once

#include <array>
#include <memory>
#include <queue>
#include <set>
#include <unordered_map>

#include "quantum/simulator.hpp"
#include "sim/memory_store.hpp"
#include "sim/seeded_random.hpp"
#include "site/site.hpp"

namespace quoin {

// Probabilities per frame, and how often sites crash.
struct FaultPlan {
  double lose_frame = 0;
  double corrupt_frame = 0;
  double reorder_frame = 0;
  double repeat_frame = 0;
  double cut_connection = 0;  // per frame
  std::uint32_t crashes = 0;  // in the whole run, each at a random write of a random site
};

struct WorldConfig {
  std::uint64_t seed = 1;
  LinkParameters parameters;
  LinkPhysics physics;
  FaultPlan faults;
  std::shared_ptr<const Eve> eve;         // in the fibre from the first slot on
  std::int64_t delay_ns = 2 * ns_per_ms;  // one way
  std::uint64_t key_store_bytes = std::uint64_t{256} << 20;
  std::int64_t job_ns = 5 * ns_per_ms;          // a computation in simulated time
  std::array<SecrecyBudget, 2> secrecy_budget;  // of Alice's site, of Bob's
};
// q = 0.5, some 3e5 sifted bits per block, proof and epsilons as everywhere: small enough for
// thousands of runs.
WorldConfig small_world(std::uint64_t seed);
// Faults drawn from the seed: none in one of eight seeds.
FaultPlan faults_from_seed(std::uint64_t seed);

struct WorldOutcome {
  std::uint64_t blocks_committed[2] = {0, 0};
  std::uint64_t sessions = 0;
  std::uint64_t blocks_without_key = 0;
  std::uint64_t blocks_aborted = 0;
  std::uint64_t keys_served = 0;
  std::uint64_t keys_equal = 0;
  std::uint64_t pads_used = 0;
  std::uint64_t crashes = 0;
  std::uint64_t tags_refused = 0;
  bool is_information_theoretic = false;
  double seconds_to_first_key = 0;    // simulated
  double bootstrap_seconds = 0;       // simulated, as the link measured it
  double qber_of_no_key[2] = {0, 0};  // of the last block without key, as each site reports it
  std::map<BlockId, Grade> grades;    // of the committed blocks; equal at both sites
  std::string last_no_key;
  std::string last_alarm;
  std::string last_tag_refused;         // why
  std::string needs_operator;           // why a link gave up
  std::vector<std::string> violations;  // empty, or the run has found a bug
};

class World {
 public:
  static Result<std::unique_ptr<World>> make(WorldConfig config);

  // Runs until the simulated instant, faults included.
  void run_until(Instant end);
  // No more faults; run on for a while, then serve keys on both sides and compare.
  WorldOutcome settle_and_compare(std::int64_t settle_ns);

  Site* site(QuantumRole role) { return ends_[static_cast<std::size_t>(role)].site.get(); }
  MemoryStore& disk(QuantumRole role) { return ends_[static_cast<std::size_t>(role)].disk; }
  const WorldOutcome& outcome() const { return outcome_; }
  const SeededClock& clock() const { return clock_; }
  // The process of this site dies and starts again from its disk.
  void restart(QuantumRole role);
  void stop_faults();
  // Called on each frame on its way; may change it, or return false to lose it. For attack tests.
  using Tamper = std::move_only_function<bool(QuantumRole sender, Bytes& frame)>;
  void set_tamper(Tamper tamper) { tamper_ = std::move(tamper); }
  // From the next connection on, each end has a TLS session of its own with somebody in the middle.
  void break_transport() { transport_is_broken_ = true; }
  // The present connection ends.
  void cut() { disconnect_both(); }

 private:
  struct End {
    QuantumRole role{};
    MemoryStore disk;
    std::unique_ptr<SeededRandom> random;
    std::optional<AtRestCipher> at_rest;
    std::unique_ptr<Site> site;
    std::uint64_t life = 0;  // grows with every crash, so that answers to the dead are dropped
    bool gave_up = false;
  };
  struct Event {
    Instant at;
    std::uint64_t order;
    std::move_only_function<void()> run;
  };
  struct Later {
    bool operator()(const std::unique_ptr<Event>& a, const std::unique_ptr<Event>& b) const {
      return std::pair(a->at, a->order) > std::pair(b->at, b->order);
    }
  };

  explicit World(WorldConfig config);
  End& end(QuantumRole role) { return ends_[static_cast<std::size_t>(role)]; }
  void schedule(std::int64_t after_ns, std::move_only_function<void()> run);
  void boot(QuantumRole role);
  void crash(QuantumRole role);
  void connect();
  void disconnect_both();
  void carry_out(QuantumRole role, SiteEffects effects);
  void carry_one(QuantumRole role, SiteEffect effect);
  void send(QuantumRole sender, Bytes frame);
  void deliver(QuantumRole sender, std::uint64_t connection, Bytes frame);
  void watch_tag(QuantumRole sender, ByteSpan frame);
  void watch_event(QuantumRole role, const LinkEvent& event);
  void plan_next_crash();
  void serve_and_compare();
  void violation(std::string text);

  WorldConfig config_;
  SeededClock clock_;
  SeededRandom random_;
  std::unique_ptr<SimulatedLink> fibre_;
  End ends_[2];
  std::priority_queue<std::unique_ptr<Event>, std::vector<std::unique_ptr<Event>>, Later> events_;
  std::uint64_t next_order_ = 0;
  std::uint64_t connection_ = 0;
  bool is_connected_ = false;
  bool connect_is_planned_ = false;
  bool faults_are_on_ = true;
  std::uint32_t crashes_left_ = 0;
  Instant last_arrival_[2];
  Tamper tamper_;
  bool transport_is_broken_ = false;
  std::map<std::pair<QuantumRole, PadPosition>, Bytes> tags_by_pad_;
  std::set<KeyId> served_[2];
  WorldOutcome outcome_;
};

// One seed from start to comparison; a convenience for `quoin sim` and tests.
Result<WorldOutcome> run_seed(std::uint64_t seed);

}  // namespace quoin
