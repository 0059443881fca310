// The JSON of ETSI GS QKD 014 V1.1.1, sections 6.1 to 6.5 (tables 9 to 13), as the server reads and
// writes it. For src/delivery. Bodies that carry keys are written straight into one wiped slab;
// bodies that are read carry none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kme/kme.hpp"

namespace quoin {

// A refusal as the standard words it: HTTP status, message, and names for the details.
struct Etsi014Refusal {
  unsigned status = 400;
  std::string message;
  std::vector<std::pair<std::string, std::string>> details;
};
template <class T>
using Etsi014Outcome = std::variant<T, Etsi014Refusal>;

// The body of "Get key" into the parts of a KeyRequest that it may carry. An empty body is an empty
// object. Members that are not known are ignored, doubles are refused, and of the extensions only
// quoin_grade_min is known: the least grade, by its name in the passport summary.
struct KeyRequestBody {
  std::uint32_t number = 1;
  std::optional<std::uint32_t> size_bits;
  std::vector<SaeId> additional_slaves;
  std::optional<Grade> grade_min;
};
Etsi014Outcome<KeyRequestBody> parse_key_request(std::string_view body);

// The body of "Get key with key IDs".
Etsi014Outcome<std::vector<KeyId>> parse_key_ids(std::string_view body);

std::string status_json(const KmeStatus& status);
std::string error_json(const Etsi014Refusal& refusal);

// `head(body size)` gives what stands in front; both end up in one slab.
template <class Head>
SecretBytes key_container_slab(std::span<const DeliveredKey> keys, bool with_extension,
                               Head&& head);

// The pieces of key_container_slab.
std::size_t key_container_size(std::span<const DeliveredKey> keys, bool with_extension);
void write_key_container(std::span<const DeliveredKey> keys, bool with_extension,
                         MutableByteSpan out);

template <class Head>
SecretBytes key_container_slab(std::span<const DeliveredKey> keys, bool with_extension,
                               Head&& head) {
  const std::size_t size = key_container_size(keys, with_extension);
  const std::string front = head(size);
  SecretBytes slab = SecretBytes::zeroed(front.size() + size);
  const MutableByteSpan bytes = slab.expose_secret_mutable();
  std::ranges::copy(as_bytes(front), bytes.begin());
  write_key_container(keys, with_extension, bytes.subspan(front.size()));
  return slab;
}

}  // namespace quoin
