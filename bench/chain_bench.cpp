// The whole chain at P1 over the record link (2.5 GHz, 2.2 dB, QBER 0.35 %, 1e8 sifted bits;
// --small for 1e7), both ends in one thread: link simulation, sifting with its messages,
// estimation, reconciliation, verification, key length, amplification, authentication of every byte
// that passed between the two, key store. Secret megabits per second of processor time, and what
// each stage takes of it. The ends talk through memory; every message is encoded, authenticated and
// decoded.
#include <cmath>
#include <filesystem>
#include <map>

#include "adapters/sqlite_store.hpp"
#include "auth/authenticator.hpp"
#include "crypto/random.hpp"
#include "distill/amplify.hpp"
#include "distill/proof.hpp"
#include "distill/reconcile.hpp"
#include "distill/sift_messages.hpp"
#include "distill/verify.hpp"
#include "kernels/bit_ops.hpp"
#include "keystore/key_store.hpp"
#include "measure.hpp"
#include "quantum/simulator.hpp"

namespace {

using namespace quoin;
using bench::Report;

// Li et al., Nature Photonics 17 (2023) 416: 2.5 GHz, 2.2 dB, about 370 million detections a
// second.
// Intensities and probabilities near the optimum for the block.
LinkPhysics record_link(bool is_small) {
  LinkPhysics physics;
  physics.slot_rate_hz = 2.5e9;
  physics.distance_km = 10;
  physics.loss_db_per_km = 0.22;
  physics.receiver_loss_db = 0;
  physics.mu = {0.67, 0.28, 0};
  physics.intensity_probability = {0.69, 0.24, 0.07};
  physics.key_basis_probability = 0.94;
  if (is_small) {
    physics.mu = {0.69, 0.32, 0};
    physics.intensity_probability = {0.5, 0.37, 0.13};
    physics.key_basis_probability = 0.9;
  }
  physics.misalignment = 0.0032;
  physics.detector_efficiency = {0.6, 0.6};
  physics.dead_time_ns = 0.4;
  return physics;
}

class StageTimes {
 public:
  // Seconds since the last call belong to `stage`.
  void charge(const std::string& stage) {
    const double now = bench::thread_seconds();
    seconds_[stage] += now - last_;
    last_ = now;
  }
  const std::map<std::string, double>& all() const { return seconds_; }
  double total() const {
    double sum = 0;
    for (const auto& [stage, seconds] : seconds_) sum += seconds;
    return sum;
  }

 private:
  double last_ = bench::thread_seconds();
  std::map<std::string, double> seconds_;
};

// One direction of the classical channel: what one end absorbs when it sends, the other when it
// receives. Wegman-Carter, one tag at the end.
class Channel {
 public:
  explicit Channel(Direction direction)
      : hash_key_(SecretBytes::zeroed(poly_hash_bytes)),
        sender_(TranscriptAuthenticator::wegman_carter(context(direction), hash_key_)),
        receiver_(TranscriptAuthenticator::wegman_carter(context(direction), hash_key_)) {}

  void pass(ByteSpan message, StageTimes& times) {
    sender_.absorb(message);
    receiver_.absorb(message);
    bytes_ += message.size();
    times.charge("authentication");
  }
  void close(StageTimes& times) {
    const TagFrame frame = Report::take(sender_.tag(Pad{{}, SecretBytes::zeroed(pad_bytes)}));
    Report::check(receiver_.verify(frame, SecretBytes::zeroed(pad_bytes)));
    times.charge("authentication");
  }
  std::uint64_t bytes() const { return bytes_; }

 private:
  static TranscriptContext context(Direction direction) {
    return {"block transcript", "bench", Bytes(32), direction, 0};
  }
  SecretBytes hash_key_;
  TranscriptAuthenticator sender_;
  TranscriptAuthenticator receiver_;
  std::uint64_t bytes_ = 0;
};

// A block of 1e8 bits is put together from device blocks, which are smaller.
using SiftedBlocks = std::vector<SiftedBlock>;

void append_bits(MutableWordSpan to, std::size_t at, WordSpan from, std::size_t size) {
  for (std::size_t w = at / 64; w < words_for_bits(at + size); ++w)
    to[w] |= word_at_bit(from, static_cast<std::int64_t>(w * 64) - static_cast<std::int64_t>(at));
}

void add_counts(BlockCounts& to, const BlockCounts& from) {
  for (std::size_t k = 0; k < intensity_count; ++k) {
    to.key.detected[k] += from.key.detected[k];
    to.test.detected[k] += from.test.detected[k];
    to.test.errors[k] += from.test.errors[k];
    for (std::size_t b = 0; b < basis_count; ++b) to.emitted.sent[b][k] += from.emitted.sent[b][k];
  }
  to.slots += from.slots;
  to.detections += from.detections;
  to.double_clicks += from.double_clicks;
}

SiftedBlock join(const SiftedBlocks& parts) {
  std::size_t size = 0;
  for (const SiftedBlock& part : parts) size += part.key.size_bits();
  SecretBits key = SecretBits::zeroed(size);
  SiftedBlock out;
  out.key_intensity_is_decoy = BitString(size);
  out.key_intensity_is_vacuum = BitString(size);
  std::size_t at = 0;
  for (const SiftedBlock& part : parts) {
    const std::size_t bits = part.key.size_bits();
    append_bits(key.expose_secret_mutable(), at, part.key.bits().expose_secret(), bits);
    append_bits(out.key_intensity_is_decoy.words(), at, part.key_intensity_is_decoy.words(), bits);
    append_bits(out.key_intensity_is_vacuum.words(), at, part.key_intensity_is_vacuum.words(),
                bits);
    add_counts(out.counts, part.counts);
    at += bits;
  }
  out.key = SiftedKey::claim_stage(std::move(key));
  return out;
}

struct Chain {
  StageTimes times;
  Channel to_bob{Direction::alice_to_bob};
  Channel to_alice{Direction::bob_to_alice};
  OpenSslSecretRandom secret_random;
  OpenSslPublicRandom public_random;
};

// One device block through the device, Bob's commitment, Alice's announcement and the estimate.
// Returns its key bits.
std::size_t run_device_block(Chain& chain, SimulatedLink& link, std::uint64_t slots,
                             SiftedBlocks& alices, SiftedBlocks& bobs) {
  auto events = Report::take(link.bob().next_block(slots));
  chain.times.charge("simulator");
  auto resolved = Report::take(resolve_detections(std::move(events), chain.secret_random));
  const Bytes committed = encode(resolved.commitment);
  chain.times.charge("sifting");
  chain.to_alice.pass(committed, chain.times);
  const Commitment commitment = Report::take(decode_commitment(committed, {}));
  chain.times.charge("sifting");
  auto answer = Report::take(
      link.alice().settings_for(commitment.first_slot, commitment.slot_count, commitment.offsets));
  chain.times.charge("simulator");
  auto alice = Report::take(sift_alice(commitment, std::move(answer.settings), answer.emitted));
  const Bytes announced = encode(alice.announcement);
  chain.times.charge("sifting");
  chain.to_bob.pass(announced, chain.times);
  const auto announcement =
      Report::take(decode_sift_announcement(announced, commitment.offsets.size()));
  auto bob =
      Report::take(sift_bob(resolved.commitment, std::move(resolved.outcomes), announcement));
  const Bytes estimate = encode(make_estimate(bob));
  chain.times.charge("sifting");
  chain.to_alice.pass(estimate, chain.times);
  Report::check(apply_estimate(alice.block, Report::take(decode_estimate(estimate))));
  alices.push_back(std::move(alice.block));
  bobs.push_back(std::move(bob));
  chain.times.charge("sifting");
  return alices.back().key.size_bits();
}

struct Reconciled {
  ReconciledKey alice;
  ReconciledKey bob;
  ReconcileReport report;
};

Reconciled reconcile(Chain& chain, SiftedBlock& alice_block, SiftedBlock& bob_block) {
  ReconcileParameters parameters{.qber_estimate = reconciliation_qber(alice_block.counts)};
  chain.public_random.fill(parameters.permutation_seed);
  auto alice =
      Report::take(make_cascade(QuantumRole::alice, std::move(alice_block.key), parameters));
  auto bob = Report::take(make_cascade(QuantumRole::bob, std::move(bob_block.key), parameters));
  Report::take(bob->start());
  std::optional<Bytes> message = Report::take(alice->start());
  while (message) {
    chain.times.charge("reconciliation");
    chain.to_bob.pass(*message, chain.times);
    auto answer = Report::take(bob->handle(*message));
    if (!answer) break;
    chain.times.charge("reconciliation");
    chain.to_alice.pass(*answer, chain.times);
    message = Report::take(alice->handle(*answer));
  }
  Reconciled out{{}, {}, alice->report()};
  out.alice = std::move(*alice).take_key();
  out.bob = std::move(*bob).take_key();
  chain.times.charge("reconciliation");
  return out;
}

std::uint64_t secret_length(const LinkPhysics& physics, const BlockCounts& counts,
                            std::uint64_t leak_bits) {
  ProofInput input;
  input.counts = counts;
  input.mu = physics.mu;
  input.p = physics.intensity_probability;
  input.leak_ec_bits = leak_bits;
  const auto proof = Report::take(make_proof(default_link_proof));
  const KeyLength length = proof->key_length(input);
  if (length.secret_bits == 0) {
    std::fprintf(stderr, "benchmark: no secret key: %s\n", length.reason.c_str());
    std::exit(1);
  }
  return proposed_length(length);
}

struct SecretKeys {
  SecretKey alice;
  SecretKey bob;
};

SecretKeys verify_and_amplify(Chain& chain, Reconciled&& keys, std::uint64_t secret_bits) {
  VerificationSeed seed{};
  chain.public_random.fill(seed);
  const VerificationTag tag = verification_tag(keys.alice, seed);
  chain.times.charge("verification");
  chain.to_bob.pass(tag, chain.times);
  const VerificationTag own = verification_tag(keys.bob, seed);
  auto bob = Report::take(accept_verified(std::move(keys.bob), own, tag));
  auto alice = Report::take(accept_verified(std::move(keys.alice), tag, own));
  chain.times.charge("verification");
  BitString toeplitz(amplification_seed_bits(alice.size_bits(), secret_bits));
  chain.public_random.fill(std::as_writable_bytes(toeplitz.words()));
  toeplitz.trim();
  chain.times.charge("amplification");
  chain.to_bob.pass(std::as_bytes(WordSpan(toeplitz.words())), chain.times);
  SecretKeys out;
  out.alice = Report::take(amplify(std::move(alice), toeplitz, secret_bits));
  out.bob = Report::take(amplify(std::move(bob), toeplitz, secret_bits));
  chain.times.charge("amplification");
  return out;
}

// Both sites' stores, durable: prepared, then committed.
void store_keys(Chain& chain, SecretKeys&& keys, const BlockCounts& counts) {
  std::string directory = (std::filesystem::temp_directory_path() / "quoin-bench-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) std::exit(1);
  const BlockId id = make_block_id(1, 1);
  Passport passport;
  passport.block = id;
  passport.protocol = "bb84-decoy2";
  passport.counts = counts;
  passport.source = KeySource::simulated;
  const auto cipher =
      Report::take(AtRestCipher::from_file_key(SecretBytes::zeroed(32), chain.public_random));
  const auto store_one = [&](const std::string& site, SecretKey key) {
    const auto store = Report::take(SqliteStore::open(directory + "/" + site));
    const auto sink = Report::take(
        KeyStore::load(*store, cipher, chain.secret_random, {.allow_simulated = true}));
    StoreBatch prepared;
    Report::check(sink->finish_load(prepared));
    Report::check(sink->prepare(prepared, id, std::move(key), passport));
    Report::check(store->apply(prepared));
    StoreBatch committed;
    Report::check(sink->commit(committed, id));
    Report::check(store->apply(committed));
  };
  store_one("a", std::move(keys.alice));
  store_one("b", std::move(keys.bob));
  chain.times.charge("keystore");
  std::filesystem::remove_all(directory);
}

double entropy(double q) { return -q * std::log2(q) - (1 - q) * std::log2(1 - q); }

}  // namespace

int main(int argc, char** argv) {
  const Report report(argc, argv, "chain");
  const bool is_small = report.has("--small");
  const std::size_t wanted = is_small ? 10'000'000 : 100'000'000;
  const std::string point = is_small ? "P1small" : "P1";
  const LinkPhysics physics = record_link(is_small);
  const auto link = Report::take(SimulatedLink::make(physics, 1));

  Chain chain;
  SiftedBlocks alices;
  SiftedBlocks bobs;
  std::size_t sifted = 0;
  while (sifted < wanted) sifted += run_device_block(chain, *link, 50'000'000, alices, bobs);
  SiftedBlock alice = join(alices);
  SiftedBlock bob = join(bobs);
  alices.clear();
  bobs.clear();
  chain.times.charge("sifting");
  Reconciled reconciled = reconcile(chain, alice, bob);
  const ReconcileReport& cascade = reconciled.report;
  count_key_errors(alice, cascade.error_positions);
  const std::uint64_t secret_bits = secret_length(physics, alice.counts, cascade.leak_bits);
  chain.times.charge("estimation");
  const ReconcileReport kept = cascade;
  SecretKeys keys = verify_and_amplify(chain, std::move(reconciled), secret_bits);
  if (!equal_constant_time(keys.alice.bits().expose_secret_bytes(),
                           keys.bob.bits().expose_secret_bytes()))
    return 1;
  store_keys(chain, std::move(keys), alice.counts);
  chain.to_alice.close(chain.times);
  chain.to_bob.close(chain.times);

  const auto n = static_cast<double>(sifted);
  const double q = static_cast<double>(kept.error_positions.count_ones()) / n;
  const double megabits = static_cast<double>(secret_bits) / 1e6;
  report.row(point, "mbit_per_core_second", megabits / chain.times.total(), "Mb/s");
  report.row(point, "qber", q, "1");
  report.row(point, "f", static_cast<double>(kept.leak_bits) / (n * entropy(q)), "1");
  report.row(point, "frame_error_rate",
             static_cast<double>(kept.frames_disclosed) / static_cast<double>(kept.frames), "1");
  report.row(point, "round_trips", static_cast<double>(kept.rounds), "1");
  report.row(point, "sifted_bits", n, "bit");
  report.row(point, "secret_fraction", static_cast<double>(secret_bits) / n, "1");
  report.row(point, "bits_per_detection",
             8.0 * static_cast<double>(chain.to_alice.bytes() + chain.to_bob.bytes()) /
                 static_cast<double>(alice.counts.detections),
             "bit");
  for (const auto& [stage, seconds] : chain.times.all())
    report.row(point, stage + "_ms_per_mbit", seconds * 1e3 / megabits, "ms/Mb");
  return 0;
}
