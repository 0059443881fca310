#include "adapters/stream_link.hpp"

#include <gtest/gtest.h>

#include "adapters/tcp_relay.hpp"
#include "adapters/tls_stream.hpp"
#include "loopback.hpp"

namespace quoin {
namespace {

// One end of a link with everything that happened to it.
struct End {
  std::unique_ptr<StreamLink> link;
  std::vector<Bytes> frames;
  std::vector<Error> downs;
  std::vector<Error> failed_attempts;
  std::optional<TransportFacts> facts;
  int ups = 0;

  StreamLinkCallbacks callbacks() {
    return {.on_up =
                [this](TransportFacts now) {
                  ++ups;
                  facts = std::move(now);
                },
            .on_frame = [this](ByteSpan frame) { frames.emplace_back(frame.begin(), frame.end()); },
            .on_down = [this](const Error& error) { downs.push_back(error); },
            .on_attempt_failed = [this](const Error& error) { failed_attempts.push_back(error); }};
  }
};

class StreamLinkTest : public testing::Test {
 protected:
  TestFolder folder_;
  TestAuthority authority_{folder_, "north"};
  EventLoop loop_;
  End alpha_;  // initiator
  End beta_;   // responder

  static StreamLinkConfig config(ConnectionRole role, const std::string& peer, std::uint16_t port) {
    StreamLinkConfig made;
    made.role = role;
    made.host = "127.0.0.1";
    made.port = port;
    made.peer_site = peer;
    made.exporter_context = to_bytes("test");
    made.software_version = "0.1.0";
    made.retry_ms_first = 5;
    made.retry_ms_max = 20;
    return made;
  }
  TlsContext context(TlsSide side, const std::string& site) {
    return tls_context(TlsPurpose::link, side, authority_.site(site));
  }

  void listen(std::uint16_t port = 0, std::int64_t timeout_ms = 10'000) {
    auto with = config(ConnectionRole::responder, "alpha", port);
    with.timeout_ms = timeout_ms;
    auto started =
        StreamLink::start(loop_, context(TlsSide::server, "beta"), with, beta_.callbacks());
    ASSERT_TRUE(started) << started.error().text();
    beta_.link = std::move(started).value();
  }
  void connect(std::uint16_t port, const std::string& as = "alpha") {
    auto started =
        StreamLink::start(loop_, context(TlsSide::client, as),
                          config(ConnectionRole::initiator, "beta", port), alpha_.callbacks());
    ASSERT_TRUE(started) << started.error().text();
    alpha_.link = std::move(started).value();
  }
  void bring_up() {
    listen();
    connect(beta_.link->port());
    ASSERT_TRUE(until([this] { return alpha_.ups == 1 && beta_.ups == 1; }));
  }
  bool until(const std::function<bool()>& done) { return loop_.run_until(done, test_limit_ms); }
};

TEST_F(StreamLinkTest, ComesUpWithEqualExportersAndTheFactsOfTheConnection) {
  bring_up();
  EXPECT_EQ(alpha_.facts->peer_name, "beta");
  EXPECT_EQ(beta_.facts->peer_name, "alpha");
  EXPECT_EQ(alpha_.facts->key_exchange, "X25519MLKEM768");
  EXPECT_EQ(alpha_.facts->anchor, "pki");
  EXPECT_EQ(alpha_.facts->exporter.size_bytes(), 64U);
  EXPECT_TRUE(equal_constant_time(alpha_.facts->exporter.expose_secret(),
                                  beta_.facts->exporter.expose_secret()));
  EXPECT_EQ(beta_.link->peer_software_version(), "0.1.0");
}

TEST_F(StreamLinkTest, CarriesFramesOfEverySizeInOrder) {
  bring_up();
  std::vector<Bytes> sent;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{16'383},
                                 std::size_t{16'384}, std::size_t{70'000}, link_frame_bytes_max}) {
    sent.push_back(pattern_bytes(size, size));
    ASSERT_TRUE(alpha_.link->send(sent.back()));
    ASSERT_TRUE(beta_.link->send(sent.back()));
  }
  ASSERT_TRUE(until(
      [&] { return alpha_.frames.size() == sent.size() && beta_.frames.size() == sent.size(); }));
  EXPECT_EQ(alpha_.frames, sent);
  EXPECT_EQ(beta_.frames, sent);
  EXPECT_EQ(alpha_.link->send(Bytes(link_frame_bytes_max + 1)).error().code, ErrorCode::too_large);
}

TEST_F(StreamLinkTest, ReconnectsAfterADropAndAfterARestartOfThePeer) {
  bring_up();
  alpha_.link->drop({ErrorCode::conflict, "test", {}});
  EXPECT_TRUE(alpha_.downs.empty()) << "not inside the call";
  ASSERT_TRUE(until([this] { return alpha_.ups == 2 && beta_.ups == 2; }));
  ASSERT_EQ(alpha_.downs.size(), 1U);
  EXPECT_EQ(alpha_.downs[0].message, "test");
  EXPECT_EQ(beta_.downs.size(), 1U);
  const std::uint16_t port = beta_.link->port();
  beta_.link.reset();
  ASSERT_TRUE(until([this] { return alpha_.downs.size() == 2; }));
  EXPECT_EQ(alpha_.link->send(Bytes(1)).error().code, ErrorCode::unavailable);
  listen(port);
  ASSERT_TRUE(until([this] { return alpha_.ups == 3 && beta_.ups == 3; }));
  ASSERT_TRUE(alpha_.link->send(to_bytes("again")));
  ASSERT_TRUE(until([this] { return beta_.frames.size() == 1; }));
}

TEST_F(StreamLinkTest, ACutCableIsADownNotAnEnd) {
  listen();
  auto relay = *TcpRelay::start(
      loop_, {.target_host = "127.0.0.1", .target_port = beta_.link->port(), .delay_ms = 1});
  connect(relay->port());
  ASSERT_TRUE(until([this] { return alpha_.ups == 1 && beta_.ups == 1; }));
  relay->cut();
  ASSERT_TRUE(until([this] { return alpha_.ups == 2 && beta_.ups == 2; }));
  EXPECT_EQ(alpha_.downs.size(), 1U);
}

TEST_F(StreamLinkTest, ANewConnectionOfThePeerReplacesTheOld) {
  bring_up();
  End again;
  again.link = *StreamLink::start(loop_, context(TlsSide::client, "alpha"),
                                  config(ConnectionRole::initiator, "beta", beta_.link->port()),
                                  again.callbacks());
  ASSERT_TRUE(until([&] { return again.ups >= 1 && beta_.ups >= 2; }));
  EXPECT_NE(beta_.downs.at(0).message.find("connected anew"), std::string::npos);
}

TEST_F(StreamLinkTest, StrangersFailWithTheReasonAndDisturbNobody) {
  bring_up();
  End stranger;
  stranger.link = *StreamLink::start(loop_, context(TlsSide::client, "mallory"),
                                     config(ConnectionRole::initiator, "beta", beta_.link->port()),
                                     stranger.callbacks());
  ASSERT_TRUE(
      until([&] { return !stranger.failed_attempts.empty() && !beta_.failed_attempts.empty(); }));
  EXPECT_NE(beta_.failed_attempts[0].text().find("site mallory"), std::string::npos);
  EXPECT_NE(stranger.failed_attempts[0].text().find("refuses our certificate"), std::string::npos)
      << stranger.failed_attempts[0].text();
  EXPECT_EQ(stranger.ups, 0);
  EXPECT_TRUE(alpha_.link->is_up() && beta_.link->is_up());
}

TEST_F(StreamLinkTest, HalfOpenConnectionsTimeOutAndAreFew) {
  listen(0, 50);
  std::vector<ByteStream> silent;
  std::vector<ByteConnector> connectors;
  for (int i = 0; i < 12; ++i)
    connectors.push_back(ByteConnector::connect(
        loop_, "127.0.0.1", beta_.link->port(), 5000,
        [&](Result<ByteStream> stream) { silent.push_back(std::move(stream).value()); }));
  ASSERT_TRUE(until([&] { return silent.size() == 12 && beta_.failed_attempts.size() >= 8; }));
  EXPECT_EQ(beta_.failed_attempts[0].code, ErrorCode::unavailable);
  connect(beta_.link->port());
  ASSERT_TRUE(until([this] { return beta_.ups == 1; })) << "silent peers must not block the link";
}

TEST_F(StreamLinkTest, NobodyThereIsReportedAndTriedAgain) {
  std::uint16_t port = 0;
  {
    const auto listener = *ByteListener::open(loop_, "127.0.0.1", 0, [](ByteStream) {});
    port = listener.port();
  }
  connect(port);
  ASSERT_TRUE(until([this] { return alpha_.failed_attempts.size() >= 3; }));
  EXPECT_NE(alpha_.failed_attempts[0].text().find("nothing listens there"), std::string::npos);
  listen(port);
  ASSERT_TRUE(until([this] { return alpha_.ups == 1; }));
}

TEST_F(StreamLinkTest, APortInUseIsNamed) {
  listen();
  End other;
  const auto refused = StreamLink::start(
      loop_, context(TlsSide::server, "beta"),
      config(ConnectionRole::responder, "alpha", beta_.link->port()), other.callbacks());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::configuration);
  EXPECT_NE(refused.error().text().find("port in use"), std::string::npos);
  EXPECT_NE(refused.error().text().find("choose another port"), std::string::npos);
}

// An authenticated peer that sends what the framing does not allow.
class HostilePeer : public StreamLinkTest {
 protected:
  void send_raw(ByteSpan bytes) {
    listen();
    connector_ = ByteConnector::connect(
        loop_, "127.0.0.1", beta_.link->port(), 5000,
        [this, copy = Bytes(bytes.begin(), bytes.end())](Result<ByteStream> tcp) {
          TlsStream::Callbacks fns;
          fns.on_established = [this, copy](const TlsPeer&) { ASSERT_TRUE(raw_.send(copy)); };
          raw_ = *TlsStream::start(loop_, std::move(tcp).value(), context(TlsSide::client, "alpha"),
                                   {"beta", {}}, 5000, std::move(fns));
        });
  }

  static Bytes version_frame(std::string_view name, std::uint16_t version) {
    ByteWriter frame;
    frame.text(name).u16(version).text("9.9");
    ByteWriter out;
    out.prefixed(frame.bytes());
    return std::move(out).take();
  }

  TlsStream raw_;
  ByteConnector connector_;
};

TEST_F(HostilePeer, AFrameOverTheBoundEndsTheConnectionBeforeItIsRead) {
  ByteWriter out;
  out.fixed(version_frame("quoin-link", 1)).u32(link_frame_bytes_max + 1);
  send_raw(out.bytes());
  ASSERT_TRUE(until([this] { return !beta_.downs.empty(); }));
  EXPECT_EQ(beta_.downs[0].code, ErrorCode::too_large);
}

TEST_F(HostilePeer, AnotherVersionIsNamed) {
  send_raw(version_frame("quoin-link", 7));
  ASSERT_TRUE(until([this] { return !beta_.failed_attempts.empty(); }));
  EXPECT_EQ(beta_.failed_attempts[0].code, ErrorCode::conflict);
  EXPECT_NE(beta_.failed_attempts[0].text().find("version 7"), std::string::npos);
  EXPECT_EQ(beta_.ups, 0);
}

TEST_F(HostilePeer, AnotherProtocolIsRefused) {
  send_raw(version_frame("telnet", 1));
  ASSERT_TRUE(until([this] { return !beta_.failed_attempts.empty(); }));
  EXPECT_EQ(beta_.failed_attempts[0].code, ErrorCode::malformed);
}

}  // namespace
}  // namespace quoin
