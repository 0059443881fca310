#include "adapters/fibre_client.hpp"

#include <atomic>
#include <mutex>

#include "adapters/socket.hpp"

namespace quoin {

// One connection of one role: request out, answer in.
class FibreChannel {
 public:
  FibreChannel(FibreClientConfig config, FibreRole role)
      : config_(std::move(config)), role_(role) {}

  Status ensure_connected() {
    if (is_interrupted_) return interrupted();
    if (socket_.is_open()) return success();
    QUOIN_TAKE(socket, Socket::connect(config_.host, config_.port, config_.connect_timeout_ms));
    {
      const std::lock_guard lock(mutex_);
      socket_ = std::move(socket);
    }
    QUOIN_TAKE(hello, encode_request(FibreHello{fibre_protocol_version, role_}));
    auto welcome = exchange<FibreWelcome>(hello);
    if (!welcome) {
      disconnect();
      return welcome.failure();
    }
    return success();
  }

  // The answer of the wanted kind; the fibre's own refusal otherwise.
  template <class Wanted>
  Result<Wanted> ask(ByteSpan frame) {
    QUOIN_TRY(ensure_connected());
    return exchange<Wanted>(frame);
  }
  template <class Wanted>
  Result<Wanted> ask(const FibreRequest& request) {
    QUOIN_TAKE(frame, encode_request(request));
    return ask<Wanted>(ByteSpan(frame));
  }

  void interrupt() {
    const std::lock_guard lock(mutex_);
    is_interrupted_ = true;
    socket_.interrupt();
  }

 private:
  static Failure interrupted() {
    return fail(ErrorCode::unavailable, "the connection to the fibre is being closed");
  }

  void disconnect() {
    const std::lock_guard lock(mutex_);
    socket_.close();
  }

  template <class Wanted>
  Result<Wanted> exchange(ByteSpan frame) {
    auto answer = transact(frame);
    if (!answer) {
      disconnect();
      return is_interrupted_ ? interrupted() : answer.failure();
    }
    if (auto* refusal = std::get_if<Error>(&*answer)) return Failure{std::move(*refusal)};
    if (auto* wanted = std::get_if<Wanted>(&*answer)) return std::move(*wanted);
    disconnect();
    return fail(ErrorCode::malformed, "the fibre sent an answer of another kind",
                "install the same release for fibre and site");
  }

  Result<FibreAnswer> transact(ByteSpan frame) {
    QUOIN_TRY(socket_.write_all(frame, config_.answer_timeout_ms));
    std::array<std::byte, fibre_frame_header_bytes> header;
    QUOIN_TRY(socket_.read_exactly(header, config_.answer_timeout_ms));
    QUOIN_TAKE(size, fibre_frame_length(header));
    // Alice's answers carry her bits.
    SecretBytes body = SecretBytes::zeroed(size, SecretMemory::block);
    QUOIN_TRY(socket_.read_exactly(body.expose_secret_mutable(), config_.answer_timeout_ms));
    return decode_answer(body.expose_secret());
  }

  FibreClientConfig config_;
  FibreRole role_;
  std::mutex mutex_;  // the descriptor against interrupt()
  std::atomic<bool> is_interrupted_ = false;
  Socket socket_;
};

namespace {

Result<std::unique_ptr<FibreChannel>> open_channel(const FibreClientConfig& config,
                                                   FibreRole role) {
  auto channel = std::make_unique<FibreChannel>(config, role);
  QUOIN_TRY(channel->ensure_connected());
  return channel;
}

}  // namespace

FibreAlice::FibreAlice(std::unique_ptr<FibreChannel> channel) : channel_(std::move(channel)) {}
FibreAlice::~FibreAlice() = default;

Result<std::unique_ptr<FibreAlice>> FibreAlice::connect(const FibreClientConfig& config) {
  QUOIN_TAKE(channel, open_channel(config, FibreRole::alice));
  return std::unique_ptr<FibreAlice>(new FibreAlice(std::move(channel)));
}

Result<DeviceCalibration> FibreAlice::calibration() {
  return channel_->ask<DeviceCalibration>(CalibrationRequest{});
}

Result<AliceAnswer> FibreAlice::settings_for(SlotIndex first_slot, std::uint64_t slot_count,
                                             std::span<const std::uint32_t> offsets) {
  QUOIN_TAKE(frame, encode_settings_request(first_slot, slot_count, offsets));
  auto answer = channel_->ask<AliceAnswer>(ByteSpan(frame));
  if (answer && answer->settings.bits.size_bits() != offsets.size())
    return fail(ErrorCode::malformed, "the fibre answered for another number of slots");
  return answer;
}

void FibreAlice::interrupt() { channel_->interrupt(); }

FibreBob::FibreBob(std::unique_ptr<FibreChannel> channel) : channel_(std::move(channel)) {}
FibreBob::~FibreBob() = default;

Result<std::unique_ptr<FibreBob>> FibreBob::connect(const FibreClientConfig& config) {
  QUOIN_TAKE(channel, open_channel(config, FibreRole::bob));
  return std::unique_ptr<FibreBob>(new FibreBob(std::move(channel)));
}

Result<DeviceCalibration> FibreBob::calibration() {
  return channel_->ask<DeviceCalibration>(CalibrationRequest{});
}

Result<DetectionEvents> FibreBob::next_block(std::uint64_t slot_count) {
  auto answer = channel_->ask<DetectionEvents>(NextBlockRequest{slot_count});
  if (answer && answer->slot_count != slot_count)
    return fail(ErrorCode::malformed, "the fibre answered for another number of slots");
  return answer;
}

void FibreBob::interrupt() { channel_->interrupt(); }

FibreControl::FibreControl(std::unique_ptr<FibreChannel> channel) : channel_(std::move(channel)) {}
FibreControl::~FibreControl() = default;

Result<std::unique_ptr<FibreControl>> FibreControl::connect(const FibreClientConfig& config) {
  QUOIN_TAKE(channel, open_channel(config, FibreRole::control));
  return std::unique_ptr<FibreControl>(new FibreControl(std::move(channel)));
}

Result<DeviceCalibration> FibreControl::calibration() {
  return channel_->ask<DeviceCalibration>(CalibrationRequest{});
}

Result<SlotIndex> FibreControl::set_eve(const SetEveRequest& request) {
  QUOIN_TAKE(answer, channel_->ask<EveSet>(request));
  return answer.from_slot;
}

}  // namespace quoin
