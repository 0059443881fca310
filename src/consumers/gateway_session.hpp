// One tunnel between two gateways: user bytes sealed under delivered keys, re-keyed on the fly.
// Sans-I/O: the caller feeds user bytes, network bytes, keys and instants, and carries out the
// effects. One tunnel per user connection.
//
// Record: u8 type | u32 body length | body. All bodies but hello's header are AES-256-GCM; nonce =
// u32 epoch | u64 sequence number, associated data = type, length (hello: the header as well).
//   hello  master -> slave, clear header {version, key_ID, master SAE, slave SAE, tunnel id}, then
//   a
//          tag over it: proves the key
//   accept slave -> master: proves the key; user bytes flow only after it
//   bytes  user bytes, at most 16 KiB
//   rekey  master -> slave, {key_ID}: later records master -> slave use the new key
//   rekeyed slave -> master: later records slave -> master use the new key
//   close  end of one direction; an end of the stream without it is a truncation
// Keys: HKDF(delivered key; tunnel id, epoch, key_ID, SAE names, direction), one per direction.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "core/ports.hpp"
#include "crypto/aead.hpp"

namespace quoin {

// A key as the delivery interface hands it out: 32 bytes and its id.
struct TunnelKey {
  std::string key_id;
  SecretBytes key;
};

struct GatewayTerms {
  std::string master_sae;
  std::string slave_sae;
  std::uint64_t rekey_bytes = std::uint64_t{64} << 20;  // both directions together
  std::int64_t rekey_ns = 60 * ns_per_s;                // counts for a key that has carried bytes
  // At twice the limits user bytes wait for the new key; if none comes within this time after it
  // was asked for, the tunnel ends.
  std::int64_t key_wait_ns = 30 * ns_per_s;
};

enum class GatewayRole : std::uint8_t { master, slave };

constexpr std::size_t gateway_record_user_bytes_max = 16384;

// What the caller has to do, in this order.
struct GatewayEffects {
  Bytes to_network;
  Bytes to_user;
  bool needs_new_key = false;               // answer with key_arrived or key_failed
  std::optional<std::string> needs_key_id;  // the same, for the key of this id
  bool became_established = false;          // slave: connect to the target now
  bool end_to_user = false;                 // the peer's user ended its direction
  bool is_done = false;                     // both directions ended cleanly: close
};

class GatewaySession {
 public:
  static Result<GatewaySession> make(GatewayRole role, GatewayTerms terms, PublicRandom& random,
                                     Instant now);
  GatewaySession(GatewaySession&&) noexcept = default;
  GatewaySession& operator=(GatewaySession&&) noexcept = default;

  // Every failure ends the tunnel: close both connections, and send nothing more.
  // Once at the start. The master asks for its first key.
  GatewayEffects start();
  // Only while accepts_user_bytes().
  Result<GatewayEffects> user_bytes(ByteSpan bytes, Instant now);
  // The user ended its direction.
  Result<GatewayEffects> user_ended(Instant now);
  // Any piece. Bytes behind a re-key record are kept until the key is there (the caller stops
  // reading while !accepts_network_bytes(), so that at most one more piece is kept).
  Result<GatewayEffects> network_bytes(ByteSpan bytes, Instant now);
  // unauthenticated when the peer did not close its direction first: truncation.
  Status network_ended() const;
  Result<GatewayEffects> key_arrived(TunnelKey key, Instant now);
  Result<GatewayEffects> key_failed(const Error& error, Instant now);
  // Time-driven re-keying and time limits. Call it at deadline().
  Result<GatewayEffects> tick(Instant now);
  Instant deadline() const;

  bool accepts_user_bytes() const;
  bool accepts_network_bytes() const;
  bool is_established() const { return is_established_; }
  std::uint32_t epoch() const { return epoch_; }
  std::uint64_t keys_used() const { return keys_used_; }

 private:
  struct Direction {
    std::optional<AesGcm> cipher;
    std::uint32_t epoch = 0;
    std::uint64_t sequence = 0;
    bool is_closed = false;
  };
  struct KeyPair {
    AesGcm to_slave;
    AesGcm to_master;
  };
  struct Record;
  GatewaySession() = default;
  bool is_master() const { return role_ == GatewayRole::master; }
  KeyPair derive(const TunnelKey& key, std::uint32_t epoch) const;
  void renew(Direction& direction, AesGcm cipher);
  void ask_for_key(GatewayEffects& effects, Instant now);
  void note_new_key(Instant now);
  bool needs_rekey(Instant now) const;
  void append_record(Bytes& out, std::uint8_t type, ByteSpan plaintext);
  Result<Bytes> open_record(const Record& record);

  Status process_input(GatewayEffects& effects, Instant now);
  Status take_record(const Record& record, GatewayEffects& effects, Instant now);
  Status take_hello(const Record& record, GatewayEffects& effects, Instant now);
  Status take_accept(const Record& record);
  Status take_bytes(const Record& record, GatewayEffects& effects);
  Status take_rekey(const Record& record, GatewayEffects& effects, Instant now);
  Status take_rekeyed(const Record& record);
  Status take_close(const Record& record, GatewayEffects& effects);
  void begin_as_master(const TunnelKey& key, GatewayEffects& effects);
  Status begin_as_slave(const TunnelKey& key, GatewayEffects& effects);
  void rekey_as_master(const TunnelKey& key, GatewayEffects& effects);
  void rekey_as_slave(const TunnelKey& key, GatewayEffects& effects);
  Status check_alive() const;
  // Completes the effects of a step, or marks the tunnel failed.
  Result<GatewayEffects> settle(const Status& status, GatewayEffects effects, Instant now);

  GatewayRole role_ = GatewayRole::master;
  GatewayTerms terms_;
  std::array<std::byte, 16> tunnel_id_{};
  Direction sending_;
  Direction receiving_;
  std::optional<AesGcm> next_receiving_;  // master: for after the peer's rekeyed record
  Bytes hello_;                           // slave: its body, until the key is there
  Bytes input_;
  std::string awaited_key_id_;  // slave
  bool awaits_key_ = false;
  bool awaits_peer_ = true;  // hello, accept or rekeyed
  bool is_established_ = false;
  bool is_key_overdue_ = false;
  bool is_failed_ = false;
  bool is_done_ = false;
  std::uint32_t epoch_ = 0;
  std::uint64_t keys_used_ = 0;
  std::uint64_t bytes_under_key_ = 0;
  Instant key_since_;
  Instant waiting_since_;
  std::optional<Instant> retry_at_;
};

}  // namespace quoin
