// The server side of ETSI GS QKD 014 V1.1.1, one object per connection of an SAE: HTTP/1.1 bytes
// in, bytes out. No I/O: src/site puts it behind the mutual-TLS listener of src/adapters, which has
// the SAE's identity from the certificate (SAN URI quoin:sae:NAME, else SAN DNS, else CN).
//
// One request at a time; what a client pipelines waits in a bounded buffer. A request that has to
// wait for a lease is answered by resume() when the KME changed, or with 503 when its time is up.
// Wire words of the standard (key_ID, master_SAE_ID) live in this folder alone.
#pragma once

#include <memory>

#include "kme/kme.hpp"

namespace quoin {

struct Etsi014Limits {
  std::string url_prefix;  // in front of /api/v1/keys, for example "/client/a"; no slash at the end
  std::size_t header_bytes_max = 8192;
  std::size_t body_bytes_max = 65536;
  std::size_t pipelined_bytes_max = 131072;
  std::int64_t wait_ns_max = 5 * ns_per_s;  // for a lease, before 503
  bool emits_key_extension = true;          // the passport summary beside each key
};

// Carry out `effects` first (see KmeEffects); when its batch does not become durable, drop `output`
// and close. Then send `output`, then close when not `keeps_open`. `output` may hold keys.
struct DeliveryStep {
  KmeEffects effects;
  SecretBytes output;
  bool keeps_open = true;
  std::optional<Instant>
      answer_due;  // a request waits: call resume() then, or when the KME changed
};

class Etsi014Connection {
 public:
  Etsi014Connection(Kme& kme, SaeId caller, Etsi014Limits limits);
  Etsi014Connection(Etsi014Connection&&) noexcept;
  Etsi014Connection& operator=(Etsi014Connection&&) noexcept;
  ~Etsi014Connection();

  // Bytes from the client; any split is fine.
  DeliveryStep feed(ByteSpan bytes, Instant now);
  // Tries the waiting request again. Does nothing when none waits.
  DeliveryStep resume(Instant now);
  bool is_waiting() const;

 private:
  class Machine;
  std::unique_ptr<Machine> machine_;
};

}  // namespace quoin
