// The device interface over the fibre process's protocol (quantum/fibre_protocol.hpp): what a site
// uses when the simulated optics run as their own process. Blocking, one device thread per object;
// interrupt() may come from any thread. A lost connection is tried anew at the next call.
#pragma once

#include <memory>

#include "quantum/device.hpp"
#include "quantum/fibre_protocol.hpp"

namespace quoin {

struct FibreClientConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::int64_t connect_timeout_ms = 5000;
  // Longest wait for an answer: a block of slots takes its time at realtime pace.
  std::int64_t answer_timeout_ms = 120'000;
};

class FibreChannel;

class FibreAlice final : public AliceDevice {
 public:
  // unavailable: nothing there; conflict: another Alice is connected, or another version.
  static Result<std::unique_ptr<FibreAlice>> connect(const FibreClientConfig& config);
  ~FibreAlice() override;
  Result<DeviceCalibration> calibration() override;
  Result<AliceAnswer> settings_for(SlotIndex first_slot, std::uint64_t slot_count,
                                   std::span<const std::uint32_t> offsets) override;
  // Makes a waiting call fail, and all later ones.
  void interrupt();

 private:
  explicit FibreAlice(std::unique_ptr<FibreChannel> channel);
  std::unique_ptr<FibreChannel> channel_;
};

class FibreBob final : public BobDevice {
 public:
  static Result<std::unique_ptr<FibreBob>> connect(const FibreClientConfig& config);
  ~FibreBob() override;
  Result<DeviceCalibration> calibration() override;
  Result<DetectionEvents> next_block(std::uint64_t slot_count) override;
  void interrupt();

 private:
  explicit FibreBob(std::unique_ptr<FibreChannel> channel);
  std::unique_ptr<FibreChannel> channel_;
};

// The hand on the fibre: demonstrations of attacks.
class FibreControl final {
 public:
  static Result<std::unique_ptr<FibreControl>> connect(const FibreClientConfig& config);
  ~FibreControl();
  Result<DeviceCalibration> calibration();
  // The slot from which on Eve acts.
  Result<SlotIndex> set_eve(const SetEveRequest& request);

 private:
  explicit FibreControl(std::unique_ptr<FibreChannel> channel);
  std::unique_ptr<FibreChannel> channel_;
};

}  // namespace quoin
