// ETSI GS QKD 014 V1.1.1 as an SAE sees it: the conformance list, and what a hostile or clumsy
// client may send.
#include "delivery/etsi014.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <chrono>

#include "delivery/base64.hpp"
#include "delivery/url.hpp"
#include "delivery_world.hpp"

namespace quoin {
namespace {

namespace json = boost::json;
using test::Answer;
using test::DeliveryWorld;

json::object object_of(const Answer& answer) { return json::parse(answer.body).as_object(); }
std::string message_of(const Answer& answer) {
  return std::string(object_of(answer).at("message").as_string());
}
std::string id_of(const Answer& answer, std::size_t i = 0) {
  return std::string(object_of(answer).at("keys").as_array()[i].at("key_ID").as_string());
}
std::string key_of(const Answer& answer, std::size_t i = 0) {
  return std::string(object_of(answer).at("keys").as_array()[i].at("key").as_string());
}
const std::string missing = "one or more keys specified are not found on KME";

TEST(Etsi014Status, HasAllFieldsWithTheirTypes) {
  DeliveryWorld world;
  const Answer answer = world.get("a", "/api/v1/keys/b/status");
  ASSERT_EQ(answer.status, 200u);
  EXPECT_NE(answer.head.find("Content-Type: application/json\r\n"), std::string::npos);
  EXPECT_NE(answer.head.find("Cache-Control: no-store\r\n"), std::string::npos);
  const json::object status = object_of(answer);
  EXPECT_EQ(status.at("source_KME_ID").as_string(), "KME-A");
  EXPECT_EQ(status.at("target_KME_ID").as_string(), "KME-B");
  EXPECT_EQ(status.at("master_SAE_ID").as_string(), "a");
  EXPECT_EQ(status.at("slave_SAE_ID").as_string(), "b");
  EXPECT_EQ(status.at("key_size").as_int64(), 256);
  EXPECT_GT(status.at("stored_key_count").as_int64(), 0);
  EXPECT_EQ(status.at("max_key_count").as_int64(), 100'000);
  EXPECT_EQ(status.at("max_key_per_request").as_int64(), 128);
  EXPECT_EQ(status.at("max_key_size").as_int64(), 4096);
  EXPECT_EQ(status.at("min_key_size").as_int64(), 64);
  EXPECT_EQ(status.at("max_SAE_ID_count").as_int64(), 8);
  EXPECT_EQ(status.size(), 11u);
}

TEST(Etsi014EncKeys, EveryFormOfAskingWorks) {
  DeliveryWorld world;
  const auto check = [](const Answer& answer, std::size_t number, std::size_t bytes) {
    ASSERT_EQ(answer.status, 200u) << answer.body;
    ASSERT_EQ(object_of(answer).at("keys").as_array().size(), number);
    EXPECT_EQ(read_base64(key_of(answer)).value().size_bytes(), bytes);
    EXPECT_TRUE(parse_key_id(id_of(answer)));
  };
  const std::string url = "/api/v1/keys/b/enc_keys";
  check(world.get("a", url), 1, 32);
  check(world.get("a", url + "?number=3&size=128"), 3, 16);
  check(world.get("a", url + "?size=512"), 1, 64);
  check(world.get("a", "https://kme.example/api/v1/keys/b/enc_keys?number=2"), 2, 32);
  check(world.post("a", url, "{}"), 1, 32);
  check(world.post("a", url, ""), 1, 32);
  check(world.post("a", url, R"({"number":128})"), 128, 32);
  check(world.post("a", url,
                   R"({"number":2,"size":1024,"additional_slave_SAE_IDs":["b2"],)"
                   R"("extension_mandatory":[],"extension_optional":[{"abc_route":1}],"x":null})"),
        2, 128);
  check(world.post("b", "/api/v1/keys/a/enc_keys", "{}"), 1, 32);
  check(world.post("a", url, "{}", "content-type: Application/JSON; charset=utf-8\r\n"), 1, 32);
}

TEST(Etsi014EncKeys, BadNumbersAreRefused) {
  DeliveryWorld world;
  const std::string url = "/api/v1/keys/b/enc_keys";
  for (const char* wrong : {"0", "-1", "129", "abc", "", "1.5", "99999999999", "1e1", "+1", " 1"}) {
    EXPECT_EQ(world.get("a", url + "?number=" + percent_encoded(wrong)).status, 400u) << wrong;
    if (*wrong == '+' || *wrong == ' ') continue;
    const std::string value = std::string(wrong).empty() ? "null" : wrong;
    EXPECT_EQ(world.post("a", url, "{\"number\":" + value + "}").status, 400u) << wrong;
  }
  for (const char* wrong : {"\"1\"", "true", "[1]", "{}", "1.0", "18446744073709551616"})
    EXPECT_EQ(world.post("a", url, std::string("{\"number\":") + wrong + "}").status, 400u)
        << wrong;
}

TEST(Etsi014EncKeys, BadSizesAreRefused) {
  DeliveryWorld world;
  const std::string url = "/api/v1/keys/b/enc_keys";
  const Answer odd = world.post("a", url, R"({"size":7})");
  EXPECT_EQ(odd.status, 400u);
  EXPECT_EQ(message_of(odd), "size shall be a multiple of 8");
  EXPECT_EQ(message_of(world.get("a", url + "?size=257")), "size shall be a multiple of 8");
  EXPECT_EQ(world.post("a", url, R"({"size":8})").status, 400u);
  EXPECT_EQ(world.post("a", url, R"({"size":4104})").status, 400u);
  EXPECT_EQ(world.post("a", url, R"({"size":64})").status, 200u);
  EXPECT_EQ(world.post("a", url, R"({"size":4096})").status, 200u);
}

TEST(Etsi014EncKeys, GetTakesNothingElse) {
  DeliveryWorld world;
  const std::string url = "/api/v1/keys/b/enc_keys";
  EXPECT_EQ(world.get("a", url + "?number=1&number=2").status, 400u);
  EXPECT_EQ(world.get("a", url + "?additional_slave_SAE_IDs=b2").status, 400u);
  EXPECT_EQ(world.post("a", url + "?number=1", "{}").status, 400u);
  EXPECT_EQ(world.get("a", "/api/v1/keys/b/status?x=1").status, 400u);
}

TEST(Etsi014EncKeys, BadBodiesAreRefused) {
  DeliveryWorld world;
  const std::string url = "/api/v1/keys/b/enc_keys";
  for (const char* wrong :
       {"[]", "1", "{", "nonsense", "{\"number\":1}x", "{\"number\":1,\"number\":2}",
        "{\"numb\\u0065r\":1,\"number\":2}", "{\"x\":{\"y\":1,\"y\":1}}",
        "{\"additional_slave_SAE_IDs\":\"b2\"}", "{\"additional_slave_SAE_IDs\":[1]}",
        "{\"additional_slave_SAE_IDs\":[\"\"]}", "{\"extension_mandatory\":{}}",
        "{\"extension_mandatory\":[1]}", "{\"extension_optional\":7}"}) {
    const Answer answer = world.post("a", url, wrong);
    EXPECT_EQ(answer.status, 400u) << wrong;
    EXPECT_FALSE(message_of(answer).empty());
  }
  EXPECT_EQ(world.post("a", url, std::string(40, '[') + std::string(40, ']')).status, 400u);
  EXPECT_EQ(message_of(world.post("a", url, "{\"size\":256,\"size\":256}")),
            "the JSON has a member twice");
}

TEST(Etsi014EncKeys, ExtensionsFollowTheStandard) {
  DeliveryWorld world;
  const std::string url = "/api/v1/keys/b/enc_keys";
  const Answer unknown =
      world.post("a", url, R"({"extension_mandatory":[{"abc_route_type":"direct"}]})");
  EXPECT_EQ(unknown.status, 400u);
  EXPECT_EQ(message_of(unknown), "not all extension_mandatory parameters are supported");
  EXPECT_EQ(object_of(unknown).at("details").as_array()[0].at("extension_mandatory_unsupported"),
            "abc_route_type");
  EXPECT_EQ(world.post("a", url, R"({"extension_optional":[{"abc_route_type":"direct"}]})").status,
            200u);
  EXPECT_EQ(world
                .post("a", url,
                      R"({"extension_mandatory":[{"quoin_grade_min":"information-theoretic"}]})")
                .status,
            200u);
  const std::string not_met = "not all extension_mandatory request options could be met";
  EXPECT_EQ(message_of(world.post("a", url, R"({"extension_mandatory":[{"quoin_grade_min":9}]})")),
            not_met);

  DeliveryWorld weak(0);
  ASSERT_TRUE(weak.kmes.add_block(BlockId{1}, 100'000, Grade::bootstrap_pki));
  const Answer below = weak.post(
      "a", url, R"({"extension_mandatory":[{"quoin_grade_min":"information-theoretic"}]})");
  EXPECT_EQ(below.status, 400u);
  EXPECT_EQ(message_of(below), not_met);
}

TEST(Etsi014EncKeys, PassportSummaryTravelsWithTheKeyAndNamesNoBlock) {
  DeliveryWorld world;
  const Answer answer = world.get("a", "/api/v1/keys/b/enc_keys");
  const json::object passport = object_of(answer)
                                    .at("keys")
                                    .as_array()[0]
                                    .at("key_extension")
                                    .at("quoin_passport")
                                    .as_object();
  EXPECT_EQ(passport.at("grade"), "information-theoretic");
  EXPECT_EQ(passport.at("epsilon_sec"), 1e-10);
  EXPECT_EQ(passport.at("epsilon_cor"), 1e-15);
  EXPECT_EQ(passport.at("epsilon_accumulated"), 3e-10);
  EXPECT_EQ(passport.at("lineage"), "7");
  EXPECT_EQ(passport.at("source"), "simulated");
  EXPECT_TRUE(parse_key_id(std::string(passport.at("id").as_string())));
  EXPECT_EQ(passport.size(), 7u);

  DeliveryWorld bare(400'000, {}, {.url_prefix = {}, .emits_key_extension = false});
  const Answer plain = bare.get("a", "/api/v1/keys/b/enc_keys");
  EXPECT_EQ(plain.body.find("key_extension"), std::string::npos);
}

TEST(Etsi014DecKeys, OneByGetManyByPost) {
  DeliveryWorld world;
  const Answer sent = world.get("a", "/api/v1/keys/b/enc_keys?number=4");
  const Answer one = world.get("b", "/api/v1/keys/a/dec_keys?key_ID=" + id_of(sent, 0));
  ASSERT_EQ(one.status, 200u) << one.body;
  EXPECT_EQ(id_of(one), id_of(sent, 0));
  EXPECT_EQ(key_of(one), key_of(sent, 0));
  std::string upper = id_of(sent, 3);
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  const Answer many = world.post("b", "/api/v1/keys/a/dec_keys",
                                 R"({"key_IDs":[{"key_ID":")" + upper +
                                     R"(","master_SAE_ID":"a"},{"key_ID":")" + id_of(sent, 1) +
                                     R"(","key_ID_extension":{}}],"key_IDs_extension":{"x_y":1}})");
  ASSERT_EQ(many.status, 200u) << many.body;
  EXPECT_EQ(id_of(many, 0), id_of(sent, 3));
  EXPECT_EQ(key_of(many, 0), key_of(sent, 3));
  EXPECT_EQ(key_of(many, 1), key_of(sent, 1));
}

TEST(Etsi014DecKeys, TakenAndUnknownKeysAreMissingAllOrNothing) {
  DeliveryWorld world;
  const Answer sent = world.get("a", "/api/v1/keys/b/enc_keys?number=2");
  const std::string url = "/api/v1/keys/a/dec_keys";
  const auto ids = [&](const std::string& x, const std::string& y) {
    return R"({"key_IDs":[{"key_ID":")" + x + R"("},{"key_ID":")" + y + R"("}]})";
  };
  ASSERT_EQ(world.get("b", url + "?key_ID=" + id_of(sent, 0)).status, 200u);
  const Answer again = world.get("b", url + "?key_ID=" + id_of(sent, 0));
  EXPECT_EQ(again.status, 400u);
  EXPECT_EQ(message_of(again), missing);
  EXPECT_EQ(message_of(world.post("b", url, ids(id_of(sent, 0), id_of(sent, 1)))), missing);
  EXPECT_EQ(
      message_of(world.post("b", url, ids(id_of(sent, 1), "00000000-0000-4000-8000-000000000000"))),
      missing);
  EXPECT_EQ(world.post("b", url, ids(id_of(sent, 1), id_of(sent, 1))).status, 400u);
  EXPECT_EQ(world.get("b", url + "?key_ID=" + id_of(sent, 1)).status, 200u);  // still there
}

TEST(Etsi014DecKeys, WrongMasterAndThirdSaesAreUnauthorised) {
  DeliveryWorld world;
  const Answer sent = world.get("a", "/api/v1/keys/b/enc_keys");
  const std::string query = "/dec_keys?key_ID=" + id_of(sent);
  for (const auto& [caller, path] : {std::pair{"b", "a2"}, {"b2", "a"}, {"b", "nobody"}}) {
    const Answer answer = world.get(caller, "/api/v1/keys/" + std::string(path) + query);
    EXPECT_EQ(answer.status, 401u) << caller;
    EXPECT_NE(answer.head.find("WWW-Authenticate: "), std::string::npos);
    EXPECT_EQ(answer.body.find("\"keys\""), std::string::npos);
  }
  EXPECT_EQ(world.get("b", "/api/v1/keys/a" + query).status, 200u);
  // The master itself holds no second copy.
  EXPECT_NE(world.get("a", "/api/v1/keys/a" + query).status, 200u);
}

TEST(Etsi014DecKeys, MalformedRequestsAreRefused) {
  DeliveryWorld world;
  const std::string url = "/api/v1/keys/a/dec_keys";
  for (const char* wrong : {"", "?key_ID=", "?key_ID=123", "?key_ID=zz&key_ID=zz", "?x=1",
                            "?key_ID=bc490419-7d60-487f-adc1-4ddcc177c139&x=1", "?key_ID=%zz"})
    EXPECT_EQ(world.get("b", url + wrong).status, 400u) << wrong;
  for (const char* wrong :
       {"", "{}", "[]", R"({"key_IDs":[]})", R"({"key_IDs":{}})", R"({"key_IDs":["x"]})",
        R"({"key_IDs":[{"key_ID":7}]})", R"({"key_IDs":[{"key_ID":"not-a-uuid"}]})",
        R"({"key_IDs":[{"key_ID":"a","key_ID":"b"}]})"})
    EXPECT_EQ(world.post("b", url, wrong).status, 400u) << wrong;
  std::string many = R"({"key_IDs":[)";
  for (int i = 0; i < 129; ++i)
    many += std::string(i == 0 ? "" : ",") + R"({"key_ID":"00000000-0000-4000-8000-)" +
            std::to_string(100'000'000'000 + i) + "\"}";
  EXPECT_EQ(world.post("b", url, many + "]}").status, 400u);
}

TEST(Etsi014, UnknownCallersAreUnauthorisedEverywhere) {
  DeliveryWorld world;
  EXPECT_EQ(world.get("ax", "/api/v1/keys/b/status").status, 401u);
  EXPECT_EQ(world.get("ax", "/api/v1/keys/b/enc_keys").status, 401u);
  EXPECT_EQ(
      world.get("bx", "/api/v1/keys/a/dec_keys?key_ID=bc490419-7d60-487f-adc1-4ddcc177c139").status,
      401u);
}

TEST(Etsi014, MulticastWithTwoExtraSlavesEachFetchingOnce) {
  DeliveryWorld world;
  const Answer sent =
      world.post("a", "/api/v1/keys/b/enc_keys", R"({"additional_slave_SAE_IDs":["b2","b3"]})");
  ASSERT_EQ(sent.status, 200u) << sent.body;
  for (const char* slave : {"b2", "b", "b3"}) {
    const std::string url = "/api/v1/keys/a/dec_keys?key_ID=" + id_of(sent);
    const Answer fetched = world.get(slave, url);
    ASSERT_EQ(fetched.status, 200u) << slave;
    EXPECT_EQ(key_of(fetched), key_of(sent));
    const Answer again = world.get(slave, url);
    EXPECT_EQ(again.status, 400u);
    EXPECT_EQ(message_of(again), missing);
  }
  // Beyond the peer's site: refused until there is relay.
  EXPECT_EQ(
      world.post("a", "/api/v1/keys/b/enc_keys", R"({"additional_slave_SAE_IDs":["a2"]})").status,
      400u);
  EXPECT_EQ(world
                .post("a", "/api/v1/keys/b/enc_keys",
                      R"({"additional_slave_SAE_IDs":["1","2","3","4","5","6","7","8","9"]})")
                .status,
            400u);
}

TEST(Etsi014, SaeIdsAreUrlDecodedOnce) {
  DeliveryWorld world;
  const std::string odd = "SAE/100%+ \u00e4?x=1";
  const Answer sent = world.get("a", "/api/v1/keys/" + percent_encoded(odd) + "/enc_keys");
  ASSERT_EQ(sent.status, 200u) << sent.body;
  EXPECT_EQ(world.get(odd, "/api/v1/keys/%61/dec_keys?key_ID=" + id_of(sent)).status, 200u);
  const Answer status = world.get("a", "/api/v1/keys/" + percent_encoded(odd) + "/status");
  EXPECT_EQ(object_of(status).at("slave_SAE_ID").as_string(), odd);
  for (const char* wrong : {"%", "%2", "%zz", "%00", "b%0a"})
    EXPECT_EQ(world.get("a", std::string("/api/v1/keys/") + wrong + "/status").status, 400u);
  EXPECT_EQ(world.get("a", "/api/v1/keys/%2562/status").status, 400u);  // "%62", not "b"
}

TEST(Etsi014, WrongUrlsMethodsAndMedia) {
  DeliveryWorld world;
  for (const char* nowhere :
       {"/", "/api/v1/keys/", "/api/v1/keys/b", "/api/v1/keys/b/", "/api/v2/keys/b/status",
        "/api/v1/keys/b/status/", "/api/v1/keys/b/x/status", "/x/api/v1/keys/b/status", "*"})
    EXPECT_EQ(world.get("a", nowhere).status, 404u) << nowhere;
  const Answer wrong = world.post("a", "/api/v1/keys/b/status", "{}");
  EXPECT_EQ(wrong.status, 405u);
  EXPECT_NE(wrong.head.find("Allow: GET\r\n"), std::string::npos);
  const Answer deleted =
      world.say("a", "DELETE /api/v1/keys/b/enc_keys HTTP/1.1\r\nHost: k\r\n\r\n");
  EXPECT_EQ(deleted.status, 405u);
  EXPECT_NE(deleted.head.find("Allow: GET, POST\r\n"), std::string::npos);
  const Answer head = world.say("a", "HEAD /api/v1/keys/b/status HTTP/1.1\r\nHost: k\r\n\r\n");
  EXPECT_EQ(head.status, 405u);
  EXPECT_TRUE(head.body.empty());
  EXPECT_EQ(world.post("a", "/api/v1/keys/b/enc_keys", "{}", "Content-Type: text/plain\r\n").status,
            415u);
  const auto accept = [&](const std::string& value) {
    return world
        .say("a", "GET /api/v1/keys/b/status HTTP/1.1\r\nHost: k\r\nAccept: " + value + "\r\n\r\n")
        .status;
  };
  EXPECT_EQ(accept("text/html"), 406u);
  EXPECT_EQ(accept("application/json;q=0"), 406u);
  EXPECT_EQ(accept("text/html, application/json;q=0.5"), 200u);
  EXPECT_EQ(accept("*/*"), 200u);
  EXPECT_EQ(accept("Application/*;q=0.1"), 200u);
}

TEST(Etsi014, PrefixIsConfigured) {
  DeliveryWorld world(400'000, {}, {.url_prefix = "/client/x/etsi"});
  EXPECT_EQ(world.get("a", "/client/x/etsi/api/v1/keys/b/status").status, 200u);
  EXPECT_EQ(world.get("a", "/api/v1/keys/b/status").status, 404u);
}

TEST(Etsi014, OversizeAndMalformedRequestsEndTheConnection) {
  DeliveryWorld world;
  const Answer body = world.post("a", "/api/v1/keys/b/enc_keys", std::string(65'537, ' '));
  EXPECT_EQ(body.status, 413u);
  EXPECT_FALSE(body.keeps_open);
  EXPECT_NE(body.head.find("Connection: close"), std::string::npos);
  const Answer header =
      world.say("a", "GET / HTTP/1.1\r\nHost: k\r\nX: " + std::string(9000, 'x') + "\r\n\r\n");
  EXPECT_EQ(header.status, 431u);
  const Answer chunked = world.say(
      "a",
      "POST /api/v1/keys/b/enc_keys HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n"
      "20000\r\n" +
          std::string(0x20000 - 1024, ' '));
  EXPECT_EQ(chunked.status, 413u);
  for (const char* noise : {"\x16\x03\x01\x02 tls hello\r\n\r\n", "GET\r\n\r\n",
                            "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
                            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
                            "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"}) {
    const Answer answer = world.say("a", noise);
    EXPECT_EQ(answer.status, 400u) << noise;
    EXPECT_FALSE(answer.keeps_open) << noise;
  }
  EXPECT_EQ(world.say("a", "GET /api/v1/keys/b/status HTTP/1.1\r\n\r\n").status, 400u);  // no Host
  EXPECT_EQ(world.say("a", std::string(200'000, 'x')).status, 413u);
}

TEST(Etsi014, AnySplitOfTheBytesGivesTheSameAnswers) {
  DeliveryWorld world;
  const std::string bytes =
      "GET /api/v1/keys/b/status HTTP/1.1\r\nHost: k\r\n\r\n"
      "POST /api/v1/keys/b/enc_keys HTTP/1.1\r\nHost: k\r\nContent-Length: 12\r\n\r\n"
      "{\"number\":2}"
      "POST /api/v1/keys/b/enc_keys HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5\r\n{\"siz\r\n8\r\ne\": 128}\r\n0\r\n\r\n"
      "GET /nothing HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n"
      "GET /api/v1/keys/b/status HTTP/1.1\r\nHost: k\r\n\r\n";
  for (const std::size_t step : {bytes.size(), std::size_t{1}, std::size_t{7}, std::size_t{64}}) {
    Etsi014Connection at = world.connection("a");
    std::string out;
    bool keeps_open = true;
    for (std::size_t i = 0; i < bytes.size(); i += step)
      out += world.send(at, "a", std::string_view(bytes).substr(i, step), &keeps_open);
    EXPECT_FALSE(keeps_open);
    std::vector<std::string> statuses;
    for (std::size_t i = 0; (i = out.find("HTTP/1.1 ", i)) != out.npos; i += 9)
      statuses.push_back(out.substr(i + 9, 3));
    EXPECT_EQ(statuses, (std::vector<std::string>{"200", "200", "200", "404"})) << step;
  }
}

TEST(Etsi014, ContinueIsGivenOnce) {
  DeliveryWorld world;
  Etsi014Connection at = world.connection("a");
  EXPECT_EQ(world.send(at, "a",
                       "POST /api/v1/keys/b/enc_keys HTTP/1.1\r\nHost: k\r\nExpect: 100-continue"
                       "\r\nContent-Length: 2\r\n\r\n"),
            "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(world.send(at, "a", "{"), "");
  EXPECT_TRUE(world.send(at, "a", "}").starts_with("HTTP/1.1 200 OK"));
}

TEST(Etsi014, NoKeyIs503) {
  DeliveryWorld world(0);
  for (const auto& [master, slave] : {std::pair{"a", "b"}, {"b", "a"}}) {
    const Answer answer = world.get(master, "/api/v1/keys/" + std::string(slave) + "/enc_keys");
    EXPECT_EQ(answer.status, 503u);
    EXPECT_NE(answer.head.find("Retry-After: "), std::string::npos);
    EXPECT_TRUE(answer.keeps_open);
    const Answer status = world.get(master, "/api/v1/keys/" + std::string(slave) + "/status");
    EXPECT_EQ(object_of(status).at("stored_key_count").as_int64(), 0);
  }
}

TEST(Etsi014, WaitingRequestsAreResumedInOrderOrTimeOut) {
  DeliveryWorld world;
  const std::string ask =
      "GET /api/v1/keys/a/enc_keys?size=1024 HTTP/1.1\r\nHost: k\r\n\r\n"
      "GET /api/v1/keys/a/status HTTP/1.1\r\nHost: k\r\n\r\n";
  Etsi014Connection at = world.connection("b");
  DeliveryStep step = at.feed(as_bytes(ask), world.now);
  ASSERT_TRUE(at.is_waiting());  // Alice's KME has to lease this rare size
  EXPECT_TRUE(step.output.empty());
  ASSERT_TRUE(step.answer_due.has_value());
  ASSERT_TRUE(world.kmes.bob.carry_out(step.effects));
  EXPECT_TRUE(at.resume(world.now).output.empty());  // nothing has changed yet
  ASSERT_TRUE(world.kmes.deliver());
  step = at.resume(world.now);
  const std::string both = to_text(step.output.expose_secret());
  EXPECT_TRUE(both.starts_with("HTTP/1.1 200 OK"));
  EXPECT_NE(both.find("stored_key_count"), std::string::npos);
  EXPECT_LT(both.find("\"keys\""), both.find("stored_key_count"));

  Etsi014Connection late = world.connection("b");
  step = late.feed(as_bytes("GET /api/v1/keys/a/enc_keys?size=2048 HTTP/1.1\r\nHost: k\r\n\r\n"),
                   world.now);
  ASSERT_TRUE(step.answer_due.has_value());
  step = late.resume({step.answer_due->ns - 1});
  EXPECT_TRUE(late.is_waiting());
  step = late.resume(*step.answer_due);
  EXPECT_TRUE(to_text(step.output.expose_secret()).starts_with("HTTP/1.1 503 "));
  EXPECT_FALSE(late.is_waiting());
  EXPECT_TRUE(step.keeps_open);
}

TEST(Etsi014, NothingLeavesWhenTheWriteFails) {
  DeliveryWorld world;
  const Answer sent = world.get("a", "/api/v1/keys/b/enc_keys");
  world.kmes.bob.store().fail_at(0);
  const Bytes ask = dec_keys_request({"kme", {}}, {"a"}, std::vector{*parse_key_id(id_of(sent))});
  Etsi014Connection at = world.connection("b");
  EXPECT_EQ(world.send(at, "b", to_text(ask)), "the site died");
  world.kmes.bob.restart();
  EXPECT_EQ(world.get("b", "/api/v1/keys/a/dec_keys?key_ID=" + id_of(sent)).status, 200u);
}

TEST(Etsi014, TenThousandPairsOfEqualKeys) {
  DeliveryWorld world(0);
  for (std::uint64_t n = 1; n <= 8; ++n) ASSERT_TRUE(world.kmes.add_block(BlockId{n}, 1'000'000));
  const Etsi014Endpoint endpoint{"kme", {}};
  std::size_t equal = 0;
  std::set<KeyId> ids;
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < 100; ++round) {
    const bool forward = round % 2 == 0;
    const std::string master = forward ? "a" : "b";
    const std::string slave = forward ? "b" : "a";
    const auto sent = world.keys(master, enc_keys_request(endpoint, {slave}, {.number = 100}));
    ASSERT_TRUE(sent) << sent.error().text();
    std::vector<KeyId> wanted;
    for (const FetchedKey& key : *sent) {
      wanted.push_back(key.id);
      EXPECT_TRUE(ids.insert(key.id).second);
    }
    const auto received = world.keys(slave, dec_keys_request(endpoint, {master}, wanted));
    ASSERT_TRUE(received) << received.error().text();
    ASSERT_EQ(received->size(), 100u);
    for (std::size_t i = 0; i < 100; ++i)
      equal +=
          equal_constant_time((*sent)[i].key.expose_secret(), (*received)[i].key.expose_secret());
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(equal, 10'000u);
  std::printf("10000 pairs over HTTP bytes, both servers and clients: %.3f s\n", took.count());
}

}  // namespace
}  // namespace quoin
