// The link's own durable state: session counter, lineage, bootstrap window, epsilon spent, and the
// state of each block that the peer may still ask about. Rows go into the caller's batch
// (Table::meta, keys "link/...").
#pragma once

#include <map>

#include "core/ports.hpp"
#include "link/secrecy_budget.hpp"

namespace quoin {

enum class OwnBlockState : std::uint8_t { prepared = 1, committed = 2 };

class LinkRecords {
 public:
  // Malformed rows are an error of the store: ErrorCode::internal with the cure named.
  static Result<LinkRecords> load(const Store& store);

  std::uint32_t next_session() const { return next_session_; }
  std::uint64_t lineage() const { return lineage_; }
  double bootstrap_seconds() const { return bootstrap_seconds_; }
  double epsilon_spent() const { return epsilon_spent_; }  // of the lineage
  const SecrecyAccount& secrecy() const { return secrecy_; }
  std::uint64_t blocks_committed() const { return blocks_committed_; }
  std::vector<BlockId> prepared_blocks() const;
  std::optional<OwnBlockState> state(BlockId block) const;

  void use_session(StoreBatch& batch, std::uint32_t session);
  void set_bootstrap_seconds(StoreBatch& batch, double seconds);
  // What preparing a block spends, of which budget, at which wall time.
  struct Spending {
    double epsilon = 0;
    SecrecyBudget budget{};
    std::int64_t unix_ms = 0;
  };
  // A lineage begins with the block that fills the ledger for the first time; its epsilon sum
  // starts at zero, the secrecy account goes on.
  void prepare(StoreBatch& batch, BlockId block, const Spending& spending,
               std::uint64_t starts_lineage);
  void commit(StoreBatch& batch, BlockId block);
  void discard(StoreBatch& batch, BlockId block);
  // An operator starts anew: no lineage, no block in doubt.
  void forget_lineage(StoreBatch& batch);
  // The window while the link leans on its trust anchor is open from the first session that did,
  // across reconnects, until the switch. In memory only: a node that starts anew counts from there.
  Instant open_bootstrap_window(Instant now);  // the same answer until it is closed
  void close_bootstrap_window() { bootstrap_opened_.reset(); }
  // Committed blocks that the peer has confirmed to hold need no answer any more.
  void forget_committed_before(StoreBatch& batch, BlockId block);

 private:
  void put_state(StoreBatch& batch) const;

  std::uint32_t next_session_ = 1;
  std::uint64_t lineage_ = 0;
  BlockId lineage_block_{};  // the block that starts it; discarded before it was committed, the
                             // lineage goes with it
  std::optional<Instant> bootstrap_opened_;
  double bootstrap_seconds_ = 0;
  double epsilon_spent_ = 0;
  SecrecyAccount secrecy_;
  std::uint64_t blocks_committed_ = 0;
  std::map<BlockId, OwnBlockState> blocks_;
};

}  // namespace quoin
