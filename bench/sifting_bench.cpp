// Sifting, each party by itself: detections per second of its own processor time, from what the
// device hands over to the sifted key and the counts, and the messages between. Baseline: the same
// going through the detections one by one. Points are detections per block.
#include <random>

#include "distill/sift.hpp"
#include "distill/sift_messages.hpp"
#include "measure.hpp"

namespace {

using namespace quoin;
using bench::Report;

class EngineRandom final : public SecretRandom {
 public:
  void fill_secret(MutableByteSpan out) override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(engine_());
  }

 private:
  std::mt19937_64 engine_{7};
};

struct Block {
  DetectionEvents events;
  SettingPlanes settings;
  EmissionSums emitted;
};

BitString sparse(std::mt19937_64& engine, std::size_t size, unsigned ands) {
  BitString out(size);
  for (std::uint64_t& word : out.words()) {
    word = engine();
    for (unsigned i = 0; i < ands; ++i) word &= engine();
  }
  out.trim();
  return out;
}

// One detection in six slots, an eighth of the bases for tests, a quarter of decoys, an eighth of
// vacuum pulses, one double click in 256.
Block make_block(std::size_t detections) {
  std::mt19937_64 engine(1);
  Block out;
  DetectionEvents& events = out.events;
  std::uint32_t slot = 0;
  for (std::size_t i = 0; i < detections; ++i)
    events.offsets.push_back(slot += 1 + static_cast<std::uint32_t>(engine() % 11));
  events.slot_count = std::uint64_t{slot} + 1;
  events.basis_is_test = sparse(engine, detections, 2);
  const BitString doubles = sparse(engine, detections, 7);
  events.clicked_0 = SecretBits::zeroed(detections);
  events.clicked_1 = SecretBits::zeroed(detections);
  for (std::size_t w = 0; w < doubles.words().size(); ++w) {
    const std::uint64_t ones = engine();
    events.clicked_0.expose_secret_mutable()[w] = ~ones | doubles.words()[w];
    events.clicked_1.expose_secret_mutable()[w] = ones | doubles.words()[w];
  }
  events.clicked_0.trim();
  events.clicked_1.trim();
  out.settings.basis_is_test = sparse(engine, detections, 2);
  out.settings.intensity_is_decoy = sparse(engine, detections, 1);
  out.settings.intensity_is_vacuum = sparse(engine, detections, 2);
  for (std::size_t w = 0; w < doubles.words().size(); ++w)
    out.settings.intensity_is_vacuum.words()[w] &= ~out.settings.intensity_is_decoy.words()[w];
  out.settings.bits = SecretBits::zeroed(detections);
  for (std::uint64_t& word : out.settings.bits.expose_secret_mutable()) word = engine();
  out.settings.bits.trim();
  for (auto& basis : out.emitted.sent)
    for (std::uint64_t& n : basis) n = events.slot_count / 6;
  out.emitted.sent[0][0] += events.slot_count - out.emitted.total();
  return out;
}

// Alice's side one detection at a time, as it is written first.
std::uint64_t sift_one_by_one(const Commitment& commitment, const SettingPlanes& settings) {
  BitString key;
  BitString test;
  std::array<std::uint64_t, 6> counts{};
  for (std::size_t i = 0; i < commitment.offsets.size(); ++i) {
    if (settings.basis_is_test[i] != commitment.basis_is_test[i]) continue;
    const bool bit = bit_at(settings.bits.expose_secret(), i);
    const bool is_test = commitment.basis_is_test[i];
    (is_test ? test : key).push_back(bit);
    const std::size_t intensity = settings.intensity_is_decoy[i]    ? 1
                                  : settings.intensity_is_vacuum[i] ? 2
                                                                    : 0;
    ++counts[(is_test ? 3 : 0) + intensity];
  }
  return key.size_bits() + test.size_bits() + counts[0];
}

void run_point(const Report& report, const std::string& name, std::size_t detections) {
  const Block block = make_block(detections);
  EngineRandom random;
  const auto resolved = Report::take(resolve_detections(block.events.clone_secret(), random));
  const Commitment& commitment = resolved.commitment;
  const auto sifted =
      Report::take(sift_alice(commitment, block.settings.clone_secret(), block.emitted));
  const Bytes committed = encode(commitment);
  const Bytes announced = encode(sifted.announcement);

  DetectionEvents events;
  SettingPlanes settings;
  RawKey outcomes;
  volatile std::uint64_t sink = 0;
  const auto seconds = bench::medians(
      {[&] { events = block.events.clone_secret(); },
       [&] { Report::take(resolve_detections(std::move(events), random)); },
       [&] { settings = block.settings.clone_secret(); },
       [&] { Report::take(sift_alice(commitment, std::move(settings), block.emitted)); },
       [&] { outcomes = RawKey::claim_stage(resolved.outcomes.bits().clone_secret()); },
       [&] { Report::take(sift_bob(commitment, std::move(outcomes), sifted.announcement)); },
       [&] { sink = sink + encode(commitment).size(); },
       [&] { Report::take(decode_commitment(committed, {})); },
       [&] { sink = sink + encode(sifted.announcement).size(); },
       [&] { Report::take(decode_sift_announcement(announced, detections)); },
       [&] { sink = sink + sift_one_by_one(commitment, block.settings); }},
      7);
  const double giga = static_cast<double>(detections) / 1e9;
  const double naive = giga / seconds[10];
  report.row(name, "alice_gdetections_per_s", giga / seconds[3], "G/s", naive);
  report.row(name, "bob_gdetections_per_s", giga / (seconds[1] + seconds[5]), "G/s", naive);
  report.row(name, "encode_gdetections_per_s", giga / (seconds[6] + seconds[8]), "G/s");
  report.row(name, "decode_gdetections_per_s", giga / (seconds[7] + seconds[9]), "G/s");
  report.row(name, "mbps", static_cast<double>(sifted.block.key.size_bits()) / 1e6 / seconds[3],
             "Mb/s");
  report.row(name, "bits_per_detection",
             8.0 * static_cast<double>(committed.size() + announced.size()) /
                 static_cast<double>(detections),
             "bit");
}

}  // namespace

int main(int argc, char** argv) {
  const Report report(argc, argv, "sifting");
  run_point(report, "2^20", std::size_t{1} << 20);
  run_point(report, "2^24", std::size_t{1} << 24);
  return 0;
}
