// What the two KMEs of a link say to each other. The messages travel over the link's authenticated
// control channel, in order; here they are bytes.
//
//   LeaseRequest  Bob's KME -> Alice's   lease me keys for this association
//   LeaseOffer    Alice's KME -> Bob's   a lease, durable at Alice's site
//   LeaseAck      Bob's KME -> Alice's   the lease is durable at Bob's site
//   LeaseRefusal  either                 no to a request (by its number) or to an offer (by its id)
#pragma once

#include <variant>

#include "keystore/lease.hpp"

namespace quoin {

constexpr std::size_t lease_message_bytes_max = 16384;

enum class RefusalReason : std::uint8_t {
  exhausted = 1,      // no key that the policy allows to lease
  unknown_sae = 2,    // an SAE is not at the site where it should be
  not_allowed = 3,    // the pair is denied
  unknown_block = 4,  // the block is not there, or is another size
  conflict = 5,       // the range was leased before
  limits = 6,         // key size or count out of bounds
};
const char* to_string(RefusalReason reason);

struct LeaseRequest {
  std::uint64_t request = 0;  // number of the request, unique in a connection, never 0
  Association association;
  std::uint32_t key_count = 0;
};
struct LeaseOffer {
  std::uint64_t request = 0;  // the request it answers, 0 for none
  LeaseTerms terms;
};
struct LeaseAck {
  LeaseId lease;
};
struct LeaseRefusal {
  std::uint64_t request = 0;  // set when a request is refused
  LeaseId lease;              // set when an offer is refused
  RefusalReason reason = RefusalReason::exhausted;
};
using LeaseMessage = std::variant<LeaseRequest, LeaseOffer, LeaseAck, LeaseRefusal>;

Bytes encode(const LeaseMessage& message);
// Malformed unless the bytes are exactly one canonical message within its bounds.
Result<LeaseMessage> decode_lease_message(ByteSpan bytes);

}  // namespace quoin
