#include "delivery/etsi014.hpp"

#include <algorithm>

#include "delivery/etsi014_json.hpp"
#include "delivery/http_reader.hpp"
#include "delivery/url.hpp"

namespace quoin {

namespace {

enum class Method : std::uint8_t { status, enc_keys, dec_keys };

struct Route {
  Method method = Method::status;
  SaeId other;  // the SAE in the path: the other side of the key
};

const char* reason_phrase(unsigned status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 431: return "Request Header Fields Too Large";
    default: return "Service Unavailable";
  }
}

// What a header of this status needs beside the usual ones.
std::string status_headers(unsigned status, const std::string& allow) {
  switch (status) {
    case 401: return "WWW-Authenticate: TLS-Client-Certificate\r\n";
    case 405: return "Allow: " + allow + "\r\n";
    case 503: return "Retry-After: 1\r\n";
    default: return {};
  }
}

std::string trimmed_lower(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_json(std::string_view content_type) {
  return trimmed_lower(content_type.substr(0, content_type.find(';'))) == "application/json";
}

// Whether an Accept header allows application/json (RFC 9110, 12.5.1).
bool accepts_json(std::string_view accept) {
  if (accept.empty()) return true;
  while (!accept.empty()) {
    const auto end = accept.find(',');
    const std::string_view range = accept.substr(0, end);
    accept = end == accept.npos ? "" : accept.substr(end + 1);
    const auto parameters = range.find(';');
    const std::string type = trimmed_lower(range.substr(0, parameters));
    const std::string quality =
        parameters == range.npos ? "" : trimmed_lower(range.substr(parameters + 1));
    const bool is_refused =
        quality.starts_with("q=0") && quality.find_first_not_of("0.", 2) == quality.npos;
    if (!is_refused && (type == "application/json" || type == "application/*" || type == "*/*"))
      return true;
  }
  return false;
}

// How the errors of the KME reach an SAE (tables 4, 6 and 8 of the standard).
Etsi014Refusal refusal_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::malformed:
    case ErrorCode::too_large:
    case ErrorCode::not_found: return {400, error.message, {}};
    case ErrorCode::conflict:
      return {400, "not all extension_mandatory request options could be met", {}};
    case ErrorCode::unauthorised:
    case ErrorCode::unauthenticated: return {401, error.message, {}};
    case ErrorCode::exhausted:
    case ErrorCode::unavailable: return {503, error.message, {}};
    default: return {503, "key data access error", {}};  // the rest is for the operator's log
  }
}

Etsi014Outcome<Route> parse_route(std::string_view path, std::string_view prefix) {
  const Etsi014Refusal nowhere{404, "there is nothing at this URL", {}};
  constexpr std::string_view base = "/api/v1/keys/";
  if (!path.starts_with(prefix)) return nowhere;
  path.remove_prefix(prefix.size());
  if (!path.starts_with(base)) return nowhere;
  path.remove_prefix(base.size());
  const auto slash = path.find('/');
  if (slash == path.npos) return nowhere;
  Route route;
  const std::string_view name = path.substr(slash + 1);
  if (name == "status") {
    route.method = Method::status;
  } else if (name == "enc_keys") {
    route.method = Method::enc_keys;
  } else if (name == "dec_keys") {
    route.method = Method::dec_keys;
  } else {
    return nowhere;
  }
  auto decoded = percent_decoded(path.substr(0, slash));
  if (!decoded) return refusal_of(decoded.error());
  route.other.name = std::move(decoded).value();
  if (const Status named = check_sae_id(route.other); !named) return refusal_of(named.error());
  return route;
}

using Query = std::vector<std::pair<std::string, std::string>>;

// GET enc_keys: number and size only; everything else needs POST.
Etsi014Outcome<KeyRequestBody> parse_key_query(const Query& query) {
  KeyRequestBody out;
  std::optional<std::uint32_t> number;
  for (const auto& [name, value] : query) {
    if (name != "number" && name != "size")
      return Etsi014Refusal{400, "GET takes number and size only; use POST", {}};
    auto& place = name == "number" ? number : out.size_bits;
    if (place) return Etsi014Refusal{400, name + " is given twice", {}};
    place = parse_number(value);
    if (!place) return Etsi014Refusal{400, name + " shall be a positive integer", {}};
  }
  out.number = number.value_or(1);
  return out;
}

// GET dec_keys: exactly one key_ID.
Etsi014Outcome<std::vector<KeyId>> parse_key_id_query(const Query& query) {
  if (query.size() != 1 || query.front().first != "key_ID")
    return Etsi014Refusal{400, "GET takes exactly one key_ID; use POST for more", {}};
  const auto id = parse_key_id(query.front().second);
  if (!id) return Etsi014Refusal{400, "key_ID shall be a UUID", {}};
  return std::vector<KeyId>{*id};
}

SecretBytes joined(std::vector<SecretBytes>&& parts) {
  if (parts.size() == 1) return std::move(parts.front());
  std::size_t size = 0;
  for (const SecretBytes& part : parts) size += part.size_bytes();
  SecretBytes out = SecretBytes::zeroed(size);
  std::size_t at = 0;
  for (const SecretBytes& part : parts) {
    std::ranges::copy(part.expose_secret(), out.expose_secret_mutable().subspan(at).begin());
    at += part.size_bytes();
  }
  return out;
}

SecretBytes as_output(std::string_view text) {
  SecretBytes out = SecretBytes::zeroed(text.size());
  std::ranges::copy(as_bytes(text), out.expose_secret_mutable().begin());
  return out;
}

}  // namespace

class Etsi014Connection::Machine {
 public:
  Machine(Kme& kme, SaeId caller, Etsi014Limits limits)
      : kme_(&kme),
        caller_(std::move(caller)),
        limits_(std::move(limits)),
        reader_({limits_.header_bytes_max, limits_.body_bytes_max, limits_.pipelined_bytes_max}) {}

  DeliveryStep feed(ByteSpan bytes, Instant now) {
    begin_step(now);
    if (is_open_) {
      if (const Status added = reader_.add(bytes); !added) fail_transport(added.error());
      work();
    }
    return end_step();
  }
  DeliveryStep resume(Instant now) {
    begin_step(now);
    if (is_open_ && waiting_) {
      const KeyRequest request = *waiting_;
      serve_keys(request);
      work();
    }
    return end_step();
  }
  bool is_waiting() const { return waiting_.has_value(); }

 private:
  void begin_step(Instant now) {
    now_ = now;
    step_ = {};
    parts_.clear();
  }
  DeliveryStep end_step() {
    if (!parts_.empty()) step_.output = joined(std::move(parts_));
    parts_.clear();
    step_.keeps_open = is_open_;
    if (waiting_) step_.answer_due = due_;
    return std::move(step_);
  }

  // Answers what has arrived whole, one request after the other.
  void work() {
    while (is_open_ && !waiting_) {
      auto request = reader_.next();
      if (!request) return fail_transport(request.error());
      if (!request->has_value()) break;
      handle(**request);
    }
    if (is_open_ && !waiting_ && reader_.take_expects_continue())
      parts_.push_back(as_output("HTTP/1.1 100 Continue\r\n\r\n"));
  }

  void fail_transport(const Error& error) {
    is_head_ = false;
    keeps_alive_ = false;
    if (error.code != ErrorCode::too_large) return refuse({400, error.message, {}});
    if (error.message == "header") return refuse({431, "the request header is too large", {}});
    refuse({413, "the request body is too large", {}});
  }

  void handle(const HttpRequest& request) {
    keeps_alive_ = request.keeps_alive;
    is_head_ = request.method == "HEAD";
    if (request.is_http_1_1 && !request.has_host)
      return refuse({400, "HTTP/1.1 needs a Host header", {}});
    const auto target = parse_target(request.target);
    if (!target) return refuse(refusal_of(target.error()));
    const auto routed = parse_route(target->path, limits_.url_prefix);
    if (const auto* refusal = std::get_if<Etsi014Refusal>(&routed)) return refuse(*refusal);
    const Route& route = std::get<Route>(routed);
    const bool is_get = request.method == "GET";
    allow_ = route.method == Method::status ? "GET" : "GET, POST";
    if (!is_get && (request.method != "POST" || route.method == Method::status))
      return refuse({405, "this URL takes " + allow_, {}});
    if (!accepts_json(request.accept))
      return refuse({406, "the answer would be application/json", {}});
    if (!is_get && !request.content_type.empty() && !is_json(request.content_type))
      return refuse({415, "the body shall be application/json", {}});
    if (!is_get && !target->query.empty())
      return refuse({400, "query parameters belong to GET", {}});
    switch (route.method) {
      case Method::status: return answer_status(route, target->query);
      case Method::enc_keys:
        return begin_keys(
            route, is_get ? parse_key_query(target->query) : parse_key_request(request.body));
      case Method::dec_keys:
        return answer_fetch(
            route, is_get ? parse_key_id_query(target->query) : parse_key_ids(request.body));
    }
  }

  void answer_status(const Route& route, const Query& query) {
    if (!query.empty()) return refuse({400, "status takes no query parameters", {}});
    const auto status = kme_->status(caller_, route.other);
    if (!status) return refuse(refusal_of(status.error()));
    answer(200, status_json(*status));
  }

  void begin_keys(const Route& route, const Etsi014Outcome<KeyRequestBody>& parsed) {
    if (const auto* refusal = std::get_if<Etsi014Refusal>(&parsed)) return refuse(*refusal);
    const KeyRequestBody& body = std::get<KeyRequestBody>(parsed);
    KeyRequest request;
    request.master = caller_;
    request.slave = route.other;
    request.additional_slaves = body.additional_slaves;
    request.number = body.number;
    request.size_bits = body.size_bits;
    request.grade_min = body.grade_min;
    due_ = {now_.ns + limits_.wait_ns_max};
    serve_keys(request);
  }

  // Answers, or waits for the KME until due_.
  void serve_keys(const KeyRequest& request) {
    auto reply = kme_->request_keys(request, step_.effects);
    if (reply && reply->is_pending && now_ < due_) {
      waiting_ = request;
      return;
    }
    waiting_.reset();
    if (!reply) return refuse(refusal_of(reply.error()));
    if (reply->is_pending)
      return refuse({503, "no key now: the peer KME has not answered in time", {}});
    answer_keys(reply->keys);
  }

  void answer_fetch(const Route& route, const Etsi014Outcome<std::vector<KeyId>>& parsed) {
    if (const auto* refusal = std::get_if<Etsi014Refusal>(&parsed)) return refuse(*refusal);
    const auto& ids = std::get<std::vector<KeyId>>(parsed);
    const auto keys = kme_->fetch_keys(caller_, route.other, ids, step_.effects);
    if (!keys) return refuse(refusal_of(keys.error()));
    answer_keys(*keys);
  }

  void answer_keys(std::span<const DeliveredKey> keys) {
    parts_.push_back(key_container_slab(keys, limits_.emits_key_extension,
                                        [this](std::size_t size) { return head(200, size); }));
    is_open_ = keeps_alive_;
  }
  void refuse(const Etsi014Refusal& refusal) { answer(refusal.status, error_json(refusal)); }
  void answer(unsigned status, const std::string& body) {
    parts_.push_back(as_output(head(status, body.size()) + (is_head_ ? "" : body)));
    is_open_ = keeps_alive_;
  }
  std::string head(unsigned status, std::size_t body_size) const {
    return "HTTP/1.1 " + std::to_string(status) + " " + reason_phrase(status) +
           "\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n" +
           status_headers(status, allow_) + "Content-Length: " + std::to_string(body_size) +
           (keeps_alive_ ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
  }

  Kme* kme_;
  SaeId caller_;
  Etsi014Limits limits_;
  HttpReader reader_;
  std::optional<KeyRequest> waiting_;
  Instant due_;
  bool is_open_ = true;

  // Of the request at hand.
  bool keeps_alive_ = true;
  bool is_head_ = false;
  std::string allow_;

  // Of the step at hand.
  Instant now_;
  DeliveryStep step_;
  std::vector<SecretBytes> parts_;
};

Etsi014Connection::Etsi014Connection(Kme& kme, SaeId caller, Etsi014Limits limits)
    : machine_(std::make_unique<Machine>(kme, std::move(caller), std::move(limits))) {}
Etsi014Connection::Etsi014Connection(Etsi014Connection&&) noexcept = default;
Etsi014Connection& Etsi014Connection::operator=(Etsi014Connection&&) noexcept = default;
Etsi014Connection::~Etsi014Connection() = default;

DeliveryStep Etsi014Connection::feed(ByteSpan bytes, Instant now) {
  return machine_->feed(bytes, now);
}
DeliveryStep Etsi014Connection::resume(Instant now) { return machine_->resume(now); }
bool Etsi014Connection::is_waiting() const { return machine_->is_waiting(); }

}  // namespace quoin
