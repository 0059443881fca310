#include "consumers/gateway_session.hpp"

#include <algorithm>
#include <limits>

#include "crypto/kdf.hpp"

namespace quoin {

namespace {

// The numbers are on the wire.
enum RecordType : std::uint8_t {
  record_hello = 1,
  record_accept = 2,
  record_bytes = 3,
  record_rekey = 4,
  record_rekeyed = 5,
  record_close = 6,
};

constexpr std::uint16_t version = 1;
constexpr std::size_t record_header_bytes = 5;
constexpr std::size_t body_bytes_max = gateway_record_user_bytes_max + aead_tag_bytes;
constexpr std::size_t hello_header_max = 1024;
constexpr std::size_t name_max = 256;
constexpr std::size_t key_id_max = 64;
constexpr std::size_t input_bytes_max = std::size_t{4} << 20;
constexpr std::int64_t retry_ns = ns_per_s;
constexpr std::uint64_t hard_factor = 2;  // user bytes wait from this multiple of the limits on

struct Hello {
  std::string key_id;
  std::string master_sae;
  std::string slave_sae;
  std::array<std::byte, 16> tunnel_id{};
};

Bytes encode(const Hello& hello) {
  ByteWriter out;
  out.u16(version).text(hello.key_id).text(hello.master_sae).text(hello.slave_sae);
  out.fixed(hello.tunnel_id);
  return std::move(out).take();
}

Result<Hello> decode_hello(ByteSpan header) {
  ByteReader in(header);
  if (in.u16() != version)
    return fail(ErrorCode::conflict, "the other gateway speaks another version",
                "install the same release on both sites");
  Hello hello;
  hello.key_id = in.text(key_id_max);
  hello.master_sae = in.text(name_max);
  hello.slave_sae = in.text(name_max);
  const ByteSpan id = in.fixed(hello.tunnel_id.size());
  QUOIN_TRY(in.finish("the gateway's hello"));
  std::copy(id.begin(), id.end(), hello.tunnel_id.begin());
  return hello;
}

Bytes record_header(std::uint8_t type, std::size_t body_bytes) {
  ByteWriter out;
  out.u8(type).u32(static_cast<std::uint32_t>(body_bytes));
  return std::move(out).take();
}

AeadNonce nonce_of(std::uint32_t epoch, std::uint64_t sequence) {
  ByteWriter out;
  out.u32(epoch).u64(sequence);
  AeadNonce nonce;
  std::copy(out.bytes().begin(), out.bytes().end(), nonce.begin());
  return nonce;
}

Failure out_of_order() {
  return fail(ErrorCode::malformed, "the other gateway sent a record out of order");
}

}  // namespace

struct GatewaySession::Record {
  std::uint8_t type = 0;
  ByteSpan header;
  ByteSpan body;
};

Result<GatewaySession> GatewaySession::make(GatewayRole role, GatewayTerms terms,
                                            PublicRandom& random, Instant now) {
  const bool are_names_good = !terms.master_sae.empty() && !terms.slave_sae.empty() &&
                              terms.master_sae.size() <= name_max &&
                              terms.slave_sae.size() <= name_max;
  if (!are_names_good)
    return fail(ErrorCode::configuration, "a gateway needs the SAE names of both ends",
                "name this gateway's SAE and the other one's");
  if (terms.rekey_bytes == 0 || terms.rekey_bytes > std::uint64_t{1} << 40 || terms.rekey_ns <= 0 ||
      terms.key_wait_ns <= 0)
    return fail(ErrorCode::configuration, "the gateway's re-key limits are out of bounds",
                "re-key after 1 byte to 1 TiB and after a positive time");
  GatewaySession session;
  session.role_ = role;
  session.terms_ = std::move(terms);
  if (role == GatewayRole::master) random.fill(session.tunnel_id_);
  session.key_since_ = now;
  session.waiting_since_ = now;
  return session;
}

GatewayEffects GatewaySession::start() {
  GatewayEffects effects;
  if (is_master()) ask_for_key(effects, waiting_since_);
  return effects;
}

GatewaySession::KeyPair GatewaySession::derive(const TunnelKey& key, std::uint32_t epoch) const {
  ByteWriter number;
  number.u32(epoch);
  const auto one = [&](std::string_view direction) {
    return AesGcm(
        hkdf_sha384(key.key.expose_secret(), {}, "gateway",
                    {tunnel_id_, number.bytes(), as_bytes(key.key_id), as_bytes(terms_.master_sae),
                     as_bytes(terms_.slave_sae), as_bytes(direction)},
                    aead_key_bytes));
  };
  return {one("master to slave"), one("slave to master")};
}

void GatewaySession::renew(Direction& direction, AesGcm cipher) {
  direction.cipher = std::move(cipher);
  direction.epoch = epoch_;
  direction.sequence = 0;
}

void GatewaySession::ask_for_key(GatewayEffects& effects, Instant now) {
  if (!awaits_key_ && !retry_at_) waiting_since_ = now;
  awaits_key_ = true;
  retry_at_.reset();
  if (is_master()) {
    effects.needs_new_key = true;
  } else {
    effects.needs_key_id = awaited_key_id_;
  }
}

void GatewaySession::note_new_key(Instant now) {
  awaits_key_ = false;
  retry_at_.reset();
  is_key_overdue_ = false;
  bytes_under_key_ = 0;
  key_since_ = now;
  waiting_since_ = now;
  ++keys_used_;
}

bool GatewaySession::needs_rekey(Instant now) const {
  if (!is_master() || !is_established_ || is_done_ || awaits_key_ || awaits_peer_ || retry_at_)
    return false;
  // An idle tunnel burns no keys.
  const bool is_old = bytes_under_key_ > 0 && now.ns - key_since_.ns >= terms_.rekey_ns;
  return is_old || bytes_under_key_ >= terms_.rekey_bytes;
}

void GatewaySession::append_record(Bytes& out, std::uint8_t type, ByteSpan plaintext) {
  const Bytes header = record_header(type, plaintext.size() + aead_tag_bytes);
  out.insert(out.end(), header.begin(), header.end());
  const std::size_t at = out.size();
  out.resize(at + plaintext.size() + aead_tag_bytes);
  sending_.cipher->seal_into(nonce_of(sending_.epoch, sending_.sequence++), plaintext, header,
                             MutableByteSpan(out).subspan(at));
}

Result<Bytes> GatewaySession::open_record(const Record& record) {
  if (record.body.size() < aead_tag_bytes)
    return fail(ErrorCode::malformed, "the other gateway sent a record that is too short");
  Bytes plaintext(record.body.size() - aead_tag_bytes);
  const Status opened = receiving_.cipher->open_into(
      nonce_of(receiving_.epoch, receiving_.sequence), record.body, record.header, plaintext);
  if (!opened)
    return fail(ErrorCode::unauthenticated,
                "a record of the other gateway does not verify: it was altered on the way, lost or "
                "reordered",
                "look for what changes bytes on the path between the gateways");
  ++receiving_.sequence;
  return plaintext;
}

Status GatewaySession::check_alive() const {
  if (!is_failed_) return success();
  return fail(ErrorCode::conflict, "the tunnel has failed before");
}

Result<GatewayEffects> GatewaySession::settle(const Status& status, GatewayEffects effects,
                                              Instant now) {
  if (!status) {
    is_failed_ = true;
    sending_.cipher.reset();
    receiving_.cipher.reset();
    next_receiving_.reset();
    return status.failure();
  }
  if (is_established_ && sending_.is_closed && receiving_.is_closed && !is_done_) {
    is_done_ = true;
    effects.is_done = true;
  }
  if (needs_rekey(now)) ask_for_key(effects, now);
  return effects;
}

Result<GatewayEffects> GatewaySession::user_bytes(ByteSpan bytes, Instant now) {
  QUOIN_TRY(check_alive());
  QUOIN_INVARIANT(is_established_ && !sending_.is_closed,
                  "user bytes outside of the tunnel's time");
  GatewayEffects effects;
  bytes_under_key_ += bytes.size();
  while (!bytes.empty()) {
    const ByteSpan piece = bytes.first(std::min(bytes.size(), gateway_record_user_bytes_max));
    bytes = bytes.subspan(piece.size());
    append_record(effects.to_network, record_bytes, piece);
  }
  return settle(success(), std::move(effects), now);
}

Result<GatewayEffects> GatewaySession::user_ended(Instant now) {
  QUOIN_TRY(check_alive());
  QUOIN_INVARIANT(is_established_, "the user's end before the tunnel is established");
  GatewayEffects effects;
  if (!sending_.is_closed) append_record(effects.to_network, record_close, {});
  sending_.is_closed = true;
  return settle(success(), std::move(effects), now);
}

Result<GatewayEffects> GatewaySession::network_bytes(ByteSpan bytes, Instant now) {
  QUOIN_TRY(check_alive());
  GatewayEffects effects;
  if (input_.size() + bytes.size() > input_bytes_max)
    return settle(fail(ErrorCode::too_large, "the other gateway sent more than can be kept"),
                  std::move(effects), now);
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  const Status status = process_input(effects, now);
  return settle(status, std::move(effects), now);
}

Status GatewaySession::network_ended() const {
  if (is_failed_ || receiving_.is_closed) return success();
  if (!is_established_)
    return fail(ErrorCode::unavailable, "the other gateway closed before the tunnel was there",
                "look at its log: it may not get the key of this id, or not reach its target");
  return fail(ErrorCode::unauthenticated, "the tunnel was cut: bytes may be missing",
              "send them again");
}

Status GatewaySession::process_input(GatewayEffects& effects, Instant now) {
  std::size_t at = 0;
  Status status = success();
  // A slave that waits for a key cannot read what follows.
  while (status && (is_master() || !awaits_key_)) {
    const ByteSpan rest = ByteSpan(input_).subspan(at);
    if (rest.size() < record_header_bytes) break;
    ByteReader in(rest);
    Record record;
    record.type = in.u8();
    const std::size_t size = in.u32();
    if (size > body_bytes_max)
      return fail(ErrorCode::too_large, "the other gateway announced a record over its bound");
    if (in.remaining().size() < size) break;
    record.header = rest.first(record_header_bytes);
    record.body = in.fixed(size);
    at += record_header_bytes + size;
    status = take_record(record, effects, now);
  }
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(at));
  return status;
}

// The legal moves of both roles.
Status GatewaySession::take_record(const Record& record, GatewayEffects& effects, Instant now) {
  const bool is_flowing = is_established_ && !receiving_.is_closed;
  switch (record.type) {
    case record_hello:
      return !is_master() && awaits_peer_ ? take_hello(record, effects, now) : out_of_order();
    case record_accept:
      return is_master() && !is_established_ && receiving_.cipher ? take_accept(record)
                                                                  : out_of_order();
    case record_bytes: return is_flowing ? take_bytes(record, effects) : out_of_order();
    case record_rekey:
      return !is_master() && is_established_ ? take_rekey(record, effects, now) : out_of_order();
    case record_rekeyed:
      return is_master() && is_established_ && awaits_peer_ ? take_rekeyed(record) : out_of_order();
    case record_close: return is_flowing ? take_close(record, effects) : out_of_order();
    default:
      return fail(ErrorCode::malformed, "the other side does not speak the gateway protocol");
  }
}

Status GatewaySession::take_hello(const Record& record, GatewayEffects& effects, Instant now) {
  ByteReader in(record.body);
  const ByteSpan header = in.prefixed(hello_header_max);
  in.fixed(aead_tag_bytes);  // verified by begin_as_slave(), once the key is there
  QUOIN_TRY(in.finish("the gateway's hello"));
  QUOIN_TAKE(hello, decode_hello(header));
  if (hello.master_sae != terms_.master_sae || hello.slave_sae != terms_.slave_sae)
    return fail(ErrorCode::unauthorised, "the other gateway is for another pair of SAEs",
                "compare the SAE names in both gateways' configurations");
  tunnel_id_ = hello.tunnel_id;
  hello_.assign(record.body.begin(), record.body.end());
  awaited_key_id_ = hello.key_id;
  awaits_peer_ = false;
  ask_for_key(effects, now);
  return success();
}

void GatewaySession::begin_as_master(const TunnelKey& key, GatewayEffects& effects) {
  KeyPair pair = derive(key, epoch_);
  renew(sending_, std::move(pair.to_slave));
  renew(receiving_, std::move(pair.to_master));
  const Bytes header = encode(Hello{key.key_id, terms_.master_sae, terms_.slave_sae, tunnel_id_});
  ByteWriter body;
  body.prefixed(header);
  const Bytes start = record_header(record_hello, body.size() + aead_tag_bytes);
  ByteWriter associated;
  associated.fixed(start).fixed(body.bytes());
  const Bytes tag =
      sending_.cipher->seal(nonce_of(epoch_, sending_.sequence++), {}, associated.bytes());
  ByteWriter out;
  out.fixed(start).fixed(body.bytes()).fixed(tag);
  effects.to_network = std::move(out).take();
}

Status GatewaySession::begin_as_slave(const TunnelKey& key, GatewayEffects& effects) {
  KeyPair pair = derive(key, epoch_);
  renew(receiving_, std::move(pair.to_slave));
  renew(sending_, std::move(pair.to_master));
  const std::size_t clear = hello_.size() - aead_tag_bytes;
  ByteWriter associated;
  associated.fixed(record_header(record_hello, hello_.size())).fixed(ByteSpan(hello_).first(clear));
  const auto opened = receiving_.cipher->open(nonce_of(epoch_, receiving_.sequence),
                                              ByteSpan(hello_).subspan(clear), associated.bytes());
  if (!opened)
    return fail(ErrorCode::unauthenticated,
                "the other gateway's hello does not verify under the key of its id",
                "are both gateways connected to the same pair of KMEs?");
  ++receiving_.sequence;
  hello_.clear();
  append_record(effects.to_network, record_accept, {});
  is_established_ = true;
  effects.became_established = true;
  return success();
}

Status GatewaySession::take_accept(const Record& record) {
  QUOIN_TAKE(nothing, open_record(record));
  if (!nothing.empty()) return out_of_order();
  is_established_ = true;
  awaits_peer_ = false;
  return success();
}

Status GatewaySession::take_bytes(const Record& record, GatewayEffects& effects) {
  QUOIN_TAKE(bytes, open_record(record));
  bytes_under_key_ += bytes.size();
  effects.to_user.insert(effects.to_user.end(), bytes.begin(), bytes.end());
  return success();
}

Status GatewaySession::take_rekey(const Record& record, GatewayEffects& effects, Instant now) {
  QUOIN_TAKE(body, open_record(record));
  ByteReader in(body);
  awaited_key_id_ = in.text(key_id_max);
  QUOIN_TRY(in.finish("the gateway's re-key record"));
  ask_for_key(effects, now);
  return success();
}

void GatewaySession::rekey_as_master(const TunnelKey& key, GatewayEffects& effects) {
  ByteWriter body;
  body.text(key.key_id);
  append_record(effects.to_network, record_rekey, body.bytes());
  ++epoch_;
  KeyPair pair = derive(key, epoch_);
  renew(sending_, std::move(pair.to_slave));
  next_receiving_ = std::move(pair.to_master);
  awaits_peer_ = true;
}

void GatewaySession::rekey_as_slave(const TunnelKey& key, GatewayEffects& effects) {
  append_record(effects.to_network, record_rekeyed, {});
  ++epoch_;
  KeyPair pair = derive(key, epoch_);
  renew(receiving_, std::move(pair.to_slave));
  renew(sending_, std::move(pair.to_master));
}

Status GatewaySession::take_rekeyed(const Record& record) {
  QUOIN_TAKE(nothing, open_record(record));
  if (!nothing.empty()) return out_of_order();
  renew(receiving_, std::move(*next_receiving_));
  next_receiving_.reset();
  awaits_peer_ = false;
  return success();
}

Status GatewaySession::take_close(const Record& record, GatewayEffects& effects) {
  QUOIN_TAKE(nothing, open_record(record));
  if (!nothing.empty()) return out_of_order();
  receiving_.is_closed = true;
  effects.end_to_user = true;
  return success();
}

Result<GatewayEffects> GatewaySession::key_arrived(TunnelKey key, Instant now) {
  QUOIN_TRY(check_alive());
  GatewayEffects effects;
  if (!awaits_key_ || is_done_) return effects;  // too late: the key is burnt
  if (key.key.size_bytes() != aead_key_bytes || key.key_id.size() > key_id_max)
    return settle(fail(ErrorCode::invalid_argument, "the gateway needs keys of 256 bits",
                       "ask the KME for size 256"),
                  std::move(effects), now);
  if (!is_master() && key.key_id != awaited_key_id_)
    return settle(fail(ErrorCode::internal, "the gateway was given the key of another id"),
                  std::move(effects), now);
  note_new_key(now);
  Status status = success();
  if (!is_established_) {
    if (is_master()) begin_as_master(key, effects);
    if (!is_master()) status = begin_as_slave(key, effects);
  } else if (is_master()) {
    rekey_as_master(key, effects);
  } else {
    rekey_as_slave(key, effects);
  }
  if (status && !is_master()) status = process_input(effects, now);
  return settle(status, std::move(effects), now);
}

Result<GatewayEffects> GatewaySession::key_failed(const Error& error, Instant now) {
  QUOIN_TRY(check_alive());
  GatewayEffects effects;
  if (!awaits_key_ || is_done_) return effects;
  const bool may_retry =
      is_master() && is_established_ && now.ns + retry_ns - waiting_since_.ns < terms_.key_wait_ns;
  if (!may_retry) return settle(Failure{error}, std::move(effects), now);
  awaits_key_ = false;
  retry_at_ = Instant{now.ns + retry_ns};
  return settle(success(), std::move(effects), now);
}

Result<GatewayEffects> GatewaySession::tick(Instant now) {
  QUOIN_TRY(check_alive());
  GatewayEffects effects;
  if (is_done_) return effects;
  if ((awaits_key_ || awaits_peer_ || retry_at_) &&
      now.ns - waiting_since_.ns >= terms_.key_wait_ns) {
    const char* what =
        awaits_peer_ ? "the other gateway does not answer" : "no key for the gateway came in time";
    return settle(fail(ErrorCode::unavailable, what, "is the link making key? quoin status"),
                  std::move(effects), now);
  }
  if (retry_at_ && now >= *retry_at_) ask_for_key(effects, now);
  is_key_overdue_ =
      bytes_under_key_ > 0 &&
      now.ns - key_since_.ns >= static_cast<std::int64_t>(hard_factor) * terms_.rekey_ns;
  return settle(success(), std::move(effects), now);
}

Instant GatewaySession::deadline() const {
  Instant first{std::numeric_limits<std::int64_t>::max()};
  if (is_done_ || is_failed_) return first;
  const bool waits = awaits_key_ || awaits_peer_ || retry_at_;
  if (waits) first = {waiting_since_.ns + terms_.key_wait_ns};
  if (retry_at_) first = std::min(first, *retry_at_);
  if (!is_established_ || bytes_under_key_ == 0) return first;
  if (is_master() && !waits) first = {key_since_.ns + terms_.rekey_ns};
  if (!is_key_overdue_)
    first = std::min(
        first, Instant{key_since_.ns + static_cast<std::int64_t>(hard_factor) * terms_.rekey_ns});
  return first;
}

bool GatewaySession::accepts_user_bytes() const {
  return is_established_ && !is_failed_ && !sending_.is_closed && !is_key_overdue_ &&
         bytes_under_key_ < hard_factor * terms_.rekey_bytes;
}

bool GatewaySession::accepts_network_bytes() const {
  return !is_failed_ && (is_master() || !awaits_key_);
}

}  // namespace quoin
