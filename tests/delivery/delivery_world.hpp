// Two KMEs back to back with a delivery connection per SAE: what a test says in HTTP reaches the
// server as bytes, and effects are carried out as the contract says.
#pragma once

#include <string>

#include "../kme/two_kmes.hpp"
#include "delivery/etsi014.hpp"
#include "delivery/etsi014_client.hpp"

namespace quoin::test {

struct Answer {
  unsigned status = 0;
  std::string head;  // status line and headers
  std::string body;
  bool keeps_open = true;
};

class DeliveryWorld {
 public:
  explicit DeliveryWorld(std::size_t block_bits = 400'000, KmeConfig config = {},
                         Etsi014Limits limits = {})
      : kmes(config), limits_(std::move(limits)) {
    kmes.connect();
    if (block_bits > 0) {
      EXPECT_TRUE(kmes.add_block(BlockId{1}, block_bits));
    }
  }

  Etsi014Connection connection(const std::string& sae) {
    return {kmes.site_of({sae}).kme(), {sae}, limits_};
  }
  // Sends raw bytes on a connection and lets the KMEs talk until it is answered. All output.
  std::string send(Etsi014Connection& at, const std::string& sae, std::string_view bytes,
                   bool* keeps_open = nullptr) {
    std::string out;
    DeliveryStep step = at.feed(as_bytes(bytes), now);
    for (int round = 0; round < 20; ++round) {
      if (!kmes.site_of({sae}).carry_out(step.effects)) return "the site died";
      out += to_text(step.output.expose_secret());
      if (keeps_open != nullptr) *keeps_open = step.keeps_open;
      if (!at.is_waiting()) break;
      EXPECT_TRUE(step.answer_due.has_value());
      kmes.deliver();
      step = at.resume(now);
    }
    return out;
  }
  Answer say(const std::string& sae, std::string_view bytes) {
    Etsi014Connection at = connection(sae);
    Answer answer;
    const std::string text = send(at, sae, bytes, &answer.keeps_open);
    const auto end = text.find("\r\n\r\n");
    if (!text.starts_with("HTTP/1.1 ") || end == text.npos) return answer;
    answer.status = static_cast<unsigned>(std::stoul(text.substr(9, 3)));
    answer.head = text.substr(0, end + 2);
    answer.body = text.substr(end + 4);
    return answer;
  }
  Answer get(const std::string& sae, const std::string& target) {
    return say(sae, "GET " + target + " HTTP/1.1\r\nHost: kme\r\n\r\n");
  }
  Answer post(const std::string& sae, const std::string& target, const std::string& body,
              const std::string& headers = "Content-Type: application/json\r\n") {
    return say(sae, "POST " + target + " HTTP/1.1\r\nHost: kme\r\n" + headers +
                        "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  // By the client of src/delivery, as bytes through the server.
  Result<std::vector<FetchedKey>> keys(const std::string& sae, const Bytes& request) {
    Etsi014Connection at = connection(sae);
    const std::string answer = send(at, sae, to_text(request));
    QUOIN_TAKE(complete, is_response_complete(as_bytes(answer)));
    EXPECT_TRUE(complete);
    return parse_keys_response(as_bytes(answer));
  }

  TwoKmes kmes;
  Instant now{1'000'000};

 private:
  Etsi014Limits limits_;
};

}  // namespace quoin::test
