// The two-party QKD session over one classical connection: both roles, several blocks in flight, no
// I/O. It takes frames, device answers, job results and instants, and gives back effects; the same
// object runs under sockets and under src/sim.
//
// Order that the security rests on (security-rules A1, A2): Bob commits to slots and bases; Alice
// answers only after a tag over that commitment verified; no block is prepared before the tags over
// everything that influenced it verified; a failed tag ends the session and burns every block in
// flight.
#pragma once

#include <map>
#include <memory>

#include "auth/authenticator.hpp"
#include "auth/control_channel.hpp"
#include "auth/ledger.hpp"
#include "core/ports.hpp"
#include "distill/proof.hpp"
#include "link/block.hpp"
#include "link/effects.hpp"
#include "link/messages.hpp"
#include "link/parameters.hpp"
#include "link/records.hpp"
#include "quantum/device.hpp"

namespace quoin {

struct LinkStatus {
  bool is_running = false;
  bool is_information_theoretic = false;  // both directions
  std::uint32_t session = 0;
  std::uint64_t lineage = 0;
  double bootstrap_seconds = 0;
  double epsilon_spent = 0;                      // of the lineage
  double secrecy_spent = 0;                      // of the budget's period
  double secrecy_total = 0;                      // since the store was made
  std::int64_t secrecy_period_ends_unix_ms = 0;  // 0: nothing spent in it yet
  bool is_budget_spent = false;                  // no key is made until the period ends
  std::size_t blocks_in_flight = 0;
  std::uint64_t blocks_committed = 0;
  std::uint64_t pads_left_sending = 0;
  std::uint64_t pads_left_receiving = 0;
  std::string authentication;  // scheme of the sending direction
};

// The part of the status about the secrecy budget; `next_epsilon` is what another block would cost.
void fill_secrecy(LinkStatus& status, const SecrecyAccount& account, const SecrecyBudget& budget,
                  double next_epsilon, std::int64_t unix_ms);
// What a block costs at most: its own epsilons and those of the tags around it.
double epsilon_of_block(const LinkParameters& parameters);

class LinkSession {
 public:
  struct Ports {
    AuthLedger& ledger;
    SecretBlockSink& sink;
    LinkRecords& records;
    PublicRandom& public_random;
    SecretRandom& secret_random;  // shared with jobs: must be thread-safe
    const SecurityProof& proof;
    const Clock& clock;  // wall time for passports only
  };
  // The parameters are valid (LinkParameters::validate).
  LinkSession(LinkParameters parameters, LinkPolicy policy, Ports ports,
              std::string software_version);

  // Each call may be made in any state; after Close was emitted all give nothing.
  LinkEffects start(TransportFacts transport, Instant now);
  LinkEffects frame_received(Bytes frame, Instant now);
  LinkEffects detections_ready(Result<DetectionEvents> events, Instant now);
  LinkEffects settings_ready(BlockId block, Result<AliceAnswer> answer, Instant now);
  LinkEffects job_done(JobTicket ticket, Instant now);
  LinkEffects tick(Instant now);
  // A message of the local key manager for its peer; refused unless running.
  LinkEffects send_to_key_manager(Bytes message, Instant now);
  // Finish what is in flight, say goodbye, close.
  LinkEffects finish(Instant now);
  LinkEffects store_failed(Error error, Instant now);
  LinkEffects connection_lost(Error error, Instant now);

  bool is_running() const { return phase_ == Phase::running; }
  LinkStatus status() const;

 private:
  enum class Phase : std::uint8_t { idle, awaiting_hello, resolving, running, closed };
  using Continuation = std::move_only_function<void()>;

  // session.cpp: frames in and out, opening, tags, the switch, closing
  void send_frame(FrameType type, BlockId block, ByteSpan payload);
  void send_control(ControlType type, ByteSpan payload);
  void on_frame(Bytes frame);
  void on_hello(ByteSpan payload);
  Status check_hello(const Hello& peer) const;
  void open_session(const Hello& peer);
  void on_tag(ByteSpan payload);
  void send_tag();
  void on_switch_authentication(ByteSpan payload);
  void switch_own_direction();
  void note_if_switched();
  void on_transcript(FrameHeader header, ByteSpan payload);
  void end_session(Error error, bool needs_operator = false);
  void bury(BlockId block);
  void report(LinkEventKind kind, std::string text, BlockId block = {});
  double bootstrap_seconds_open() const;
  void persist(StoreBatch batch);
  LinkEffects take_effects();
  bool begin_call(Instant now);

  // session_control.cpp: agreement on what is prepared, ready, key manager, goodbye
  void on_control(ByteSpan payload);
  void on_resolve_query(ByteSpan payload);
  void on_resolve_answer(ByteSpan payload);
  void on_ready(ByteSpan payload);
  void send_ready();
  void start_running_if_ready();
  void on_prepared(ByteSpan payload);
  void on_abandoned(ByteSpan payload);
  void commit_block(BlockId block);
  void discard_prepared(BlockId block);
  void close_if_finished();

  // session_blocks.cpp: what both roles do with a block
  LinkBlock* find(BlockId block);
  void dispatch(LinkBlock& block, const FrameHeader& header, Bytes payload);
  void handle(LinkBlock& block, const FrameHeader& header, ByteSpan payload);
  void drain_inbox(BlockId block);
  void on_abort_block(BlockId block, ByteSpan payload);
  void report_end(const LinkBlock& block, bool is_no_key, std::string text);
  void abort_block(LinkBlock& block, const Error& reason);
  void tags_verified_up_to(std::uint64_t peer_counter);
  void run_reconciler(LinkBlock& block, Bytes message);
  void reconciler_stepped(LinkBlock& block, Result<std::optional<Bytes>> step);
  void finish_reconciliation(LinkBlock& block);
  Status count_key_errors_and_rates(LinkBlock& block);
  ProofInput proof_input(const LinkBlock& block, std::uint64_t leak_bits) const;
  double unaccounted_authentication() const;
  double epsilon_of_next_block() const;
  bool budget_allows(double epsilon) const;
  void report_spent_budget();
  void refuse_for_budget(LinkBlock& block);
  void start_amplifying(LinkBlock& block);
  void prepare_block(LinkBlock& block);
  Passport make_passport(const LinkBlock& block) const;
  template <class Work, class Then>
  void run_job(LinkBlock& block, Work work, Then then);

  // session_alice.cpp
  void alice_on_commitment(const FrameHeader& header, ByteSpan payload);
  void alice_decode_commitment(LinkBlock& block);
  void alice_fetch_settings(LinkBlock& block);
  void alice_sift(LinkBlock& block);
  void alice_on_estimate(LinkBlock& block, ByteSpan payload);
  ReconcileGoal alice_choose_goal(const LinkBlock& block, double qber) const;
  void alice_send_verify(LinkBlock& block);
  void alice_on_verify_result(LinkBlock& block, const FrameHeader& header, ByteSpan payload);
  void alice_send_amplify(LinkBlock& block);
  std::uint64_t choose_ledger_bits(std::uint64_t secret_bits, bool& starts_lineage) const;

  // session_bob.cpp
  void bob_fetch_detections();
  void note_keyless_block();
  void bob_on_detections(DetectionEvents events);
  void bob_send_commitment(LinkBlock& block, Bytes commitment);
  void bob_on_sift(LinkBlock& block, const FrameHeader& header, ByteSpan payload);
  void bob_after_sift(LinkBlock& block);
  void bob_on_reconcile_start(LinkBlock& block, ByteSpan payload);
  void bob_on_verify(LinkBlock& block, ByteSpan payload);
  void bob_on_amplify(LinkBlock& block, const FrameHeader& header, ByteSpan payload);

  const LinkParameters parameters_;
  const LinkPolicy policy_;
  Ports ports_;
  const std::string software_version_;

  Phase phase_ = Phase::idle;
  Instant now_;
  LinkEffects effects_;
  TransportFacts transport_;
  Hello own_hello_;
  Bytes own_hello_frame_;
  std::array<std::byte, 32> peer_nonce_{};
  std::uint32_t session_ = 0;
  Instant session_start_;
  Instant last_heard_;

  std::uint64_t own_counter_ = 0;     // frames sent
  std::uint64_t peer_counter_ = 0;    // frames received
  std::uint64_t peer_saw_ = 0;        // highest peer_counter the peer told us
  std::uint64_t peer_verified_ = 0;   // the peer's frames up to here are covered by a verified tag
  std::uint64_t untagged_since_ = 0;  // own transcript bytes since the last own tag
  Instant untagged_at_;
  std::optional<TranscriptAuthenticator> sending_;
  std::optional<TranscriptAuthenticator> receiving_;
  bool sending_switched_ = false;
  bool receiving_switched_ = false;
  bool receiving_switch_pending_ = false;
  bool bootstrap_reported_ = false;
  std::optional<ControlChannel> control_sending_;
  std::optional<ControlChannel> control_receiving_;

  bool sent_ready_ = false;
  bool got_ready_ = false;
  bool is_finishing_ = false;
  bool goodbye_sent_ = false;
  bool goodbye_received_ = false;

  std::map<BlockId, LinkBlock> blocks_;
  // Blocks that ended in this call: wiped when it returns, since their handlers are still on the
  // stack.
  std::vector<std::map<BlockId, LinkBlock>::node_type> buried_;
  std::uint32_t keyless_blocks_ = 0;  // in a row
  Instant no_fetch_before_;
  SlotIndex slots_used_below_ = 0;  // Alice answers for no slot twice
  Instant last_sent_;
  std::uint32_t next_block_index_ = 0;   // Bob numbers blocks
  std::optional<BlockId> newest_block_;  // Alice: commitments ascend
  bool fetch_is_outstanding_ = false;
  std::uint64_t lineage_offered_ = 0;  // Alice: the lineage that a block in flight is to start
  ErrorCount last_errors_;             // of the last reconciled block, for the estimate of the next
  Instant last_block_started_;
  std::int64_t block_interval_ns_ = 0;   // Alice: between the last two commitments
  double seconds_per_round_ = 0;         // Alice: of the last reconciliation; 0: there was none
  double authentication_accounted_ = 0;  // epsilon of this session's tags that blocks carried
  bool budget_reported_ = false;
  std::uint64_t next_ticket_ = 1;
  std::map<JobTicket, Continuation> jobs_;
};

}  // namespace quoin
