#include "adapters/tcp_relay.hpp"

#include <gtest/gtest.h>

#include "adapters/byte_stream.hpp"
#include "loopback.hpp"

namespace quoin {
namespace {

TEST(TcpRelay, KeepsEveryByteAndItsOrderAndAddsTheDelayBothWays) {
  EventLoop loop;
  ByteStream echo;
  auto target = *ByteListener::open(loop, "127.0.0.1", 0, [&](ByteStream stream) {
    echo = std::move(stream);
    echo.start({.on_bytes = [&](ByteSpan b) { echo.send(Bytes(b.begin(), b.end())); },
                .on_finished_by_peer = [&] { echo.finish(); },
                .on_drained = {},
                .on_broken = {}});
  });
  constexpr std::int64_t delay_ms = 20;
  auto relay = *TcpRelay::start(
      loop, {.target_host = "127.0.0.1", .target_port = target.port(), .delay_ms = delay_ms});
  ByteStream near;
  Bytes received;
  bool saw_end = false;
  Instant sent_at;
  Instant first_at;
  auto connector = ByteConnector::connect(
      loop, "127.0.0.1", relay->port(), 5000, [&](Result<ByteStream> stream) {
        near = std::move(stream).value();
        near.start({.on_bytes =
                        [&](ByteSpan b) {
                          if (received.empty()) first_at = loop.now();
                          received.insert(received.end(), b.begin(), b.end());
                        },
                    .on_finished_by_peer = [&] { saw_end = true; },
                    .on_drained = {},
                    .on_broken = {}});
        sent_at = loop.now();
        near.send(pattern_bytes(3'000'000, 8));
        near.finish();
      });
  ASSERT_TRUE(loop.run_until([&] { return saw_end; }, test_limit_ms));
  EXPECT_TRUE(received == pattern_bytes(3'000'000, 8));
  EXPECT_GE(first_at.ns - sent_at.ns, 2 * delay_ms * ns_per_ms);
}

}  // namespace
}  // namespace quoin
