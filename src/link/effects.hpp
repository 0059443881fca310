// What a link session wants done. The driver carries effects out strictly in order and, for
// Persist, returns only when the batch is durable: "on disk before it is used" then holds by the
// order of the list alone. When a Persist fails, the driver drops the rest of the list and calls
// LinkSession::store_failed().
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/ports.hpp"

namespace quoin {

enum class JobTicket : std::uint64_t {};

// What happened, for people, dashboards and tests: never secret.
enum class LinkEventKind : std::uint8_t {
  session_started,          // peer authenticated, parameters agreed
  bootstrap_started,        // tags ride on the trust anchor
  authentication_switched,  // both directions are Wegman-Carter with key from the ledger
  block_detected,
  block_reconciled,
  block_no_key,  // text says why
  block_aborted,
  block_committed,  // passport is filled in
  alarm,
  session_ended,
};
const char* to_string(LinkEventKind kind);

struct LinkEvent {
  LinkEventKind kind{};
  BlockId block{};
  std::string text{};
  Passport passport{};  // block_committed; of block_no_key the counts only
  double qber_key = 0;
  double qber_test = 0;
  double f_ec = 0;     // leak_ec / (n h(QBER))
  double seconds = 0;  // bootstrap window for authentication_switched
  std::uint64_t round_trips = 0;
};

namespace effect {

struct Persist {
  StoreBatch batch;
};
struct Send {
  Bytes frame;
};
// Heavy computation: run anywhere, then LinkSession::job_done(ticket). The work owns all that it
// touches.
struct RunJob {
  JobTicket ticket;
  std::move_only_function<void()> work;
};
// Bob: ask the device for its next slots, then LinkSession::detections_ready().
struct FetchDetections {
  std::uint64_t slot_count;
};
// Alice: ask the device for the settings of these slots, then LinkSession::settings_ready().
struct FetchSettings {
  BlockId block;
  SlotIndex first_slot;
  std::uint64_t slot_count;
  std::shared_ptr<const std::vector<std::uint32_t>> offsets;  // of the block, which needs them too
};
// An authenticated message of the peer's key manager.
struct DeliverControl {
  Bytes message;
};
// Committed here, durable here and prepared there: the key manager may serve it.
struct BlockCommitted {
  BlockId block;
};
struct Report {
  LinkEvent event;
};
// The session is over. needs_operator: reconnecting will not help before a person acted.
struct Close {
  Error reason;
  bool needs_operator = false;
};

}  // namespace effect

using LinkEffect =
    std::variant<effect::Persist, effect::Send, effect::RunJob, effect::FetchDetections,
                 effect::FetchSettings, effect::DeliverControl, effect::BlockCommitted,
                 effect::Report, effect::Close>;
using LinkEffects = std::vector<LinkEffect>;

}  // namespace quoin
