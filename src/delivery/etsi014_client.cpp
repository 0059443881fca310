#include "delivery/etsi014_client.hpp"

#include <algorithm>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/json.hpp>
#include <new>

#include "delivery/base64.hpp"
#include "delivery/url.hpp"

namespace quoin {

namespace http = boost::beast::http;
namespace json = boost::json;

namespace {

constexpr std::uint32_t header_bytes_max = 65536;
constexpr std::size_t keys_max = 4096;
constexpr std::size_t quoted_bytes_max = 200;

Bytes request_bytes(const Etsi014Endpoint& endpoint, std::string_view method, const SaeId& sae,
                    std::string_view action, const std::string& body) {
  std::string text = std::string(method) + " " + endpoint.url_prefix + "/api/v1/keys/" +
                     percent_encoded(sae.name) + "/" + std::string(action) +
                     " HTTP/1.1\r\nHost: " + endpoint.host +
                     "\r\nAccept: application/json\r\nConnection: close\r\n";
  if (method == "POST")
    text +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  return to_bytes(text + "\r\n" + body);
}

// The parser of a response whose body lands in wiped memory.
using Parser = http::response_parser<http::span_body<char>>;

boost::system::error_code put_all(Parser& parser, ByteSpan bytes, std::size_t& used) {
  boost::system::error_code error;
  while (used < bytes.size() && !error && !parser.is_done())
    used += parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
  return error;
}

struct Response {
  unsigned status = 0;
  SecretBytes slab;
  std::string_view body;  // in the slab
};

Result<Response> read_response(ByteSpan bytes) {
  if (bytes.size() > response_bytes_max)
    return fail(ErrorCode::too_large, "the answer of the KME exceeds 1 MiB");
  Response out;
  out.slab = SecretBytes::zeroed(bytes.size() + 1);
  auto* data = reinterpret_cast<char*>(out.slab.expose_secret_mutable().data());
  Parser parser;
  parser.header_limit(header_bytes_max);
  parser.body_limit(response_bytes_max);
  parser.eager(true);
  parser.get().body() = boost::beast::span<char>(data, bytes.size());
  std::size_t used = 0;
  boost::system::error_code error = put_all(parser, bytes, used);
  // Without a length the body ends with the connection.
  if (!error && parser.is_header_done() && !parser.is_done()) parser.put_eof(error);
  if (error || !parser.is_done())
    return fail(ErrorCode::malformed, "the answer of the KME is no whole HTTP/1.1 response");
  out.status = parser.get().result_int();
  // The parser moved the span on past what it wrote.
  const std::size_t left = parser.get().body().size();
  out.body = {data, bytes.size() - left};
  return out;
}

// Memory for the JSON library: wiped when it goes, bounded in all, never given back in parts.
class WipedResource final : public json::memory_resource {
 public:
  explicit WipedResource(std::size_t bytes_max) : left_(bytes_max) {}

 private:
  void* do_allocate(std::size_t size, std::size_t alignment) override {
    // Both kinds of secret memory start at multiples of 64.
    if (size > left_ || alignment > 64) throw std::bad_alloc();
    left_ -= size;
    blocks_.push_back(SecretBytes::zeroed(std::max<std::size_t>(size, 1), SecretMemory::block));
    return blocks_.back().expose_secret_mutable().data();
  }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const json::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::size_t left_;
  std::vector<SecretBytes> blocks_;
};

// JSON parsed into wiped memory. Strings of a value point into it.
class WipedJson {
 public:
  static Result<std::unique_ptr<WipedJson>> parse(std::string_view text) {
    std::unique_ptr<WipedJson> out(new WipedJson(text.size()));
    try {
      boost::system::error_code error;
      json::parser parser{json::storage_ptr(&out->pool_)};
      parser.reset(json::storage_ptr(&out->pool_));
      parser.write(text.data(), text.size(), error);
      if (error) return fail(ErrorCode::malformed, "the answer of the KME is no JSON");
      out->value_ = std::make_unique<json::value>(parser.release());
    } catch (const std::exception&) {
      return fail(ErrorCode::too_large, "the answer of the KME does not fit its bounds");
    }
    return out;
  }
  const json::value& value() const { return *value_; }

 private:
  // A value takes up to 32 bytes where its text may take two, and the parser's stack grows by
  // doubling: a bound that only nonsense reaches.
  explicit WipedJson(std::size_t text)
      : blocks_(64 * text + 65536), pool_(4 * text + 4096, json::storage_ptr(&blocks_)) {}

  WipedResource blocks_;
  json::monotonic_resource pool_;
  std::unique_ptr<json::value> value_;  // its first level only; what it holds lies in the pool
};

// The server's words, fit for a terminal.
std::string quoted(std::string_view text) {
  std::string out(text.substr(0, quoted_bytes_max));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  return out;
}

ErrorCode code_of(unsigned status) {
  switch (status) {
    case 400: return ErrorCode::invalid_argument;
    case 401:
    case 403: return ErrorCode::unauthorised;
    case 404: return ErrorCode::not_found;
    case 503: return ErrorCode::unavailable;
    default: return ErrorCode::internal;
  }
}

// Error bodies are an Error object, another object, plain text or nothing, depending on the server.
Failure refusal_of(const Response& response) {
  std::string said(response.body);
  if (const auto parsed = WipedJson::parse(response.body); parsed && (*parsed)->value().is_object())
    for (const char* name : {"message", "detail"})
      if (const json::value* text = (*parsed)->value().get_object().if_contains(name);
          text != nullptr && text->is_string())
        said = std::string(text->get_string());
  std::string message = "the KME answered " + std::to_string(response.status);
  if (!said.empty()) message += ": " + quoted(said);
  return fail(code_of(response.status), std::move(message));
}

Result<std::unique_ptr<WipedJson>> read_object(const Response& response) {
  if (response.status != 200) return refusal_of(response);
  QUOIN_TAKE(parsed, WipedJson::parse(response.body));
  if (!parsed->value().is_object())
    return fail(ErrorCode::malformed, "the answer of the KME is no JSON object");
  return parsed;
}

Result<std::uint64_t> number_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value != nullptr && value->is_int64() && value->get_int64() >= 0)
    return static_cast<std::uint64_t>(value->get_int64());
  return fail(ErrorCode::malformed, "the status lacks the number " + std::string(name));
}

Result<std::string> text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value != nullptr && value->is_string() && value->get_string().size() <= sae_id_bytes_max)
    return std::string(value->get_string());
  return fail(ErrorCode::malformed, "the status lacks the text " + std::string(name));
}

Result<FetchedKey> read_key(const json::value& item) {
  const auto lacking = [] {
    return fail(ErrorCode::malformed, "a key of the answer lacks its key_ID or its key");
  };
  if (!item.is_object()) return lacking();
  const json::object& object = item.get_object();
  const json::value* id = object.if_contains("key_ID");
  const json::value* key = object.if_contains("key");
  if (id == nullptr || !id->is_string() || key == nullptr || !key->is_string()) return lacking();
  FetchedKey out;
  QUOIN_TAKE(parsed, parse_key_id(id->get_string()));
  out.id = parsed;
  QUOIN_TAKE(bytes, read_base64(key->get_string()));
  if (bytes.empty() || bytes.size_bytes() > key_bytes_max)
    return fail(ErrorCode::too_large, "a key of the answer has no usual length");
  out.key = std::move(bytes);
  if (const json::value* extension = object.if_contains("key_extension"); extension != nullptr)
    out.extension = json::serialize(*extension);
  return out;
}

}  // namespace

Bytes status_request(const Etsi014Endpoint& endpoint, const SaeId& slave) {
  return request_bytes(endpoint, "GET", slave, "status", {});
}

Bytes enc_keys_request(const Etsi014Endpoint& endpoint, const SaeId& slave, const KeyQuery& query) {
  if (query.additional_slaves.empty()) {
    std::string action = "enc_keys?number=" + std::to_string(query.number);
    if (query.size_bits) action += "&size=" + std::to_string(*query.size_bits);
    return request_bytes(endpoint, "GET", slave, action, {});
  }
  json::object body = {{"number", query.number}};
  if (query.size_bits) body["size"] = *query.size_bits;
  json::array& others = body["additional_slave_SAE_IDs"].emplace_array();
  for (const SaeId& other : query.additional_slaves) others.emplace_back(other.name);
  return request_bytes(endpoint, "POST", slave, "enc_keys", json::serialize(body));
}

Bytes dec_keys_request(const Etsi014Endpoint& endpoint, const SaeId& master,
                       std::span<const KeyId> ids) {
  if (ids.size() == 1)
    return request_bytes(endpoint, "GET", master, "dec_keys?key_ID=" + to_text(ids.front()), {});
  json::array list;
  for (const KeyId& id : ids) list.push_back(json::object{{"key_ID", to_text(id)}});
  return request_bytes(endpoint, "POST", master, "dec_keys",
                       json::serialize(json::object{{"key_IDs", std::move(list)}}));
}

Result<bool> is_response_complete(ByteSpan bytes) {
  if (bytes.size() > response_bytes_max)
    return fail(ErrorCode::too_large, "the answer of the KME exceeds 1 MiB");
  SecretBytes slab = SecretBytes::zeroed(bytes.size() + 1);
  Parser parser;
  parser.header_limit(header_bytes_max);
  parser.body_limit(response_bytes_max);
  parser.get().body() = boost::beast::span<char>(
      reinterpret_cast<char*>(slab.expose_secret_mutable().data()), bytes.size());
  std::size_t used = 0;
  boost::system::error_code error;
  while (used < bytes.size() && !error && !parser.is_header_done())
    used += parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
  if (!error && parser.is_header_done() && !parser.is_done() && !parser.chunked()) {
    const auto length = parser.content_length();
    return length && bytes.size() - used >= *length;  // without a length: when the peer closes
  }
  parser.eager(true);
  if (!error) error = put_all(parser, bytes, used);
  if (error && error != http::error::need_more)
    return fail(ErrorCode::malformed, "the answer of the KME is no HTTP/1.1");
  return parser.is_done();
}

Result<Etsi014Status> parse_status_response(ByteSpan bytes) {
  QUOIN_TAKE(response, read_response(bytes));
  QUOIN_TAKE(parsed, read_object(response));
  const json::object& object = parsed->value().get_object();
  Etsi014Status out;
  for (const auto& [name, place] :
       {std::pair<const char*, std::string*>{"source_KME_ID", &out.source_kme_id},
        {"target_KME_ID", &out.target_kme_id},
        {"master_SAE_ID", &out.master.name},
        {"slave_SAE_ID", &out.slave.name}}) {
    QUOIN_TAKE(text, text_of(object, name));
    *place = std::move(text);
  }
  for (const auto& [name, place] :
       {std::pair<const char*, std::uint64_t*>{"key_size", &out.key_bits_default},
        {"stored_key_count", &out.stored_key_count},
        {"max_key_count", &out.key_count_max},
        {"max_key_per_request", &out.keys_per_request_max},
        {"max_key_size", &out.key_bits_max},
        {"min_key_size", &out.key_bits_min},
        {"max_SAE_ID_count", &out.additional_slaves_max}}) {
    QUOIN_TAKE(number, number_of(object, name));
    *place = number;
  }
  return out;
}

Result<std::vector<FetchedKey>> parse_keys_response(ByteSpan bytes) {
  QUOIN_TAKE(response, read_response(bytes));
  QUOIN_TAKE(parsed, read_object(response));
  const json::object& object = parsed->value().get_object();
  // The table of the standard prints "Keys", its examples "keys"; servers follow either.
  const json::value* list = object.if_contains("keys");
  if (list == nullptr) list = object.if_contains("Keys");
  if (list == nullptr || !list->is_array())
    return fail(ErrorCode::malformed, "the answer of the KME has no keys");
  if (list->get_array().size() > keys_max)
    return fail(ErrorCode::too_large, "the answer of the KME has too many keys");
  std::vector<FetchedKey> keys;
  for (const json::value& item : list->get_array()) {
    QUOIN_TAKE(key, read_key(item));
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace quoin
