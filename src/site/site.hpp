// A whole site, wired from ports: link session, ledger, key store, key manager, delivery. The same
// wiring runs behind sockets and under src/sim. One thread calls it.
//
// Every call carries out what must be durable through the Store port before it returns, and gives
// back what the driver has to do next, in order. When the store fails, the site is broken for good:
// fatal_error() says why, no key leaves any more, and the driver stops the process; the next start
// burns what was in doubt.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "delivery/etsi014.hpp"
#include "kme/kme.hpp"
#include "link/session.hpp"

namespace quoin {

struct SiteConfig {
  LinkParameters parameters;
  LinkPolicy policy;
  KmeConfig kme;
  SaeRegistry saes;
  KeyStoreOptions key_store;
  Etsi014Limits delivery;
  std::string software_version = "0.1.0";
};

namespace site_effect {

struct Send {
  Bytes frame;
};
struct RunJob {
  std::uint64_t connection;  // give it back in job_done
  JobTicket ticket;
  std::move_only_function<void()> work;
};
struct FetchDetections {
  std::uint64_t connection;
  std::uint64_t slot_count;
};
struct FetchSettings {
  std::uint64_t connection;
  BlockId block;
  SlotIndex first_slot;
  std::uint64_t slot_count;
  std::shared_ptr<const std::vector<std::uint32_t>> offsets;
};
struct Report {
  LinkEvent event;
};
// Close the connection; connect again later unless an operator has to act first.
struct Disconnect {
  Error reason;
  bool needs_operator = false;
};
// Waiting deliveries may go on: call Etsi014Connection::resume on each.
struct WakeDeliveries {};

}  // namespace site_effect

using SiteEffect =
    std::variant<site_effect::Send, site_effect::RunJob, site_effect::FetchDetections,
                 site_effect::FetchSettings, site_effect::Report, site_effect::Disconnect,
                 site_effect::WakeDeliveries>;
using SiteEffects = std::vector<SiteEffect>;

class Site {
 public:
  struct Ports {
    Store& store;
    const AtRestCipher& at_rest;
    PublicRandom& public_random;
    SecretRandom& secret_random;  // thread-safe where jobs run on threads
    const Clock& clock;
  };
  // The ports outlive the site. Errors name the part of the configuration or of the store that is
  // wrong.
  static Result<std::unique_ptr<Site>> load(SiteConfig config, Ports ports);

  // The device as it says it is against what the link will be run with; a difference is a
  // configuration error.
  Status check_device(const DeviceCalibration& calibration) const;

  // One connection at a time: a new one replaces the last.
  SiteEffects connection_up(TransportFacts transport, Instant now);
  SiteEffects connection_lost(Error error, Instant now);
  SiteEffects frame_received(Bytes frame, Instant now);
  SiteEffects detections_ready(std::uint64_t connection, Result<DetectionEvents> events,
                               Instant now);
  SiteEffects settings_ready(std::uint64_t connection, BlockId block, Result<AliceAnswer> answer,
                             Instant now);
  SiteEffects job_done(std::uint64_t connection, JobTicket ticket, Instant now);
  SiteEffects tick(Instant now);
  SiteEffects finish(Instant now);

  // Delivery. `effects` of a DeliveryStep go through carry_out before its output leaves; on failure
  // the output is dropped.
  Etsi014Connection open_delivery(SaeId caller);
  Status carry_out(KmeEffects&& effects, SiteEffects& out, Instant now);

  Kme& kme() { return *kme_; }
  KeyStore& key_store() { return *key_store_; }
  const AuthLedger& ledger() const { return *ledger_; }
  LinkStatus link_status() const;
  bool is_connected() const { return session_.has_value(); }
  const std::optional<Error>& fatal_error() const { return fatal_error_; }
  const SiteConfig& config() const { return config_; }

 private:
  Site(SiteConfig config, Ports ports);
  void absorb(LinkEffects effects, SiteEffects& out, Instant now);
  void absorb_in_order(LinkEffects effects, SiteEffects& out, Instant now);
  void send_messages(SiteEffects& out, Instant now);
  void on_close(effect::Close close, SiteEffects& out, Instant now);
  void note_link_state(SiteEffects& out, Instant now);
  void break_down(Error error, SiteEffects& out);

  SiteConfig config_;
  Ports ports_;
  std::unique_ptr<const SecurityProof> proof_;
  std::optional<LinkRecords> records_;
  std::optional<AuthLedger> ledger_;
  std::unique_ptr<KeyStore> key_store_;
  std::unique_ptr<Kme> kme_;
  std::optional<LinkSession> session_;
  std::uint64_t connection_ = 0;
  bool link_was_up_ = false;
  std::deque<Bytes> messages_to_send_;  // of the key manager, for the peer's
  int absorbing_ = 0;                   // depth of absorb()
  std::optional<Error> fatal_error_;
};

}  // namespace quoin
