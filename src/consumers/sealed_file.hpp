// FILE.quoin: a file under one delivered key. Sans-I/O and streaming, any size from 0 to 256 TiB.
//
//   magic "QUOINSF1" | u32 header length | header: u16 version, text key_ID, text master SAE,
//   text slave SAE, u32 chunk bytes, 7 bytes nonce prefix | chunks
//
// Chunks are AES-256-GCM with nonce = prefix (7) | u32 chunk number | u8 is-final (STREAM, Hoang,
// Reyhanitabar, Rogaway, Vizar 2015) and the whole header as associated data. The file key is HKDF
// of the delivered key with the header as info. Every chunk but the last is full, and only an empty
// file has an empty last chunk, so each file has one encoding.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "core/ports.hpp"
#include "crypto/aead.hpp"

namespace quoin {

constexpr std::size_t sealed_chunk_bytes = 65536;
constexpr std::size_t sealed_header_bytes_max = 1024;  // with magic and length
constexpr std::size_t sealed_key_bytes = 32;

struct SealedHeader {
  std::string key_id;      // UUID text
  std::string master_sae;  // who sealed
  std::string slave_sae;   // who may open
  std::uint32_t chunk_bytes = sealed_chunk_bytes;
  std::array<std::byte, 7> nonce_prefix{};
};

Bytes encode(const SealedHeader& header);

struct ParsedSealedHeader {
  SealedHeader header;
  std::size_t size_bytes = 0;  // where the chunks start
};
// From the first bytes of a file: none while more bytes are needed (never more than
// sealed_header_bytes_max). malformed: not a sealed file, or of another version.
Result<std::optional<ParsedSealedHeader>> parse_sealed_header(ByteSpan start);

// Plaintext in, file bytes out.
class SealWriter {
 public:
  // The key has 32 bytes and serves this file only. The nonce prefix is drawn here.
  static Result<SealWriter> make(std::string key_id, std::string master_sae, std::string slave_sae,
                                 const SecretBytes& key, PublicRandom& random);
  // File bytes that are ready (the first call includes the header). too_large over 2^32 chunks.
  Result<Bytes> push(ByteSpan plaintext);
  // The last chunk. Nothing may follow.
  Result<Bytes> finish();

 private:
  SealWriter() = default;
  Status seal_chunk(ByteSpan plaintext, bool is_final, Bytes& out);

  SealedHeader header_;
  Bytes encoded_header_;
  std::optional<AesGcm> cipher_;
  Bytes pending_;
  std::uint64_t next_chunk_ = 0;
  bool header_is_out_ = false;
  bool is_finished_ = false;
};

// File bytes after the header in, verified plaintext out. The caller keeps what comes out in a
// temporary file until finish() succeeded.
class OpenReader {
 public:
  static Result<OpenReader> make(const SealedHeader& header, const SecretBytes& key);
  // unauthenticated: altered, reordered, of another file, or the wrong key. Nothing may follow
  // then.
  Result<Bytes> push(ByteSpan file_bytes);
  // The end of the file was reached. unauthenticated: truncated or extended.
  Result<Bytes> finish();

 private:
  OpenReader() = default;
  Status open_chunk(ByteSpan sealed, bool is_final, Bytes& out);

  SealedHeader header_;
  Bytes encoded_header_;
  std::optional<AesGcm> cipher_;
  Bytes pending_;
  std::uint64_t next_chunk_ = 0;
  bool is_over_ = false;
};

}  // namespace quoin
