#include "apps/events.hpp"

#include <boost/json.hpp>
#include <cstdio>

namespace quoin {

namespace {

std::string format(const char* pattern, double value) {
  char out[64];
  std::snprintf(out, sizeof out, pattern, value);
  return out;
}

}  // namespace

std::string bits_text(double bits) {
  if (bits >= 1e9) return format("%.2f Gb", bits / 1e9);
  if (bits >= 1e6) return format("%.2f Mb", bits / 1e6);
  if (bits >= 1e3) return format("%.1f kb", bits / 1e3);
  return format("%.0f b", bits);
}

std::string percent_text(double fraction) { return format("%.2f %%", fraction * 100); }

std::string block_text(BlockId block) {
  return std::to_string(to_u64(block) >> 32) + "/" + std::to_string(to_u64(block) & 0xffff'ffff);
}

std::string event_line(const LinkEvent& event) {
  const Passport& p = event.passport;
  switch (event.kind) {
    case LinkEventKind::session_started: return "link up: " + event.text;
    case LinkEventKind::bootstrap_started: return "bootstrap: " + event.text;
    case LinkEventKind::authentication_switched:
      return "authentication: " + event.text +
             (event.seconds > 0 ? " (bootstrap window " + format("%.1f s)", event.seconds) : "");
    case LinkEventKind::block_detected: return {};
    case LinkEventKind::block_reconciled:
      return "block " + block_text(event.block) + ": QBER key " + percent_text(event.qber_key) +
             " test " + percent_text(event.qber_test) + ", " +
             bits_text(static_cast<double>(p.counts.key.detected_total())) + " sifted, f " +
             format("%.3f", event.f_ec);
    case LinkEventKind::block_no_key:
      return "block " + block_text(event.block) + ": no key, test QBER " +
             percent_text(event.qber_test) + ": " + event.text;
    case LinkEventKind::block_aborted:
      return "block " + block_text(event.block) + ": given up: " + event.text;
    case LinkEventKind::block_committed:
      return "block " + block_text(event.block) + ": " +
             bits_text(static_cast<double>(p.secret_bits)) + " secret (" +
             bits_text(static_cast<double>(p.ledger_bits)) + " kept for authentication), grade " +
             to_string(p.grade);
    case LinkEventKind::alarm: return "ALARM: " + event.text;
    case LinkEventKind::session_ended: return "link down: " + event.text;
  }
  return {};
}

std::string event_json(const LinkEvent& event) {
  boost::json::object out;
  out["event"] = to_string(event.kind);
  if (to_u64(event.block) != 0) out["block"] = block_text(event.block);
  if (!event.text.empty()) out["text"] = event.text;
  const Passport& p = event.passport;
  switch (event.kind) {
    case LinkEventKind::authentication_switched: out["bootstrap_seconds"] = event.seconds; break;
    case LinkEventKind::block_no_key: out["qber_test"] = event.qber_test; break;
    case LinkEventKind::block_reconciled:
    case LinkEventKind::block_committed:
      out["qber_key"] = event.qber_key;
      out["qber_test"] = event.qber_test;
      out["f_ec"] = event.f_ec;
      out["round_trips"] = event.round_trips;
      out["slots"] = p.counts.slots;
      out["sifted_bits"] = p.counts.key.detected_total();
      out["leak_ec_bits"] = p.leak_ec_bits;
      break;
    default: break;
  }
  if (event.kind == LinkEventKind::block_committed) {
    out["seconds"] = event.seconds;
    out["secret_bits"] = p.secret_bits;
    out["ledger_bits"] = p.ledger_bits;
    out["epsilon_sec"] = p.epsilon_sec;
    out["epsilon_cor"] = p.epsilon_cor;
    out["epsilon_accumulated"] = p.epsilon_accumulated;
    out["grade"] = to_string(p.grade);
    out["anchor"] = p.bootstrap_anchor;
    out["source"] = to_string(p.source);
  }
  return boost::json::serialize(out);
}

}  // namespace quoin
