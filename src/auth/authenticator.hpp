// The running authenticator of one direction of a session: every frame that can influence key is
// absorbed where it is sent and where it is received; at a checkpoint one tag covers all of them.
// For src/link, which keeps one to make tags and one to verify them.
//
// Authenticated message of a checkpoint, injective in all its parts:
//   "quoin transcript 1" | scheme | direction | purpose | link id | session id | checkpoint
//   | length of frame | frame, for each frame | number of frames | bytes of all frames
//   | pad segment | pad index
// Texts and ids carry their length in 4 bytes in front, frames in 8; the end has a fixed length.
//
// HMAC-SHA-384 authenticates against a computationally bounded Eve. Wegman-Carter (polynomial hash,
// 16-byte pad XORed) holds against any: a forgery of a message of l blocks succeeds with
// probability at most l / 2^128 per attempt; the hash key may stay, the pad never (Portmann, IEEE
// TIT 60(7), 2014).
#pragma once

#include <optional>
#include <string>

#include "auth/tag_frame.hpp"
#include "core/secret.hpp"
#include "crypto/mac.hpp"
#include "kernels/poly_hash.hpp"

namespace quoin {

constexpr std::size_t pad_bytes = 16;

// One use of a pad: pad_bytes at their place. Comes from AuthLedger::take_pad().
struct Pad {
  PadPosition position;
  SecretBytes bits;
};

// What the tags of a session are bound to besides its frames. Equal on both sides.
struct TranscriptContext {
  std::string purpose;  // "block transcript"
  std::string link_id;
  Bytes session_id;  // fresh from both sides, at most 64 bytes
  Direction direction{};
  std::uint64_t first_checkpoint = 0;  // so that numbers go on when the scheme changes
};

class TranscriptAuthenticator {
 public:
  // More than this between two checkpoints cannot be tagged (64 GiB; epsilon below 2^-91).
  static constexpr std::uint64_t transcript_bytes_max = std::uint64_t{1} << 36;

  static TranscriptAuthenticator hmac(TranscriptContext context, SecretBytes&& key);
  // `hash_key` has 16 bytes; it is the same for the whole lineage of the ledger.
  static TranscriptAuthenticator wegman_carter(TranscriptContext context,
                                               const SecretBytes& hash_key);

  TagScheme scheme() const { return scheme_; }
  // Number of the checkpoint that the next tag closes.
  std::uint64_t checkpoint() const { return checkpoint_; }
  std::uint64_t bytes_since_checkpoint() const { return frame_bytes_; }

  void absorb(ByteSpan frame);

  // Sender: closes the checkpoint. The pad must be marked as used on disk before (AuthLedger), and
  // is consumed. too_large: too much since the last checkpoint; the session has to end.
  Result<TagFrame> tag();           // HMAC
  Result<TagFrame> tag(Pad&& pad);  // Wegman-Carter

  // Receiver: closes the checkpoint if the tag is right for all that was absorbed. Otherwise
  // unauthenticated, nothing advances, and every later call fails too: one attempt per session
  // (security-rules A2). `pad` is the one at frame.pad, empty for HMAC.
  Status verify(const TagFrame& frame, const SecretBytes& pad);
  Status verify(const TagFrame& frame) { return verify(frame, SecretBytes{}); }

  // Sum of l / 2^128 over the Wegman-Carter tags made or verified so far; 0 for HMAC, whose claim
  // is computational.
  double epsilon_spent() const { return epsilon_spent_; }

 private:
  TranscriptAuthenticator(TranscriptContext context, TagScheme scheme);
  void start();
  void feed(ByteSpan bytes);
  void feed_end(const PadPosition& pad);
  Bytes finish_hmac();
  Bytes finish_wegman_carter(const PadPosition& position, const SecretBytes& pad);
  Status check_open() const;
  void advance();

  TranscriptContext context_;
  TagScheme scheme_;
  std::optional<HmacSha384> hmac_;
  std::optional<PolyHash> poly_hash_;
  std::uint64_t checkpoint_ = 0;
  std::uint64_t frames_ = 0;
  std::uint64_t frame_bytes_ = 0;
  bool has_failed_ = false;
  double epsilon_spent_ = 0;
};

}  // namespace quoin
