// The words of leases: SAE names, key_IDs, associations, and the terms of one lease as both KMEs
// hold them. For src/keystore, src/kme, src/delivery.
#pragma once

#include <array>
#include <compare>
#include <string>
#include <string_view>
#include <vector>

#include "core/ports.hpp"
#include "crypto/mac.hpp"

namespace quoin {

// An opaque, case-sensitive UTF-8 name, unique in the whole QKD network.
struct SaeId {
  std::string name;
  auto operator<=>(const SaeId&) const = default;
};
constexpr std::size_t sae_id_bytes_max = 255;
// 1 to 255 bytes, no control characters.
Status check_sae_id(const SaeId& sae);

// A key_ID. Shaped as a UUID of version 8 (RFC 9562), so 122 of its bits carry meaning.
struct KeyId {
  std::array<std::byte, 16> bytes{};
  auto operator<=>(const KeyId&) const = default;
};
std::string to_text(const KeyId& id);               // 8-4-4-4-12, lower case
Result<KeyId> parse_key_id(std::string_view text);  // either case; any UUID version
struct KeyIdHash {
  std::size_t operator()(const KeyId& id) const;
};

struct LeaseId {
  std::array<std::byte, 16> bytes{};
  auto operator<=>(const LeaseId&) const = default;
};

// Who may use a key, and how long it is: the ordered pair (or one master and a set of slaves).
struct Association {
  SaeId master;
  std::vector<SaeId> slaves;  // sorted, no doubles, 1 to slaves_max
  std::uint32_t key_bytes = 0;
  auto operator<=>(const Association&) const = default;
};
constexpr std::size_t slaves_max = 16;
constexpr std::uint32_t key_bytes_max = 1024;
constexpr std::uint32_t lease_keys_max = 8192;

// What both KMEs know of a lease. The i-th key is bytes [offset + i key_bytes, offset + (i + 1)
// key_bytes) of the block. The range may be longer than the keys: the rest is burnt.
struct LeaseTerms {
  LeaseId id;
  SecretBytes id_key;  // 32 bytes, independent of the key material
  BlockId block{};
  std::uint64_t offset_bytes = 0;
  std::uint64_t range_bytes = 0;
  std::uint32_t key_count = 0;
  Association association;

  LeaseTerms clone_secret() const;
};
// The bounds and the arithmetic of the terms; not whether the block is there.
Status check_terms(const LeaseTerms& terms);
// For the wire and for the store; the id key is in it.
SecretBytes encode_terms(const LeaseTerms& terms);
// Reads exactly one encoding; malformed otherwise. Checked by check_terms().
Result<LeaseTerms> decode_terms(ByteSpan bytes);
void read_association(ByteReader& reader, Association& association);
void write_association(ByteWriter& writer, const Association& association);
Status check_association(const Association& association);

// The key_IDs of a lease: HMAC-SHA-384(id key, "key id" || index), cut to 128 bits
// (security-rules D2).
class KeyIds {
 public:
  explicit KeyIds(const LeaseTerms& terms);
  KeyId at(std::uint32_t index);

 private:
  HmacSha384 mac_;
};

// What an SAE may know of the making of its key (security-rules D6). The opaque id is the same for
// all keys of a lease and at both sites, and reveals nothing about block or other SAEs.
struct KeyStatement {
  Grade grade = Grade::bootstrap_pki;
  double epsilon_sec = 0;
  double epsilon_cor = 0;
  double epsilon_accumulated = 0;
  std::uint64_t lineage = 0;
  KeySource source = KeySource::simulated;
  KeyId opaque_id;
};
KeyStatement statement_of(const Passport& passport, const LeaseTerms& terms);

struct DeliveredKey {
  KeyId id;
  SecretBytes key;
  KeyStatement statement;
};

}  // namespace quoin
