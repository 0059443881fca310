#include "keystore/lease.hpp"

#include <algorithm>

namespace quoin {

namespace {

constexpr std::size_t id_key_bytes = 32;
constexpr std::uint64_t block_bytes_max = std::uint64_t{1} << 32;

// RFC 9562: version 8 (custom) and variant 10, so that strict readers take it for a UUID.
KeyId shape_as_uuid(const Hmac384Value& mac) {
  KeyId id;
  std::copy_n(mac.begin(), id.bytes.size(), id.bytes.begin());
  id.bytes[6] = (id.bytes[6] & std::byte{0x0f}) | std::byte{0x80};
  id.bytes[8] = (id.bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  return id;
}

constexpr bool is_dash_place(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }
constexpr std::size_t uuid_text_size = 36;

}  // namespace

Status check_sae_id(const SaeId& sae) {
  if (sae.name.empty() || sae.name.size() > sae_id_bytes_max)
    return fail(ErrorCode::invalid_argument, "an SAE ID has 1 to 255 bytes");
  const bool has_control = std::ranges::any_of(sae.name, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
  if (has_control) return fail(ErrorCode::invalid_argument, "an SAE ID has a control character");
  return success();
}

std::string to_text(const KeyId& id) {
  const std::string hex = to_hex(id.bytes);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
}

Result<KeyId> parse_key_id(std::string_view text) {
  const auto malformed = [] { return fail(ErrorCode::malformed, "a key_ID is not a UUID"); };
  if (text.size() != uuid_text_size) return malformed();
  std::string hex;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_dash_place(i) != (text[i] == '-')) return malformed();
    if (!is_dash_place(i)) hex.push_back(text[i]);
  }
  const auto bytes = from_hex(hex);
  if (!bytes) return malformed();
  KeyId id;
  std::ranges::copy(*bytes, id.bytes.begin());
  return id;
}

std::size_t KeyIdHash::operator()(const KeyId& id) const {
  // Entries are outputs of a MAC under our own key; what others ask for only reads.
  std::size_t value = 0;
  std::memcpy(&value, id.bytes.data(), sizeof value);
  return value;
}

Status check_association(const Association& association) {
  QUOIN_TRY(check_sae_id(association.master));
  if (association.slaves.empty() || association.slaves.size() > slaves_max)
    return fail(ErrorCode::invalid_argument, "an association has 1 to 16 slaves");
  for (std::size_t i = 0; i < association.slaves.size(); ++i) {
    QUOIN_TRY(check_sae_id(association.slaves[i]));
    if (i > 0 && !(association.slaves[i - 1] < association.slaves[i]))
      return fail(ErrorCode::invalid_argument, "the slaves are not in order");
  }
  if (std::ranges::binary_search(association.slaves, association.master))
    return fail(ErrorCode::invalid_argument, "an SAE shares no key with itself");
  if (association.key_bytes == 0 || association.key_bytes > key_bytes_max)
    return fail(ErrorCode::invalid_argument, "a key has 1 to 1024 bytes");
  return success();
}

void write_association(ByteWriter& writer, const Association& association) {
  writer.text(association.master.name).u8(static_cast<std::uint8_t>(association.slaves.size()));
  for (const SaeId& slave : association.slaves) writer.text(slave.name);
  writer.u32(association.key_bytes);
}

void read_association(ByteReader& reader, Association& association) {
  association.master.name = reader.text(sae_id_bytes_max);
  const std::size_t count = reader.u8();
  if (count > slaves_max) return reader.mark_failed();
  for (std::size_t i = 0; i < count; ++i)
    association.slaves.push_back({reader.text(sae_id_bytes_max)});
  association.key_bytes = reader.u32();
}

LeaseTerms LeaseTerms::clone_secret() const {
  return {id, id_key.clone_secret(), block, offset_bytes, range_bytes, key_count, association};
}

Status check_terms(const LeaseTerms& terms) {
  QUOIN_TRY(check_association(terms.association));
  if (terms.id_key.size_bytes() != id_key_bytes)
    return fail(ErrorCode::invalid_argument, "a lease id key has 32 bytes");
  if (terms.key_count == 0 || terms.key_count > lease_keys_max)
    return fail(ErrorCode::invalid_argument, "a lease has 1 to 8192 keys");
  if (terms.offset_bytes >= block_bytes_max || terms.range_bytes > block_bytes_max)
    return fail(ErrorCode::invalid_argument, "a lease leaves every block");
  // What is burnt beside the keys is less than the longest key.
  const std::uint64_t keys = std::uint64_t{terms.key_count} * terms.association.key_bytes;
  if (terms.range_bytes < keys || terms.range_bytes - keys >= key_bytes_max)
    return fail(ErrorCode::invalid_argument, "the range of a lease does not fit its keys");
  return success();
}

SecretBytes encode_terms(const LeaseTerms& terms) {
  ByteWriter rest;
  rest.u64(to_u64(terms.block)).u64(terms.offset_bytes).u64(terms.range_bytes).u32(terms.key_count);
  write_association(rest, terms.association);
  SecretBytes out = SecretBytes::zeroed(terms.id.bytes.size() + id_key_bytes + rest.size());
  auto at = out.expose_secret_mutable().begin();
  at = std::ranges::copy(terms.id.bytes, at).out;
  at = std::ranges::copy(terms.id_key.expose_secret(), at).out;
  std::ranges::copy(rest.bytes(), at);
  return out;
}

Result<LeaseTerms> decode_terms(ByteSpan bytes) {
  ByteReader reader(bytes);
  LeaseTerms terms;
  const ByteSpan id = reader.fixed(terms.id.bytes.size());
  const ByteSpan id_key = reader.fixed(id_key_bytes);
  terms.block = BlockId{reader.u64()};
  terms.offset_bytes = reader.u64();
  terms.range_bytes = reader.u64();
  terms.key_count = reader.u32();
  read_association(reader, terms.association);
  QUOIN_TRY(reader.finish("a lease"));
  std::ranges::copy(id, terms.id.bytes.begin());
  terms.id_key = SecretBytes::zeroed(id_key_bytes);
  std::ranges::copy(id_key, terms.id_key.expose_secret_mutable().begin());
  if (const Status checked = check_terms(terms); !checked)
    return fail(ErrorCode::malformed, checked.error().message);
  return terms;
}

KeyIds::KeyIds(const LeaseTerms& terms) : mac_(terms.id_key.expose_secret()) {}

KeyId KeyIds::at(std::uint32_t index) {
  const Bytes counter = std::move(ByteWriter().u32(index)).take();
  return shape_as_uuid(mac_.update(as_bytes("key id")).update(counter).finish());
}

KeyStatement statement_of(const Passport& passport, const LeaseTerms& terms) {
  KeyStatement statement;
  statement.grade = passport.grade;
  statement.epsilon_sec = passport.epsilon_sec;
  statement.epsilon_cor = passport.epsilon_cor;
  statement.epsilon_accumulated = passport.epsilon_accumulated;
  statement.lineage = passport.lineage;
  statement.source = passport.source;
  statement.opaque_id =
      shape_as_uuid(hmac_sha384(terms.id_key.expose_secret(), as_bytes("passport")));
  return statement;
}

}  // namespace quoin
