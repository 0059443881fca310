#include "link/parameters.hpp"

#include <bit>

#include "distill/proof.hpp"

namespace quoin {

namespace {

constexpr std::size_t name_max = 64;

void put_real(ByteWriter& out, double value) { out.u64(std::bit_cast<std::uint64_t>(value)); }
double take_real(ByteReader& in) { return std::bit_cast<double>(in.u64()); }

bool is_probability(double p) { return p >= 0 && p <= 1; }

Failure out_of_range(const char* field, const char* range) {
  return fail(ErrorCode::configuration,
              std::string("link parameter '") + field + "' is out of range",
              std::string("choose ") + range);
}

}  // namespace

Status LinkParameters::validate() const {
  if (link_id.empty() || link_id.size() > name_max)
    return out_of_range("link_id", "1 to 64 characters");
  const auto chosen = make_proof(proof);
  if (!chosen || !(*chosen)->may_release_key())
    return out_of_range("proof", "\"variable_length_decoy2\" or \"variable_length_decoy1\"");
  if (protocol != (*chosen)->protocol())
    return out_of_range("protocol", "the protocol that the proof is for");
  const bool has_vacuum = protocol == "bb84-decoy2";
  if (reconciliation != "cascade") return out_of_range("reconciliation", "\"cascade\"");
  if (slots_per_block < 1000 || slots_per_block > 4'000'000'000)
    return out_of_range("slots_per_block", "1e3 to 4e9");
  if (!(mu[0] > mu[1] + mu[2] && mu[1] > mu[2] && mu[2] >= 0 && mu[0] <= 2))
    return out_of_range("mu", "mu_1 > mu_2 + mu_3, mu_2 > mu_3 >= 0, mu_1 <= 2 (Lim 2014)");
  double sum = 0;
  for (std::size_t k = 0; k < intensity_count; ++k) {
    const double p = intensity_probability[k];
    const bool is_sent = k < 2 || has_vacuum;
    if (!is_probability(p) || (p > 0) != is_sent)
      return out_of_range("intensity_probability",
                          has_vacuum ? "three values in (0, 1)"
                                     : "two values in (0, 1) and 0: one decoy, no vacuum");
    sum += p;
  }
  if (sum < 1 - 1e-9 || sum > 1 + 1e-9)
    return out_of_range("intensity_probability", "three values that sum to 1");
  if (!(key_basis_probability > 0 && key_basis_probability < 1))
    return out_of_range("key_basis_probability", "a value in (0, 1)");
  if (!(epsilon_sec > 0 && epsilon_sec <= 1e-6))
    return out_of_range("epsilon_sec", "a value in (0, 1e-6]");
  // 128-bit verification tags bound epsilon_cor from below: (blocks + 1) / 2^128 for 1e8 bits
  // is 2.3e-33.
  if (!(epsilon_cor >= 1e-30 && epsilon_cor <= 1e-6))
    return out_of_range("epsilon_cor", "1e-30 to 1e-6");
  if (frame_bits < 1024 || frame_bits > 65536 || frame_bits % 64 != 0)
    return out_of_range("frame_bits", "a multiple of 64 from 1024 to 65536");
  if (ledger_pads_reserve < 8 || ledger_pads_target < 2 * ledger_pads_reserve ||
      ledger_pads_target > 16384)
    return out_of_range("ledger_pads",
                        "a reserve of 8 or more and a target of twice the reserve up to 16384");
  return success();
}

Bytes encode(const LinkParameters& p) {
  ByteWriter out;
  out.text(p.link_id).text(p.protocol).text(p.proof).text(p.reconciliation).u64(p.slots_per_block);
  for (const double mu : p.mu) put_real(out, mu);
  for (const double probability : p.intensity_probability) put_real(out, probability);
  put_real(out, p.key_basis_probability);
  put_real(out, p.epsilon_sec);
  put_real(out, p.epsilon_cor);
  out.u32(p.frame_bits).u32(p.ledger_pads_target).u32(p.ledger_pads_reserve);
  return std::move(out).take();
}

Result<LinkParameters> decode_link_parameters(ByteSpan bytes) {
  ByteReader in(bytes);
  LinkParameters p;
  p.link_id = in.text(name_max);
  p.protocol = in.text(name_max);
  p.proof = in.text(name_max);
  p.reconciliation = in.text(name_max);
  p.slots_per_block = in.u64();
  for (double& mu : p.mu) mu = take_real(in);
  for (double& probability : p.intensity_probability) probability = take_real(in);
  p.key_basis_probability = take_real(in);
  p.epsilon_sec = take_real(in);
  p.epsilon_cor = take_real(in);
  p.frame_bits = in.u32();
  p.ledger_pads_target = in.u32();
  p.ledger_pads_reserve = in.u32();
  QUOIN_TRY(in.finish("link parameters"));
  return p;
}

std::string describe_difference(const LinkParameters& own, const LinkParameters& peer) {
  std::string names;
  const auto compare = [&names](bool equal, const char* name) {
    if (equal) return;
    if (!names.empty()) names += ", ";
    names += name;
  };
  compare(own.link_id == peer.link_id, "[link] id");
  compare(own.protocol == peer.protocol, "protocol");
  compare(own.proof == peer.proof, "proof");
  compare(own.reconciliation == peer.reconciliation, "reconciliation");
  compare(own.slots_per_block == peer.slots_per_block, "slots_per_block");
  compare(own.mu == peer.mu, "mu");
  compare(own.intensity_probability == peer.intensity_probability, "intensity_probability");
  compare(own.key_basis_probability == peer.key_basis_probability, "key_basis_probability");
  compare(own.epsilon_sec == peer.epsilon_sec, "epsilon_sec");
  compare(own.epsilon_cor == peer.epsilon_cor, "epsilon_cor");
  compare(own.frame_bits == peer.frame_bits, "frame_bits");
  compare(own.ledger_pads_target == peer.ledger_pads_target, "ledger_pads_target");
  compare(own.ledger_pads_reserve == peer.ledger_pads_reserve, "ledger_pads_reserve");
  return names;
}

}  // namespace quoin
