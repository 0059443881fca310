#include "adapters/gateway_pump.hpp"

#include <gtest/gtest.h>

#include <map>

#include "adapters/byte_stream.hpp"
#include "loopback.hpp"

namespace quoin {
namespace {

// What a pair of KMEs would do: hands out new keys, and each key once more by its id.
class Keys {
 public:
  explicit Keys(EventLoop& loop) : loop_(loop) {}

  GatewayKeySource source() {
    return [this](const std::string& key_id, GatewayKeyDone done) {
      // Later, as from a real KME.
      loop_.post([this, key_id, done = std::move(done)]() mutable {
        if (is_dry) return done(fail(ErrorCode::exhausted, "no key"));
        std::string id = key_id;
        if (id.empty()) {
          id = "key-" + std::to_string(++made);
          keys_[id] = pattern_bytes(32, made);
        }
        const auto found = keys_.find(id);
        if (found == keys_.end()) return done(fail(ErrorCode::not_found, "no such key"));
        Bytes copy = found->second;
        if (!key_id.empty()) keys_.erase(found);
        done(TunnelKey{id, SecretBytes::take_and_wipe(copy)});
      });
    };
  }

  std::uint64_t made = 0;
  bool is_dry = false;

 private:
  EventLoop& loop_;
  std::map<std::string, Bytes> keys_;
};

// A plain TCP end: sends what it has, keeps what it gets.
struct Peer {
  ByteStream stream;
  Bytes received;
  bool saw_end = false;
  bool is_broken = false;

  void use(ByteStream with) {
    stream = std::move(with);
    stream.start({.on_bytes =
                      [this](ByteSpan bytes) {
                        received.insert(received.end(), bytes.begin(), bytes.end());
                      },
                  .on_finished_by_peer = [this] { saw_end = true; },
                  .on_drained = {},
                  .on_broken = [this](const Error&) { is_broken = true; }});
  }
};

class GatewayPumpTest : public testing::Test {
 protected:
  EventLoop loop_;
  OpenSslPublicRandom random_;
  Keys keys_{loop_};
  Peer target_;
  Peer user_;
  std::optional<ByteListener> target_listener_;
  std::unique_ptr<GatewayPump> exit_;
  std::unique_ptr<GatewayPump> entry_;
  ByteConnector connector_;
  std::vector<Error> failures_;

  static GatewayPumpConfig config(GatewaySide side, std::uint16_t forward_port) {
    GatewayPumpConfig made;
    made.side = side;
    made.forward_host = "127.0.0.1";
    made.forward_port = forward_port;
    made.terms.master_sae = "sae-a";
    made.terms.slave_sae = "sae-b";
    made.terms.rekey_bytes = std::uint64_t{1} << 20;
    return made;
  }

  void start() {
    target_listener_ = *ByteListener::open(
        loop_, "127.0.0.1", 0, [this](ByteStream stream) { target_.use(std::move(stream)); });
    exit_ = *GatewayPump::start(loop_, config(GatewaySide::exit, target_listener_->port()), random_,
                                keys_.source());
    entry_ = *GatewayPump::start(loop_, config(GatewaySide::entry, exit_->port()), random_,
                                 keys_.source());
    for (GatewayPump* pump : {exit_.get(), entry_.get()})
      pump->on_failed([this](const Error& error) { failures_.push_back(error); });
  }
  void connect_user() {
    connector_ = ByteConnector::connect(
        loop_, "127.0.0.1", entry_->port(), 5000,
        [this](Result<ByteStream> stream) { user_.use(std::move(stream).value()); });
    ASSERT_TRUE(until([this] { return user_.stream.is_open(); }));
  }
  bool until(const std::function<bool()>& done) { return loop_.run_until(done, test_limit_ms); }
};

TEST_F(GatewayPumpTest, CarriesTenMegabytesBothWaysAndRekeysOnTheWay) {
  start();
  connect_user();
  const Bytes up = pattern_bytes(10'000'000, 1);
  const Bytes down = pattern_bytes(10'000'000, 2);
  user_.stream.send(up);
  user_.stream.finish();
  ASSERT_TRUE(until([this] { return target_.stream.is_open(); }));
  target_.stream.send(down);
  target_.stream.finish();
  ASSERT_TRUE(until([this] { return target_.saw_end && user_.saw_end; }));
  EXPECT_TRUE(target_.received == up);
  EXPECT_TRUE(user_.received == down);
  EXPECT_TRUE(failures_.empty()) << failures_[0].text();
  EXPECT_GT(keys_.made, 8U);
  EXPECT_EQ(entry_->counters().keys_used, keys_.made);
  EXPECT_EQ(entry_->counters().bytes_from_users, up.size());
  EXPECT_EQ(exit_->counters().bytes_to_users, up.size());
  ASSERT_TRUE(
      until([this] { return entry_->open_connections() == 0 && exit_->open_connections() == 0; }));
}

TEST_F(GatewayPumpTest, ADirectionMayEndBeforeTheOther) {
  start();
  connect_user();
  user_.stream.send(to_bytes("question"));
  user_.stream.finish();
  ASSERT_TRUE(until([this] { return target_.saw_end; }));
  EXPECT_EQ(to_text(target_.received), "question");
  EXPECT_FALSE(user_.saw_end);
  target_.stream.send(to_bytes("answer"));
  target_.stream.finish();
  ASSERT_TRUE(until([this] { return user_.saw_end; }));
  EXPECT_EQ(to_text(user_.received), "answer");
  EXPECT_TRUE(failures_.empty());
}

TEST_F(GatewayPumpTest, AUserWhoDoesNotReadIsNotBufferedWithoutEnd) {
  start();
  connect_user();
  ASSERT_TRUE(until([this] { return target_.stream.is_open(); }));
  target_.stream.pause();
  for (int i = 0; i < 40; ++i) user_.stream.send(pattern_bytes(1'000'000, 3));
  // Until nothing moves for a while: the pump must have stopped reading long before the end.
  std::size_t left = 0;
  for (int quiet = 0; quiet < 20; ++quiet) {
    if (user_.stream.queued_bytes() != left) quiet = 0;
    left = user_.stream.queued_bytes();
    static_cast<void>(loop_.run_until([] { return false; }, 10));
  }
  EXPECT_GT(left, 10'000'000U);
  target_.stream.resume();
  ASSERT_TRUE(until([this] { return target_.received.size() == 40'000'000; }));
}

TEST_F(GatewayPumpTest, WithoutAKeyNothingPasses) {
  start();
  keys_.is_dry = true;
  connect_user();
  user_.stream.send(to_bytes("secret"));
  ASSERT_TRUE(until([this] { return user_.saw_end || user_.is_broken; }));
  EXPECT_FALSE(target_.stream.is_open());
  ASSERT_FALSE(failures_.empty());
  EXPECT_EQ(failures_[0].code, ErrorCode::exhausted);
}

TEST_F(GatewayPumpTest, AVanishedUserEndsBothTunnels) {
  start();
  connect_user();
  ASSERT_TRUE(until([this] { return target_.stream.is_open(); }));
  target_listener_->close();
  target_.stream.close();
  user_.stream.send(pattern_bytes(100, 4));
  ASSERT_TRUE(until([this] { return entry_->open_connections() == 0; })) << "user told";
  EXPECT_EQ(exit_->open_connections(), 0U);
}

// Bytes that a thief on the path changes reach nobody.
TEST_F(GatewayPumpTest, AnAlteredRecordEndsTheTunnelAndReachesNobody) {
  start();
  Peer from_entry;
  Peer to_exit;
  bool alters = false;
  auto thief = *ByteListener::open(loop_, "127.0.0.1", 0, [&](ByteStream stream) {
    from_entry.stream = std::move(stream);
    connector_ = ByteConnector::connect(
        loop_, "127.0.0.1", exit_->port(), 5000, [&](Result<ByteStream> far) {
          to_exit.stream = std::move(far).value();
          from_entry.stream.start({.on_bytes =
                                       [&](ByteSpan bytes) {
                                         Bytes copy(bytes.begin(), bytes.end());
                                         if (alters) copy.back() ^= std::byte{1};
                                         to_exit.stream.send(std::move(copy));
                                       },
                                   .on_finished_by_peer = {},
                                   .on_drained = {},
                                   .on_broken = {}});
          to_exit.stream.start({.on_bytes =
                                    [&](ByteSpan bytes) {
                                      from_entry.stream.send(Bytes(bytes.begin(), bytes.end()));
                                    },
                                .on_finished_by_peer = [&] { from_entry.stream.close(); },
                                .on_drained = {},
                                .on_broken = [&](const Error&) { from_entry.stream.close(); }});
        });
  });
  entry_ =
      *GatewayPump::start(loop_, config(GatewaySide::entry, thief.port()), random_, keys_.source());
  ByteConnector user = ByteConnector::connect(
      loop_, "127.0.0.1", entry_->port(), 5000,
      [this](Result<ByteStream> stream) { user_.use(std::move(stream).value()); });
  ASSERT_TRUE(until([this] { return target_.stream.is_open(); }));
  user_.stream.send(to_bytes("first"));
  ASSERT_TRUE(until([this] { return to_text(target_.received) == "first"; }));
  alters = true;
  user_.stream.send(to_bytes("second"));
  ASSERT_TRUE(until([this] { return !failures_.empty(); }));
  EXPECT_EQ(failures_[0].code, ErrorCode::unauthenticated);
  ASSERT_TRUE(until([this] { return user_.saw_end || user_.is_broken; }));
  EXPECT_EQ(to_text(target_.received), "first");
}

TEST_F(GatewayPumpTest, TermsThatCannotBeAreRefusedAtTheStart) {
  auto bad = config(GatewaySide::entry, 1);
  bad.terms.slave_sae.clear();
  const auto refused = GatewayPump::start(loop_, bad, random_, keys_.source());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::configuration);
}

}  // namespace
}  // namespace quoin
