#include <gtest/gtest.h>

#include <algorithm>

#include "adapters/fibre_client.hpp"
#include "adapters/fibre_server.hpp"
#include "adapters/socket.hpp"
#include "quantum/fibre_service.hpp"

namespace quoin {
namespace {

constexpr std::uint64_t seed = 11;
constexpr std::uint64_t block_slots = 2'000'000;

class FibreOverTcp : public testing::Test {
 protected:
  std::unique_ptr<SimulatedLink> link_ = *SimulatedLink::make({}, seed);
  FibreStation station_{*link_, Pace::max};
  std::unique_ptr<FibreServer> server_ =
      *FibreServer::start("127.0.0.1", 0, serve_with<FibreService>(station_));

  FibreClientConfig to_server() const {
    FibreClientConfig config;
    config.port = server_->port();
    return config;
  }
};

TEST_F(FibreOverTcp, GivesWhatTheDeviceInTheProcessGives) {
  auto alice = FibreAlice::connect(to_server());
  auto bob = FibreBob::connect(to_server());
  ASSERT_TRUE(alice) << alice.error().text();
  ASSERT_TRUE(bob) << bob.error().text();
  const std::unique_ptr<SimulatedLink> local = *SimulatedLink::make({}, seed);
  EXPECT_EQ(*(*alice)->calibration(), *local->alice().calibration());
  for (int block = 0; block < 3; ++block) {
    const DetectionEvents far = *(*bob)->next_block(block_slots);
    const DetectionEvents near = *local->bob().next_block(block_slots);
    ASSERT_GT(far.offsets.size(), 1000U);
    EXPECT_EQ(far.first_slot, near.first_slot);
    EXPECT_EQ(far.offsets, near.offsets);
    EXPECT_TRUE(std::ranges::equal(far.clicked_0.expose_secret(), near.clicked_0.expose_secret()));
    const AliceAnswer answer = *(*alice)->settings_for(far.first_slot, block_slots, far.offsets);
    const AliceAnswer expected =
        *local->alice().settings_for(far.first_slot, block_slots, far.offsets);
    EXPECT_EQ(answer.emitted, expected.emitted);
    EXPECT_TRUE(equal_constant_time(answer.settings.bits.expose_secret_bytes(),
                                    expected.settings.bits.expose_secret_bytes()));
  }
}

TEST_F(FibreOverTcp, OneAliceAtATime) {
  auto first = FibreAlice::connect(to_server());
  ASSERT_TRUE(first);
  const auto second = FibreAlice::connect(to_server());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
}

TEST_F(FibreOverTcp, RefusalsOfTheDeviceArriveAsSuch) {
  auto alice = FibreAlice::connect(to_server());
  ASSERT_TRUE(alice);
  const std::vector<std::uint32_t> offsets{1, 2};
  const auto refused = (*alice)->settings_for(1'000'000'000'000, 1000, offsets);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::not_found);
  EXPECT_TRUE((*alice)->calibration()) << "the connection goes on";
}

TEST_F(FibreOverTcp, AnInterruptEndsTheClient) {
  auto bob = FibreBob::connect(to_server());
  ASSERT_TRUE(bob);
  (*bob)->interrupt();
  EXPECT_EQ((*bob)->next_block(1000).error().code, ErrorCode::unavailable);
  EXPECT_EQ((*bob)->next_block(1000).error().code, ErrorCode::unavailable);
}

TEST_F(FibreOverTcp, AStrangerWithNonsenseIsCutOffAndTheRestGoesOn) {
  auto socket = *Socket::connect("127.0.0.1", server_->port(), 5000);
  ASSERT_TRUE(socket.write_all(Bytes(100, std::byte{0xff}), 5000));
  std::array<std::byte, 4096> buffer;
  while (true) {
    const auto got = socket.read_some(buffer, 10'000);
    if (!got || *got == 0) break;
  }
  EXPECT_TRUE(FibreBob::connect(to_server()));
}

TEST(Fibre, NobodyThereIsSaid) {
  std::uint16_t port = 0;
  {
    const auto listener = *SocketListener::open("127.0.0.1", 0);
    port = listener.port();
  }
  FibreClientConfig config;
  config.port = port;
  const auto refused = FibreBob::connect(config);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
}

TEST(Fibre, APortInUseIsNamed) {
  const auto listener = *SocketListener::open("127.0.0.1", 0);
  const auto refused = SocketListener::open("127.0.0.1", listener.port());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().text().find("port in use"), std::string::npos);
}

}  // namespace
}  // namespace quoin
