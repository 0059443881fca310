#include "auth/authenticator.hpp"

#include <cmath>

namespace quoin {

namespace {

constexpr std::string_view transcript_label = "quoin transcript 1";
constexpr std::size_t session_id_bytes_max = 64;

// l / 2^128, with the block of the length (poly_hash.hpp).
double forgery_bound(std::uint64_t message_bytes) {
  const std::uint64_t blocks = message_bytes / poly_hash_bytes + 2;
  return std::ldexp(static_cast<double>(blocks), -128);
}

}  // namespace

TranscriptAuthenticator::TranscriptAuthenticator(TranscriptContext context, TagScheme scheme)
    : context_(std::move(context)), scheme_(scheme), checkpoint_(context_.first_checkpoint) {
  QUOIN_INVARIANT(context_.session_id.size() <= session_id_bytes_max, "session id above its bound");
}

TranscriptAuthenticator TranscriptAuthenticator::hmac(TranscriptContext context,
                                                      SecretBytes&& key) {
  QUOIN_INVARIANT(key.size_bytes() == hmac_sha384_bytes, "an HMAC key of 48 bytes");
  TranscriptAuthenticator made(std::move(context), TagScheme::hmac_sha384);
  made.hmac_.emplace(key.expose_secret());
  key.wipe();
  made.start();
  return made;
}

TranscriptAuthenticator TranscriptAuthenticator::wegman_carter(TranscriptContext context,
                                                               const SecretBytes& hash_key) {
  QUOIN_INVARIANT(hash_key.size_bytes() == poly_hash_bytes, "a hash key of 16 bytes");
  TranscriptAuthenticator made(std::move(context), TagScheme::wegman_carter);
  made.poly_hash_.emplace(hash_key.expose_secret().first<poly_hash_bytes>());
  made.start();
  return made;
}

void TranscriptAuthenticator::feed(ByteSpan bytes) {
  if (hmac_) hmac_->update(bytes);
  if (poly_hash_) poly_hash_->update(bytes);
}

// Everything before the frames, from the label to the number of the checkpoint.
void TranscriptAuthenticator::start() {
  frames_ = 0;
  frame_bytes_ = 0;
  ByteWriter head;
  head.text(transcript_label);
  head.u8(static_cast<std::uint8_t>(scheme_)).u8(static_cast<std::uint8_t>(context_.direction));
  head.text(context_.purpose).text(context_.link_id).prefixed(context_.session_id);
  head.u64(checkpoint_);
  feed(head.bytes());
}

void TranscriptAuthenticator::absorb(ByteSpan frame) {
  ByteWriter length;
  length.u64(frame.size());
  feed(length.bytes());
  feed(frame);
  ++frames_;
  frame_bytes_ += frame.size();
}

void TranscriptAuthenticator::feed_end(const PadPosition& pad) {
  ByteWriter end;
  end.u64(frames_).u64(frame_bytes_).u64(to_u64(pad.segment)).u32(pad.index);
  feed(end.bytes());
}

Bytes TranscriptAuthenticator::finish_hmac() {
  feed_end({});
  const Hmac384Value value = hmac_->finish();
  return {value.begin(), value.end()};
}

Bytes TranscriptAuthenticator::finish_wegman_carter(const PadPosition& position,
                                                    const SecretBytes& pad) {
  feed_end(position);
  epsilon_spent_ += forgery_bound(poly_hash_->size_bytes());
  const PolyHashValue hash = poly_hash_->finish();
  const ByteSpan key = pad.expose_secret();
  Bytes tag(poly_hash_bytes);
  for (std::size_t i = 0; i < tag.size(); ++i) tag[i] = hash[i] ^ key[i];
  return tag;
}

Status TranscriptAuthenticator::check_open() const {
  if (has_failed_)
    return fail(ErrorCode::unauthenticated, "a tag of this session has failed before",
                "the session has to end");
  if (frame_bytes_ > transcript_bytes_max)
    return fail(ErrorCode::too_large, "more than 64 GiB between two tags",
                "the session has to end");
  return success();
}

void TranscriptAuthenticator::advance() {
  ++checkpoint_;
  start();
}

Result<TagFrame> TranscriptAuthenticator::tag() {
  QUOIN_INVARIANT(scheme_ == TagScheme::hmac_sha384, "a Wegman-Carter tag needs a pad");
  QUOIN_TRY(check_open());
  TagFrame frame{scheme_, checkpoint_, {}, finish_hmac()};
  advance();
  return frame;
}

Result<TagFrame> TranscriptAuthenticator::tag(Pad&& pad) {
  QUOIN_INVARIANT(scheme_ == TagScheme::wegman_carter && pad.bits.size_bytes() == pad_bytes,
                  "a pad of 16 bytes for a Wegman-Carter tag");
  QUOIN_TRY(check_open());
  TagFrame frame{scheme_, checkpoint_, pad.position, finish_wegman_carter(pad.position, pad.bits)};
  pad.bits.wipe();
  advance();
  return frame;
}

// Whatever the reason, a wrong tag is the last thing this object looks at.
Status TranscriptAuthenticator::verify(const TagFrame& frame, const SecretBytes& pad) {
  QUOIN_TRY(check_open());
  has_failed_ = true;
  const std::string which =
      "tag " + std::to_string(checkpoint_) + " from " + to_string(context_.direction);
  if (frame.scheme != scheme_)
    return fail(ErrorCode::unauthenticated, which + " is of another scheme than agreed");
  if (frame.checkpoint != checkpoint_)
    return fail(ErrorCode::unauthenticated, which + " carries another number");
  if (scheme_ == TagScheme::wegman_carter && pad.size_bytes() != pad_bytes)
    return fail(ErrorCode::unauthenticated, which + " comes without a pad");
  const Bytes expected =
      scheme_ == TagScheme::hmac_sha384 ? finish_hmac() : finish_wegman_carter(frame.pad, pad);
  if (!equal_constant_time(expected, frame.tag))
    return fail(ErrorCode::unauthenticated, which + " does not fit what was received");
  has_failed_ = false;
  advance();
  return success();
}

}  // namespace quoin
