#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "adapters/byte_stream.hpp"
#include "adapters/https_client.hpp"
#include "adapters/https_server.hpp"
#include "loopback.hpp"

namespace quoin {
namespace {

// Lines in, lines out: "name" answers with the client's name, "big N" with N bytes, "later" with
// "woken" once woken, "bye" closes.
class Lines final : public ByteConversation {
 public:
  Lines(std::string client, std::function<void()> wake)
      : client_(std::move(client)), wake_(std::move(wake)) {}

  ConversationOutput feed(ByteSpan bytes, Instant now) override {
    input_ += to_text(bytes);
    ConversationOutput output;
    const std::size_t end = input_.find('\n');
    if (end == std::string::npos) return output;
    const std::string line = input_.substr(0, end);
    input_.erase(0, end + 1);
    if (line == "later") {
      since_ = now;
      wake_();
      return output;
    }
    const std::size_t size = line.starts_with("big ") ? std::stoul(line.substr(4)) : 0;
    output.bytes = secret(size > 0 ? std::string(size, 'x') + "\n" : client_ + "\n");
    output.keep_open = line != "bye";
    return output;
  }
  ConversationOutput wake(Instant) override {
    if (!since_) return {};
    since_.reset();
    return {secret("woken\n"), true};
  }
  bool is_answering() const override { return since_.has_value(); }

 private:
  static SecretBytes secret(const std::string& text) {
    Bytes copy = to_bytes(text);
    return SecretBytes::take_and_wipe(copy, SecretMemory::block);
  }
  std::string client_;
  std::function<void()> wake_;
  std::string input_;
  std::optional<Instant> since_;
};

class HttpsTest : public testing::Test {
 protected:
  TestFolder folder_;
  TestAuthority authority_{folder_, "north"};
  EventLoop loop_;
  std::unique_ptr<HttpsServer> server_;
  std::thread thread_;

  void start(HttpsServerConfig config = {}) {
    auto started = HttpsServer::start(
        loop_, tls_context(TlsPurpose::delivery, TlsSide::server, authority_.site("kme-a")), config,
        [](const TlsPeer& client, std::function<void()> wake) -> std::unique_ptr<ByteConversation> {
          if (client.sae == "banned") return nullptr;
          return std::make_unique<Lines>(client.sae, std::move(wake));
        });
    ASSERT_TRUE(started) << started.error().text();
    server_ = std::move(started).value();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~HttpsTest() override {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  HttpsClientConfig to_server() const {
    HttpsClientConfig config;
    config.host = "localhost";
    config.port = server_->port();
    config.answer_timeout_ms = 10'000;
    return config;
  }
  Result<HttpsClient> connect(const std::string& sae) { return connect(sae, to_server()); }
  Result<HttpsClient> connect(const std::string& sae, const HttpsClientConfig& config) {
    return HttpsClient::connect(
        tls_context(TlsPurpose::delivery, TlsSide::client, authority_.sae(sae)), config);
  }
  static Result<bool> is_line(ByteSpan received) { return received.back() == std::byte{'\n'}; }
  static Result<std::string> ask(HttpsClient& client, const std::string& line) {
    QUOIN_TAKE(answer, client.exchange(as_bytes(line), is_line));
    return to_text(answer.expose_secret());
  }
};

TEST_F(HttpsTest, AnswersEachClientByTheNameInItsCertificate) {
  start();
  auto first = connect("app-1");
  auto second = connect("app-2");
  ASSERT_TRUE(first) << first.error().text();
  ASSERT_TRUE(second);
  EXPECT_EQ(*ask(*first, "name\n"), "app-1\n");
  EXPECT_EQ(*ask(*second, "name\n"), "app-2\n");
  EXPECT_EQ(*ask(*first, "name\n"), "app-1\n") << "the connection stays open";
  EXPECT_EQ(first->server().site, "kme-a");
}

TEST_F(HttpsTest, ADeferredAnswerComesWithTheWake) {
  start();
  auto client = connect("app");
  ASSERT_TRUE(client);
  EXPECT_EQ(*ask(*client, "later\n"), "woken\n");
}

TEST_F(HttpsTest, AnswersAreBoundedAndCloseIsHonoured) {
  start();
  auto large = connect("app");
  EXPECT_EQ(ask(*large, "big 3000000\n")->size(), 3'000'001U);
  auto config = to_server();
  config.answer_bytes_max = 100'000;
  auto client = connect("app", config);
  EXPECT_EQ(ask(*client, "big 200000\n").error().code, ErrorCode::too_large);
  auto leaving = connect("app");
  EXPECT_EQ(*ask(*leaving, "bye\n"), "app\n");
  EXPECT_EQ(ask(*leaving, "name\n").error().code, ErrorCode::unavailable);
}

TEST_F(HttpsTest, TheServerMustBeTheOneThatIsMeant) {
  start();
  auto config = to_server();
  config.expected_site = "kme-b";
  const auto refused = connect("app", config);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unauthenticated);
  config.expected_site = "kme-a";
  EXPECT_TRUE(connect("app", config));
}

TEST_F(HttpsTest, UnknownClientsLearnThatTheyAreRefused) {
  start();
  TestAuthority south(folder_, "south");
  TlsFiles files = south.sae("app");
  files.ca_file = authority_.ca_file();
  auto client =
      HttpsClient::connect(tls_context(TlsPurpose::delivery, TlsSide::client, files), to_server());
  // In TLS 1.3 the client is done first; the refusal arrives with its first read.
  const Error error = client ? ask(*client, "name\n").error() : client.error();
  EXPECT_EQ(error.code, ErrorCode::unauthenticated);
  EXPECT_NE(error.text().find("does not trust the authority"), std::string::npos) << error.text();
  auto banned = connect("banned");
  EXPECT_FALSE(banned && ask(*banned, "name\n"));
}

TEST_F(HttpsTest, SlowAndSilentClientsAreClosed) {
  HttpsServerConfig config;
  config.request_timeout_ms = 60;
  config.handshake_timeout_ms = 60;
  start(config);
  auto slow = connect("app");
  ASSERT_TRUE(slow);
  // Half a line, never completed: the server closes, whatever the client still waits for.
  EXPECT_EQ(ask(*slow, "na").error().code, ErrorCode::unavailable);
}

TEST_F(HttpsTest, ConnectionsAreLimited) {
  HttpsServerConfig config;
  config.connections_max = 2;
  start(config);
  auto first = connect("app");
  auto second = connect("app");
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(connect("app"));
  EXPECT_EQ(*ask(*first, "name\n"), "app\n");
}

TEST_F(HttpsTest, NobodyThereIsSaid) {
  start();
  auto config = to_server();
  std::promise<void> gone;
  loop_.post([&] {
    server_.reset();
    gone.set_value();
  });
  gone.get_future().wait();
  const auto refused = connect("app", config);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  EXPECT_NE(refused.error().text().find("nothing listens there"), std::string::npos);
}

}  // namespace
}  // namespace quoin
