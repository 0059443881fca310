// Internal to src/link: how a block's heavy work leaves the session and comes back. The block is
// busy meanwhile and its frames wait; a block that ended while its job ran is simply not found
// again, and what the job held is wiped with it.
#pragma once

#include <optional>
#include <type_traits>

#include "link/session.hpp"

namespace quoin {

// Work() gives Result<T> or Status; Then(block, T) or Then(block) runs in the session when it
// succeeded, otherwise the block ends.
template <class Work, class Then>
void LinkSession::run_job(LinkBlock& block, Work work, Then then) {
  using Outcome = std::invoke_result_t<Work&>;
  auto outcome = std::make_shared<std::optional<Outcome>>();
  const JobTicket ticket{next_ticket_++};
  block.is_busy = true;
  jobs_.emplace(ticket, [this, id = block.id, outcome, then = std::move(then)]() mutable {
    LinkBlock* found = find(id);
    if (found == nullptr) return;
    found->is_busy = false;
    if (!outcome->has_value()) {
      abort_block(*found,
                  Error{ErrorCode::internal, "a computation did not run", "report this as a bug"});
    } else if (!**outcome) {
      abort_block(*found, (*outcome)->error());
    } else if constexpr (std::is_same_v<Outcome, Status>) {
      then(*found);
    } else {
      then(*found, std::move(**outcome).value());
    }
    drain_inbox(id);
  });
  effects_.push_back(effect::RunJob{
      ticket, [outcome, work = std::move(work)]() mutable { outcome->emplace(work()); }});
}

}  // namespace quoin
