#include "core/passport.hpp"

#include <bit>

#include "core/bytes.hpp"

namespace quoin {

namespace {

constexpr std::uint8_t passport_version = 1;
constexpr std::size_t text_max = 256;
constexpr std::size_t assumptions_max = 32;

void put_counts(ByteWriter& out, const BasisCounts& counts) {
  for (const std::uint64_t n : counts.detected) out.u64(n);
  for (const std::uint64_t m : counts.errors) out.u64(m);
}

void take_counts(ByteReader& in, BasisCounts& counts) {
  for (std::uint64_t& n : counts.detected) n = in.u64();
  for (std::uint64_t& m : counts.errors) m = in.u64();
}

void put_real(ByteWriter& out, double value) { out.u64(std::bit_cast<std::uint64_t>(value)); }
double take_real(ByteReader& in) { return std::bit_cast<double>(in.u64()); }

}  // namespace

const char* to_string(Grade grade) {
  switch (grade) {
    case Grade::bootstrap_pki: return "bootstrap-pki";
    case Grade::bootstrap_openpgp: return "bootstrap-openpgp";
    case Grade::bootstrap_psk: return "bootstrap-psk";
    case Grade::information_theoretic: return "information-theoretic";
  }
  return "unknown";
}

const char* to_string(KeySource source) {
  switch (source) {
    case KeySource::hardware: return "hardware";
    case KeySource::simulated: return "simulated";
    case KeySource::replayed: return "replayed";
  }
  return "unknown";
}

std::vector<std::byte> encode(const Passport& p) {
  ByteWriter out;
  out.u8(passport_version).u64(to_u64(p.block)).text(p.protocol).text(p.proof);
  out.u32(static_cast<std::uint32_t>(p.assumptions.size()));
  for (const std::string& assumption : p.assumptions) out.text(assumption);
  out.text(p.leak_accounting);
  put_real(out, p.epsilon_sec);
  put_real(out, p.epsilon_cor);
  put_real(out, p.epsilon_accumulated);
  put_counts(out, p.counts.key);
  put_counts(out, p.counts.test);
  for (const auto& basis : p.counts.emitted.sent)
    for (const std::uint64_t n : basis) out.u64(n);
  out.u64(p.counts.slots).u64(p.counts.detections).u64(p.counts.double_clicks);
  out.u64(p.leak_ec_bits).u64(p.verification_bits).u64(p.secret_bits).u64(p.ledger_bits);
  out.u8(static_cast<std::uint8_t>(p.grade)).text(p.bootstrap_anchor).u64(p.lineage);
  put_real(out, p.bootstrap_seconds);
  out.u8(static_cast<std::uint8_t>(p.source)).text(p.random_source).text(p.monitors);
  out.u64(static_cast<std::uint64_t>(p.made_unix_ms));
  return std::move(out).take();
}

Result<Passport> decode_passport(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  if (in.u8() != passport_version)
    return fail(ErrorCode::malformed, "passport of an unknown version");
  Passport p;
  p.block = static_cast<BlockId>(in.u64());
  p.protocol = in.text(text_max);
  p.proof = in.text(text_max);
  const std::uint32_t assumptions = in.u32();
  if (assumptions > assumptions_max) in.mark_failed();
  for (std::uint32_t i = 0; i < assumptions && !in.failed(); ++i)
    p.assumptions.push_back(in.text(text_max));
  p.leak_accounting = in.text(text_max);
  p.epsilon_sec = take_real(in);
  p.epsilon_cor = take_real(in);
  p.epsilon_accumulated = take_real(in);
  take_counts(in, p.counts.key);
  take_counts(in, p.counts.test);
  for (auto& basis : p.counts.emitted.sent)
    for (std::uint64_t& n : basis) n = in.u64();
  p.counts.slots = in.u64();
  p.counts.detections = in.u64();
  p.counts.double_clicks = in.u64();
  p.leak_ec_bits = in.u64();
  p.verification_bits = in.u64();
  p.secret_bits = in.u64();
  p.ledger_bits = in.u64();
  const std::uint8_t grade = in.u8();
  if (grade < 1 || grade > 4) in.mark_failed();
  p.grade = static_cast<Grade>(grade);
  p.bootstrap_anchor = in.text(text_max);
  p.lineage = in.u64();
  p.bootstrap_seconds = take_real(in);
  const std::uint8_t source = in.u8();
  if (source < 1 || source > 3) in.mark_failed();
  p.source = static_cast<KeySource>(source);
  p.random_source = in.text(text_max);
  p.monitors = in.text(text_max);
  p.made_unix_ms = static_cast<std::int64_t>(in.u64());
  QUOIN_TRY(in.finish("passport"));
  return p;
}

}  // namespace quoin
