#include "apps/status_file.hpp"

#include <boost/json.hpp>
#include <cstdio>
#include <iostream>

#include "adapters/files.hpp"
#include "adapters/system_clock.hpp"
#include "apps/events.hpp"
#include "apps/exit_codes.hpp"

namespace quoin {

namespace {

constexpr std::int64_t fresh_ms = 5000;  // it is written every second

Result<boost::json::object> read_status(const SiteFile& file) {
  QUOIN_TAKE(bytes, read_file(file.status_path(), 65536));
  boost::system::error_code code;
  boost::json::value value = boost::json::parse(to_text(bytes), code);
  if (code || !value.is_object() || !value.as_object().contains("written_unix_ms"))
    return fail(ErrorCode::malformed, file.status_path() + " is damaged",
                "it is written anew every second by a running node");
  return std::move(value.as_object());
}

std::int64_t age_ms_of(const boost::json::object& status) {
  const boost::json::value& written = status.at("written_unix_ms");
  return SystemClock().wall_unix_ms() - (written.is_int64() ? written.as_int64() : 0);
}

std::string text_of(const boost::json::object& status, const char* key) {
  const boost::json::value* value = status.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

}  // namespace

void StatusFile::note(const LinkEvent& event) {
  if (event.kind == LinkEventKind::block_committed) last_block_ = event;
  if (event.kind == LinkEventKind::block_aborted) ++blocks_aborted_;
  if (event.kind == LinkEventKind::authentication_switched && event.seconds > 0)
    bootstrap_seconds_ = event.seconds;
  if (event.kind == LinkEventKind::block_no_key) {
    ++blocks_without_key_;
    last_no_key_ = event;
  }
}

std::string StatusFile::json(const SiteFile& file, Site& site,
                             const std::optional<Error>& link_stopped, bool is_stopping,
                             std::int64_t unix_ms) const {
  const LinkStatus link = site.link_status();
  boost::json::object out;
  out["site"] = file.name;
  out["role"] = to_string(file.policy.role);
  out["peer"] = file.policy.peer_site;
  out["written_unix_ms"] = unix_ms;
  out["node"] = is_stopping ? "stopped" : "running";
  out["link"] = link_stopped.has_value() ? "stopped" : link.is_running ? "running" : "down";
  if (link_stopped.has_value()) out["link_stopped_because"] = link_stopped->text();
  out["authentication"] = link.authentication;
  out["grade"] = link.is_information_theoretic ? "information-theoretic" : "bootstrap";
  out["lineage"] = link.lineage;
  out["bootstrap_seconds"] = link.bootstrap_seconds;
  out["epsilon_spent"] = link.epsilon_spent;
  const SecrecyBudget& budget = file.policy.secrecy_budget;
  boost::json::object secrecy{{"limit", budget.limit},
                              {"spent", link.secrecy_spent},
                              {"total", link.secrecy_total},
                              {"period_days", budget.period_ms / 86'400'000},
                              {"is_spent", link.is_budget_spent}};
  if (link.secrecy_period_ends_unix_ms != 0)
    secrecy["period_ends_unix_ms"] = link.secrecy_period_ends_unix_ms;
  out["secrecy_budget"] = std::move(secrecy);
  if (link.is_budget_spent)
    out["no_key_because"] =
        "the link's secrecy budget is spent; wait for its next period, or raise [link] "
        "secrecy_budget";
  out["pads_left"] = boost::json::object{{"sending", link.pads_left_sending},
                                         {"receiving", link.pads_left_receiving}};
  out["blocks"] = boost::json::object{{"committed", link.blocks_committed},
                                      {"in_flight", link.blocks_in_flight},
                                      {"without_key", blocks_without_key_},
                                      {"aborted", blocks_aborted_}};
  out["key_bits_available"] = site.key_store().available_bits();
  const SecretMemoryReport memory = secret_memory_report();
  out["unlocked_block_memory_bytes"] = memory.unlocked_block_bytes;
  if (last_block_.has_value()) out["last_block"] = boost::json::parse(event_json(*last_block_));
  if (last_no_key_.has_value())
    out["last_block_without_key"] = boost::json::parse(event_json(*last_no_key_));
  return boost::json::serialize(out);
}

Status replace_file(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  std::FILE* file = std::fopen(temporary.c_str(), "w");
  if (file == nullptr) return fail(ErrorCode::io, "cannot write " + temporary);
  const bool is_written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool is_closed = std::fclose(file) == 0;
  if (!is_written || !is_closed || std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    return fail(ErrorCode::io, "cannot write " + path, "free some disk space");
  }
  return success();
}

bool is_link_running(const SiteFile& file) {
  const auto status = read_status(file);
  return status && age_ms_of(*status) < fresh_ms && text_of(*status, "node") == "running" &&
         text_of(*status, "link") == "running";
}

int run_status(const SiteFile& file, bool as_json) {
  const auto status = read_status(file);
  if (!status) {
    const bool is_new = status.error().code == ErrorCode::not_found;
    std::cerr << "quoin: "
              << (is_new ? "the site has not run yet; start it with 'quoin node --config " +
                               file.path + "'"
                         : status.error().text())
              << std::endl;
    return exit_failure;
  }
  if (as_json) {
    std::cout << boost::json::serialize(*status) << std::endl;
    return exit_ok;
  }
  const std::int64_t age_ms = age_ms_of(*status);
  if (text_of(*status, "node") == "stopped") {
    std::cout << "the node was stopped " << age_ms / 1000 << " s ago; this is how it was\n";
  } else if (age_ms > fresh_ms) {
    std::cout << "the node is not running; this is how it was " << age_ms / 1000 << " s ago\n";
  }
  for (const auto& [key, entry] : *status) {
    const std::string shown =
        entry.is_string() ? std::string(entry.as_string()) : boost::json::serialize(entry);
    std::cout << std::string(key) << std::string(key.size() < 30 ? 30 - key.size() : 1, ' ')
              << shown << "\n";
  }
  return exit_ok;
}

}  // namespace quoin
