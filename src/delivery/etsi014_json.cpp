#include "delivery/etsi014_json.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "delivery/base64.hpp"
#include "delivery/json_members.hpp"

namespace quoin {

namespace json = boost::json;

namespace {

Etsi014Refusal bad(std::string message) { return {400, std::move(message), {}}; }

constexpr std::string_view grade_extension = "quoin_grade_min";

std::optional<Grade> grade_named(std::string_view name) {
  for (const Grade grade : {Grade::bootstrap_pki, Grade::bootstrap_openpgp, Grade::bootstrap_psk,
                            Grade::information_theoretic})
    if (name == to_string(grade)) return grade;
  return std::nullopt;
}

// A JSON object without double members anywhere, or why not.
Etsi014Outcome<json::object> parse_object(std::string_view body) {
  if (has_double_members(body)) return bad("the JSON has a member twice");
  boost::system::error_code error;
  json::value value = json::parse(body, error);
  if (error) return bad("the body is no JSON");
  if (!value.is_object()) return bad("the body is no JSON object");
  return std::move(value.get_object());
}

std::optional<std::uint32_t> as_number(const json::value& value) {
  constexpr std::uint64_t limit = std::numeric_limits<std::uint32_t>::max();
  if (value.is_int64() && value.get_int64() >= 0 &&
      static_cast<std::uint64_t>(value.get_int64()) <= limit)
    return static_cast<std::uint32_t>(value.get_int64());
  return std::nullopt;
}

std::optional<Etsi014Refusal> read_slaves(const json::value& value, std::vector<SaeId>& slaves) {
  if (!value.is_array()) return bad("additional_slave_SAE_IDs shall be an array of strings");
  for (const json::value& item : value.get_array()) {
    if (!item.is_string()) return bad("additional_slave_SAE_IDs shall be an array of strings");
    slaves.push_back({std::string(item.get_string())});
    if (const Status named = check_sae_id(slaves.back()); !named) return bad(named.error().message);
  }
  return std::nullopt;
}

std::optional<Etsi014Refusal> read_mandatory(const json::value& value, KeyRequestBody& out) {
  Etsi014Refusal unsupported = bad("not all extension_mandatory parameters are supported");
  if (!value.is_array()) return bad("extension_mandatory shall be an array of objects");
  for (const json::value& item : value.get_array()) {
    if (!item.is_object()) return bad("extension_mandatory shall be an array of objects");
    for (const auto& [name, wanted] : item.get_object()) {
      if (name != grade_extension) {
        unsupported.details.emplace_back("extension_mandatory_unsupported", std::string(name));
        continue;
      }
      const auto grade =
          wanted.is_string() ? grade_named(wanted.get_string()) : std::optional<Grade>{};
      if (!grade) return bad("not all extension_mandatory request options could be met");
      out.grade_min = std::max(*grade, out.grade_min.value_or(*grade));
    }
  }
  if (!unsupported.details.empty()) return unsupported;
  return std::nullopt;
}

std::optional<Etsi014Refusal> check_optional(const json::value& value) {
  const bool is_right =
      value.is_array() && std::ranges::all_of(value.get_array(), [](const json::value& item) {
        return item.is_object();
      });
  if (!is_right) return bad("extension_optional shall be an array of objects");
  return std::nullopt;  // ignored, as the standard allows
}

std::optional<Etsi014Refusal> read_member(std::string_view name, const json::value& value,
                                          KeyRequestBody& out) {
  if (name == "number") {
    const auto number = as_number(value);
    if (!number) return bad("number shall be a positive integer");
    out.number = *number;
  } else if (name == "size") {
    out.size_bits = as_number(value);
    if (!out.size_bits) return bad("size shall be a positive integer");
  } else if (name == "additional_slave_SAE_IDs") {
    return read_slaves(value, out.additional_slaves);
  } else if (name == "extension_mandatory") {
    return read_mandatory(value, out);
  } else if (name == "extension_optional") {
    return check_optional(value);
  }
  return std::nullopt;
}

// Counts, or copies: the same text twice, first for its size, then into the slab.
class Sink {
 public:
  Sink() = default;
  explicit Sink(MutableByteSpan out) : out_(out), writes_(true) {}
  void text(std::string_view text) {
    if (writes_) std::ranges::copy(as_bytes(text), out_.subspan(size_).begin());
    size_ += text.size();
  }
  void base64(ByteSpan secret) {
    const std::size_t size = base64_size(secret.size());
    if (writes_) write_base64(secret, out_.subspan(size_, size));
    size_ += size;
  }
  std::size_t size() const { return size_; }

 private:
  MutableByteSpan out_;
  bool writes_ = false;
  std::size_t size_ = 0;
};

std::string number_text(double value) {
  if (!std::isfinite(value)) return "null";
  char buffer[32];
  const auto end = std::to_chars(std::begin(buffer), std::end(buffer), value).ptr;
  return {buffer, end};
}

// The passport summary of security-rules D6. The lineage is a string: JSON numbers end at 2^53.
std::string statement_json(const KeyStatement& statement) {
  return std::string("{\"quoin_passport\":{\"grade\":\"") + to_string(statement.grade) +
         "\",\"epsilon_sec\":" + number_text(statement.epsilon_sec) +
         ",\"epsilon_cor\":" + number_text(statement.epsilon_cor) +
         ",\"epsilon_accumulated\":" + number_text(statement.epsilon_accumulated) +
         ",\"lineage\":\"" + std::to_string(statement.lineage) + "\",\"source\":\"" +
         to_string(statement.source) + "\",\"id\":\"" + to_text(statement.opaque_id) + "\"}}";
}

void put_container(Sink& sink, std::span<const DeliveredKey> keys, bool with_extension) {
  sink.text("{\"keys\":[");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    sink.text(i == 0 ? "{\"key_ID\":\"" : ",{\"key_ID\":\"");
    sink.text(to_text(keys[i].id));
    sink.text("\",\"key\":\"");
    sink.base64(keys[i].key.expose_secret());
    sink.text("\"");
    if (with_extension) {
      sink.text(",\"key_extension\":");
      sink.text(statement_json(keys[i].statement));
    }
    sink.text("}");
  }
  sink.text("]}");
}

}  // namespace

Etsi014Outcome<KeyRequestBody> parse_key_request(std::string_view body) {
  KeyRequestBody out;
  if (body.empty()) return out;
  auto parsed = parse_object(body);
  if (auto* refusal = std::get_if<Etsi014Refusal>(&parsed)) return std::move(*refusal);
  for (const auto& [name, value] : std::get<json::object>(parsed))
    if (auto refusal = read_member(name, value, out)) return std::move(*refusal);
  return out;
}

Etsi014Outcome<std::vector<KeyId>> parse_key_ids(std::string_view body) {
  auto parsed = parse_object(body);
  if (auto* refusal = std::get_if<Etsi014Refusal>(&parsed)) return std::move(*refusal);
  const json::value* list = std::get<json::object>(parsed).if_contains("key_IDs");
  if (list == nullptr || !list->is_array()) return bad("key_IDs shall be an array of objects");
  std::vector<KeyId> ids;
  for (const json::value& item : list->get_array()) {
    const json::value* text = item.is_object() ? item.get_object().if_contains("key_ID") : nullptr;
    if (text == nullptr || !text->is_string())
      return bad("each of key_IDs shall be an object with a key_ID");
    const auto id = parse_key_id(text->get_string());
    if (!id) return bad("key_ID shall be a UUID");
    ids.push_back(*id);
  }
  return ids;
}

std::string status_json(const KmeStatus& status) {
  const json::object object = {
      {"source_KME_ID", status.source_kme_id},
      {"target_KME_ID", status.target_kme_id},
      {"master_SAE_ID", status.master.name},
      {"slave_SAE_ID", status.slave.name},
      {"key_size", status.key_bits_default},
      {"stored_key_count", status.stored_key_count},
      {"max_key_count", status.key_count_max},
      {"max_key_per_request", status.keys_per_request_max},
      {"max_key_size", status.key_bits_max},
      {"min_key_size", status.key_bits_min},
      {"max_SAE_ID_count", status.additional_slaves_max},
  };
  return json::serialize(object);
}

std::string error_json(const Etsi014Refusal& refusal) {
  json::object object = {{"message", refusal.message}};
  if (!refusal.details.empty()) {
    json::array& details = object["details"].emplace_array();
    for (const auto& [name, value] : refusal.details)
      details.push_back(json::object{{name, value}});
  }
  return json::serialize(object);
}

std::size_t key_container_size(std::span<const DeliveredKey> keys, bool with_extension) {
  Sink sink;
  put_container(sink, keys, with_extension);
  return sink.size();
}

void write_key_container(std::span<const DeliveredKey> keys, bool with_extension,
                         MutableByteSpan out) {
  Sink sink(out);
  put_container(sink, keys, with_extension);
}

}  // namespace quoin
