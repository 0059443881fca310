#include "delivery/etsi014_client.hpp"

#include <gtest/gtest.h>

#include "delivery/base64.hpp"
#include "delivery_world.hpp"

namespace quoin {
namespace {

const std::string id_text = "bc490419-7d60-487f-adc1-4ddcc177c139";

Bytes response(const std::string& status, const std::string& body,
               const std::string& headers = {}) {
  return to_bytes("HTTP/1.1 " + status + "\r\n" + headers +
                  "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}
Error error_of(const Bytes& bytes) {
  const auto keys = parse_keys_response(bytes);
  return keys ? Error{ErrorCode::internal, "was accepted", {}} : keys.error();
}

TEST(Etsi014Client, ReadsTheStatusOfOurServer) {
  test::DeliveryWorld world;
  Etsi014Connection at = world.connection("a");
  const std::string bytes = world.send(at, "a", to_text(status_request({"kme:8443", {}}, {"b"})));
  const auto status = parse_status_response(as_bytes(bytes));
  ASSERT_TRUE(status) << status.error().text();
  EXPECT_EQ(status->source_kme_id, "KME-A");
  EXPECT_EQ(status->slave.name, "b");
  EXPECT_EQ(status->key_bits_default, 256u);
  EXPECT_EQ(status->keys_per_request_max, 128u);
  EXPECT_GT(status->stored_key_count, 0u);
}

TEST(Etsi014Client, AsksForSetsByPostAndEncodesNames) {
  test::DeliveryWorld world;
  KeyQuery query{.number = 3, .size_bits = 512, .additional_slaves = {{"b2"}}};
  const auto keys = world.keys("a", enc_keys_request({"kme", {}}, {"SAE/100%+ \u00e4?x=1"}, query));
  ASSERT_TRUE(keys) << keys.error().text();
  ASSERT_EQ(keys->size(), 3u);
  EXPECT_EQ(keys->front().key.size_bytes(), 64u);
  EXPECT_NE(keys->front().extension.find("quoin_passport"), std::string::npos);
  const std::string text =
      to_text(dec_keys_request({"h", "/p"}, {"a/b"}, std::vector{keys->front().id}));
  EXPECT_TRUE(text.starts_with("GET /p/api/v1/keys/a%2Fb/dec_keys?key_ID=")) << text;
}

TEST(Etsi014Client, IsTolerantOfOtherServers) {
  const std::string key = R"([{"key_ID":")" + id_text + R"(","key":"AAEC","vendor":[1,2]}])";
  for (const std::string& body : {"{\"keys\":" + key + "}", "{\"Keys\":" + key + ",\"more\":{}}"}) {
    const auto keys = parse_keys_response(response("200 OK", body));
    ASSERT_TRUE(keys) << keys.error().text();
    ASSERT_EQ(keys->size(), 1u);
    EXPECT_EQ(to_text(keys->front().id), id_text);
    EXPECT_EQ(to_hex(keys->front().key.expose_secret()), "000102");
  }
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n{\"keys\":[]}\r\n0\r\n\r\n";
  EXPECT_TRUE(parse_keys_response(as_bytes(chunked)));
  const std::string to_the_end = "HTTP/1.1 200 OK\r\n\r\n{\"keys\":[]}";
  EXPECT_TRUE(parse_keys_response(as_bytes(to_the_end)));
}

TEST(Etsi014Client, ErrorBodiesMayBeAnything) {
  const Error ours = error_of(response("400 Bad Request", R"({"message":"no such key"})"));
  EXPECT_EQ(ours.code, ErrorCode::invalid_argument);
  EXPECT_EQ(ours.message, "the KME answered 400: no such key");
  EXPECT_EQ(error_of(response("503 X", "")).code, ErrorCode::unavailable);
  EXPECT_EQ(error_of(response("401 X", "")).code, ErrorCode::unauthorised);
  EXPECT_EQ(error_of(response("422 X", R"({"detail":"bad \u001b[31mred"})")).message,
            "the KME answered 422: bad ?[31mred");
  EXPECT_EQ(error_of(response("422 X", R"({"detail":[{"loc":1}]})")).code, ErrorCode::internal);
  EXPECT_LT(error_of(response("500 X", std::string(10'000, 'x'))).message.size(), 300u);
  EXPECT_EQ(error_of(response("500 X", "\x01\xff{")).message, "the KME answered 500: ??{");
}

TEST(Etsi014Client, MalformedAnswersAreErrors) {
  for (const char* body :
       {"", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[1]}", "{\"keys\":[{}]}", "{\"keys\":[",
        R"({"keys":[{"key_ID":"x","key":"AAEC"}]})",
        R"({"keys":[{"key_ID":"bc490419-7d60-487f-adc1-4ddcc177c139","key":"A"}]})",
        R"({"keys":[{"key_ID":"bc490419-7d60-487f-adc1-4ddcc177c139","key":""}]})",
        R"({"keys":[{"key_ID":"bc490419-7d60-487f-adc1-4ddcc177c139","key":7}]})"})
    EXPECT_FALSE(parse_keys_response(response("200 OK", body))) << body;
  EXPECT_FALSE(parse_keys_response({}));
  EXPECT_FALSE(parse_keys_response(to_bytes("noise")));
  EXPECT_FALSE(parse_status_response(response("200 OK", "{\"key_size\":-1}")));
  const Bytes whole = response("200 OK", "{\"keys\":[]}");
  for (std::size_t cut = 0; cut < whole.size(); ++cut)
    EXPECT_FALSE(parse_keys_response(ByteSpan(whole).first(cut))) << cut;
}

TEST(Etsi014Client, KnowsWhenAnAnswerIsWhole) {
  const Bytes whole = response("200 OK", std::string(5000, ' '));
  for (std::size_t cut = 0; cut < whole.size(); cut += 37)
    EXPECT_FALSE(is_response_complete(ByteSpan(whole).first(cut)).value()) << cut;
  EXPECT_TRUE(is_response_complete(whole).value());
  const std::string chunked =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
  for (std::size_t cut = 0; cut < chunked.size(); ++cut)
    EXPECT_FALSE(is_response_complete(as_bytes(chunked.substr(0, cut))).value()) << cut;
  EXPECT_TRUE(is_response_complete(as_bytes(chunked)).value());
  EXPECT_FALSE(is_response_complete(as_bytes("HTTP/1.1 200 OK\r\n\r\n{}")).value());
  EXPECT_FALSE(is_response_complete(as_bytes("SSH-2.0-OpenSSH_9\r\n\r\n")));
  EXPECT_FALSE(is_response_complete(Bytes(response_bytes_max + 1)));
}

TEST(Base64, KnownAnswersOfRfc4648) {
  for (const auto& [plain, text] : {std::pair{"", ""},
                                    {"f", "Zg=="},
                                    {"fo", "Zm8="},
                                    {"foo", "Zm9v"},
                                    {"foob", "Zm9vYg=="},
                                    {"fooba", "Zm9vYmE="},
                                    {"foobar", "Zm9vYmFy"}}) {
    Bytes out(base64_size(std::string_view(plain).size()));
    write_base64(as_bytes(plain), out);
    EXPECT_EQ(to_text(out), text);
    EXPECT_EQ(to_text(read_base64(text).value().expose_secret()), plain);
  }
}

TEST(Base64, EveryByteRoundTripsAndNonsenseIsRefused) {
  Bytes all;
  for (int i = 0; i < 1024; ++i) all.push_back(static_cast<std::byte>(i * 7 + i / 256));
  for (std::size_t size = 0; size < all.size(); size += 13) {
    Bytes out(base64_size(size));
    write_base64(ByteSpan(all).first(size), out);
    const SecretBytes back = read_base64(to_text(out)).value();
    EXPECT_TRUE(std::ranges::equal(back.expose_secret(), ByteSpan(all).first(size)));
  }
  for (const char* wrong : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "====", "Z===", "Zg==Zg==", "Zm9v ",
                            "Zm-v", "Zm_v", "Z\xffZZ", "=g=="})
    EXPECT_FALSE(read_base64(wrong)) << wrong;
}

}  // namespace
}  // namespace quoin
