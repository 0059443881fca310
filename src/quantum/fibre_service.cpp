#include "quantum/fibre_service.hpp"

namespace quoin {

namespace {

// What a role may ask, in one table.
bool is_allowed(FibreRole role, const FibreRequest& request) {
  if (std::holds_alternative<CalibrationRequest>(request)) return true;
  switch (role) {
    case FibreRole::alice: return std::holds_alternative<SettingsRequest>(request);
    case FibreRole::bob: return std::holds_alternative<NextBlockRequest>(request);
    case FibreRole::control: return std::holds_alternative<SetEveRequest>(request);
  }
  return false;
}

Failure refusal(FibreRole role) {
  return fail(ErrorCode::unauthorised,
              std::string("the fibre does not answer this to the role ") + to_string(role),
              "ask on a connection of the other role");
}

// A device's answer as an answer on the wire.
template <class T>
Result<FibreAnswer> widen(Result<T> result) {
  if (!result) return result.failure();
  return FibreAnswer(std::move(result).value());
}

}  // namespace

Status FibreStation::claim(FibreRole role) {
  const std::lock_guard lock(mutex_);
  bool& is_claimed = is_claimed_[static_cast<std::size_t>(role)];
  if (is_claimed)
    return fail(ErrorCode::conflict,
                std::string("the fibre already has a connection of the role ") + to_string(role),
                "stop the other one, or give this site the other role");
  is_claimed = true;
  return success();
}

void FibreStation::release(FibreRole role) {
  const std::lock_guard lock(mutex_);
  is_claimed_[static_cast<std::size_t>(role)] = false;
}

std::optional<FibrePacer> FibreStation::pacer(Instant now) {
  if (pace_ == Pace::max) return std::nullopt;
  const std::lock_guard lock(mutex_);
  if (!pacer_) {
    const LinkPhysics& physics = link_.physics();
    pacer_.emplace(physics.slot_rate_hz, physics.retention_slots(), now);
  }
  return pacer_;
}

FibreService::~FibreService() {
  if (role_) station_.release(*role_);
}

Status FibreService::receive(ByteSpan bytes, Instant now) {
  if (is_closed_) return fail(ErrorCode::conflict, "the connection to the fibre is closed");
  input_.insert(input_.end(), bytes.begin(), bytes.end());
  QUOIN_TRY(serve_buffered(now));
  // Requests behind a deferred one wait here; a peer that keeps sending is cut off.
  if (input_.size() - input_used_ > fibre_frame_header_bytes + fibre_frame_max)
    return refuse({ErrorCode::too_large, "too many requests at once", "wait for the answers"});
  return success();
}

Status FibreService::poll(Instant now) {
  if (is_closed_) return fail(ErrorCode::conflict, "the connection to the fibre is closed");
  if (!deferred_ || now < *wake_at_) return success();
  const NextBlockRequest request = *std::exchange(deferred_, std::nullopt);
  wake_at_.reset();
  QUOIN_TRY(serve(request, now));
  return serve_buffered(now);
}

Status FibreService::serve_buffered(Instant now) {
  while (!deferred_) {
    const ByteSpan rest = ByteSpan(input_).subspan(input_used_);
    if (rest.size() < fibre_frame_header_bytes) break;
    const auto length = fibre_frame_length(rest.first(fibre_frame_header_bytes));
    if (!length) return refuse(length.error());
    if (rest.size() - fibre_frame_header_bytes < *length) break;
    const auto request = decode_request(rest.subspan(fibre_frame_header_bytes, *length));
    if (!request) return refuse(request.error());
    input_used_ += fibre_frame_header_bytes + *length;
    QUOIN_TRY(serve(*request, now));
  }
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(input_used_));
  input_used_ = 0;
  return success();
}

Status FibreService::serve(const FibreRequest& request, Instant now) {
  if (const auto* hello = std::get_if<FibreHello>(&request)) return greet(*hello);
  if (!role_) return refuse({ErrorCode::conflict, "the fibre waits for a greeting first", ""});
  if (!is_allowed(*role_, request)) return send(refusal(*role_));
  if (const auto* block = std::get_if<NextBlockRequest>(&request)) {
    if (const auto pacer = station_.pacer(now)) {
      station_.link().drop_backlog_before(pacer->oldest_kept(now));
      const SlotIndex end = station_.link().emitted() + block->slot_count;
      if (pacer->emitted(now) < end) {
        deferred_ = *block;
        wake_at_ = pacer->when_emitted(end);
        return success();
      }
    }
  }
  return send(answer(request));
}

Status FibreService::greet(const FibreHello& hello) {
  if (role_) return refuse({ErrorCode::conflict, "the fibre was greeted twice", ""});
  if (hello.version != fibre_protocol_version)
    return refuse({ErrorCode::conflict,
                   "the fibre speaks version " + std::to_string(fibre_protocol_version) +
                       " of its protocol, the site version " + std::to_string(hello.version),
                   "run the same version of quoin on both"});
  if (const Status claimed = station_.claim(hello.role); !claimed) return refuse(claimed.error());
  role_ = hello.role;
  return send(FibreAnswer(FibreWelcome{}));
}

Result<FibreAnswer> FibreService::answer(const FibreRequest& request) {
  SimulatedLink& link = station_.link();
  if (const auto* block = std::get_if<NextBlockRequest>(&request))
    return widen(link.bob().next_block(block->slot_count));
  if (const auto* settings = std::get_if<SettingsRequest>(&request))
    return widen(
        link.alice().settings_for(settings->first_slot, settings->slot_count, settings->offsets));
  if (const auto* eve = std::get_if<SetEveRequest>(&request)) return change_eve(*eve);
  return FibreAnswer(link.physics().calibration());
}

Result<FibreAnswer> FibreService::change_eve(const SetEveRequest& request) {
  std::shared_ptr<const Eve> eve;
  if (request.kind == EveKind::intercept_resend) {
    QUOIN_TAKE(made, InterceptResend::make(request.fraction));
    eve = std::move(made);
  }
  QUOIN_TAKE(from, station_.link().set_eve(std::move(eve), request.from_slot));
  return FibreAnswer(EveSet{.from_slot = from});
}

Status FibreService::send(const Result<FibreAnswer>& answer) {
  auto bytes = answer ? encode_answer(*answer) : encode_answer(answer.error());
  if (!bytes) bytes = encode_answer(bytes.error());
  QUOIN_INVARIANT(bytes.has_value(), "an error answer always fits");
  if (output_.empty()) {
    output_ = std::move(bytes).value();
  } else {
    output_.insert(output_.end(), bytes->begin(), bytes->end());
    secure_wipe(*bytes);
  }
  return success();
}

// Tells the peer why, and gives up on the connection.
Status FibreService::refuse(Error error) {
  is_closed_ = true;
  QUOIN_TRY(send(Failure{error}));
  return Failure{std::move(error)};
}

}  // namespace quoin
