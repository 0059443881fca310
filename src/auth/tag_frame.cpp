#include "auth/tag_frame.hpp"

namespace quoin {

const char* to_string(Direction direction) {
  return direction == Direction::alice_to_bob ? "Alice to Bob" : "Bob to Alice";
}

const char* to_string(TagScheme scheme) {
  switch (scheme) {
    case TagScheme::hmac_sha384: return "hmac-sha-384";
    case TagScheme::wegman_carter: return "wegman-carter";
  }
  return "unknown";
}

Bytes encode(const TagFrame& frame) {
  QUOIN_INVARIANT(frame.tag.size() == tag_bytes(frame.scheme), "a tag of another length");
  ByteWriter out;
  out.u8(static_cast<std::uint8_t>(frame.scheme)).u64(frame.checkpoint);
  out.u64(to_u64(frame.pad.segment)).u32(frame.pad.index).fixed(frame.tag);
  return std::move(out).take();
}

Result<TagFrame> decode_tag_frame(ByteSpan bytes) {
  ByteReader in(bytes);
  TagFrame frame;
  const std::uint8_t scheme = in.u8();
  if (scheme != 1 && scheme != 2) return fail(ErrorCode::malformed, "tag of an unknown scheme");
  frame.scheme = static_cast<TagScheme>(scheme);
  frame.checkpoint = in.u64();
  frame.pad.segment = static_cast<BlockId>(in.u64());
  frame.pad.index = in.u32();
  const ByteSpan tag = in.fixed(tag_bytes(frame.scheme));
  QUOIN_TRY(in.finish("tag"));
  if (frame.scheme == TagScheme::hmac_sha384 && frame.pad != PadPosition{})
    return fail(ErrorCode::malformed, "an HMAC tag that names a pad");
  frame.tag.assign(tag.begin(), tag.end());
  return frame;
}

}  // namespace quoin
