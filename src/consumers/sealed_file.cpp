#include "consumers/sealed_file.hpp"

#include <algorithm>
#include <string_view>

#include "crypto/kdf.hpp"

namespace quoin {

namespace {

constexpr std::string_view magic = "QUOINSF1";
constexpr std::uint16_t version = 1;
constexpr std::size_t prologue_bytes = magic.size() + 4;  // magic and header length
constexpr std::size_t key_id_max = 64;
constexpr std::size_t sae_name_max = 256;
constexpr std::uint32_t chunk_bytes_min = 4096;
constexpr std::uint32_t chunk_bytes_max = std::uint32_t{1} << 20;
constexpr std::uint64_t chunks_max = std::uint64_t{1} << 32;

AesGcm file_cipher(const SecretBytes& key, ByteSpan encoded_header) {
  return AesGcm(
      hkdf_sha384(key.expose_secret(), {}, "sealed file", {encoded_header}, sealed_key_bytes));
}

// STREAM: prefix | chunk number | is-final.
AeadNonce nonce_of(const SealedHeader& header, std::uint64_t chunk, bool is_final) {
  ByteWriter out;
  out.fixed(header.nonce_prefix).u32(static_cast<std::uint32_t>(chunk)).u8(is_final ? 1 : 0);
  AeadNonce nonce;
  std::copy(out.bytes().begin(), out.bytes().end(), nonce.begin());
  return nonce;
}

Status check_header(const SealedHeader& header) {
  if (header.key_id.empty() || header.key_id.size() > key_id_max ||
      header.master_sae.size() > sae_name_max || header.slave_sae.size() > sae_name_max)
    return fail(ErrorCode::invalid_argument, "a name in the sealed file's header is too long");
  if (header.chunk_bytes < chunk_bytes_min || header.chunk_bytes > chunk_bytes_max)
    return fail(ErrorCode::malformed, "the sealed file's chunk size is out of bounds");
  return success();
}

Status check_key(const SecretBytes& key) {
  if (key.size_bytes() == sealed_key_bytes) return success();
  return fail(
      ErrorCode::invalid_argument,
      "sealing needs a key of 256 bits, this one has " + std::to_string(key.size_bytes() * 8),
      "ask the KME for size 256");
}

}  // namespace

Bytes encode(const SealedHeader& header) {
  ByteWriter body;
  body.u16(version).text(header.key_id).text(header.master_sae).text(header.slave_sae);
  body.u32(header.chunk_bytes).fixed(header.nonce_prefix);
  ByteWriter out;
  out.fixed(as_bytes(magic)).prefixed(body.bytes());
  return std::move(out).take();
}

Result<std::optional<ParsedSealedHeader>> parse_sealed_header(ByteSpan start) {
  const std::size_t comparable = std::min(start.size(), magic.size());
  if (to_text(start.first(comparable)) != magic.substr(0, comparable))
    return fail(ErrorCode::malformed, "this is no sealed file", "give a file made by quoin seal");
  if (start.size() < prologue_bytes) return std::optional<ParsedSealedHeader>();
  const std::size_t size = ByteReader(start.subspan(magic.size(), 4)).u32();
  if (size > sealed_header_bytes_max - prologue_bytes)
    return fail(ErrorCode::malformed, "the sealed file's header is over its bound");
  if (start.size() < prologue_bytes + size) return std::optional<ParsedSealedHeader>();
  ByteReader in(start.subspan(prologue_bytes, size));
  if (in.u16() != version)
    return fail(ErrorCode::malformed, "the sealed file is of another version",
                "open it with the release that sealed it");
  ParsedSealedHeader parsed;
  parsed.size_bytes = prologue_bytes + size;
  parsed.header.key_id = in.text(key_id_max);
  parsed.header.master_sae = in.text(sae_name_max);
  parsed.header.slave_sae = in.text(sae_name_max);
  parsed.header.chunk_bytes = in.u32();
  const ByteSpan prefix = in.fixed(parsed.header.nonce_prefix.size());
  QUOIN_TRY(in.finish("the sealed file's header"));
  std::copy(prefix.begin(), prefix.end(), parsed.header.nonce_prefix.begin());
  QUOIN_TRY(check_header(parsed.header));
  return std::optional(std::move(parsed));
}

Result<SealWriter> SealWriter::make(std::string key_id, std::string master_sae,
                                    std::string slave_sae, const SecretBytes& key,
                                    PublicRandom& random) {
  QUOIN_TRY(check_key(key));
  SealWriter writer;
  writer.header_.key_id = std::move(key_id);
  writer.header_.master_sae = std::move(master_sae);
  writer.header_.slave_sae = std::move(slave_sae);
  QUOIN_TRY(check_header(writer.header_));
  random.fill(writer.header_.nonce_prefix);
  writer.encoded_header_ = encode(writer.header_);
  if (writer.encoded_header_.size() > sealed_header_bytes_max)
    return fail(ErrorCode::invalid_argument, "the names do not fit a sealed file's header");
  writer.cipher_ = file_cipher(key, writer.encoded_header_);
  return writer;
}

Status SealWriter::seal_chunk(ByteSpan plaintext, bool is_final, Bytes& out) {
  if (next_chunk_ >= chunks_max)
    return fail(ErrorCode::too_large, "the file is too large to seal", "split it");
  const AeadNonce nonce = nonce_of(header_, next_chunk_++, is_final);
  const std::size_t at = out.size();
  out.resize(at + plaintext.size() + aead_tag_bytes);
  cipher_->seal_into(nonce, plaintext, encoded_header_, MutableByteSpan(out).subspan(at));
  return success();
}

Result<Bytes> SealWriter::push(ByteSpan plaintext) {
  QUOIN_INVARIANT(!is_finished_, "push() after finish() of a sealed file");
  Bytes out;
  const std::size_t chunk = header_.chunk_bytes;
  const std::size_t whole = pending_.size() + plaintext.size();
  out.reserve(encoded_header_.size() + whole + (whole / chunk + 1) * aead_tag_bytes);
  if (!header_is_out_) out.assign(encoded_header_.begin(), encoded_header_.end());
  header_is_out_ = true;
  // A full chunk waits for the byte after it: only then it is known not to be the last.
  while (pending_.size() + plaintext.size() > chunk) {
    if (pending_.empty()) {
      QUOIN_TRY(seal_chunk(plaintext.first(chunk), false, out));
      plaintext = plaintext.subspan(chunk);
      continue;
    }
    const ByteSpan head = plaintext.first(chunk - pending_.size());
    pending_.insert(pending_.end(), head.begin(), head.end());
    plaintext = plaintext.subspan(head.size());
    QUOIN_TRY(seal_chunk(pending_, false, out));
    pending_.clear();
  }
  pending_.insert(pending_.end(), plaintext.begin(), plaintext.end());
  return out;
}

Result<Bytes> SealWriter::finish() {
  QUOIN_TAKE(out, push({}));
  QUOIN_TRY(seal_chunk(pending_, true, out));
  secure_wipe(pending_);
  is_finished_ = true;
  return out;
}

Result<OpenReader> OpenReader::make(const SealedHeader& header, const SecretBytes& key) {
  QUOIN_TRY(check_key(key));
  QUOIN_TRY(check_header(header));
  OpenReader reader;
  reader.header_ = header;
  reader.encoded_header_ = encode(header);
  reader.cipher_ = file_cipher(key, reader.encoded_header_);
  return reader;
}

Status OpenReader::open_chunk(ByteSpan sealed, bool is_final, Bytes& out) {
  if (next_chunk_ >= chunks_max)
    return fail(ErrorCode::too_large, "the sealed file has more chunks than it may");
  const std::uint64_t chunk = next_chunk_++;
  const std::size_t at = out.size();
  out.resize(at + sealed.size() - aead_tag_bytes);
  const Status opened = cipher_->open_into(nonce_of(header_, chunk, is_final), sealed,
                                           encoded_header_, MutableByteSpan(out).subspan(at));
  if (opened) return success();
  is_over_ = true;
  return fail(ErrorCode::unauthenticated,
              "the sealed file does not verify at chunk " + std::to_string(chunk) +
                  ": it was altered, cut or joined, or the key is another one",
              "fetch the file again; nothing of it was written");
}

Result<Bytes> OpenReader::push(ByteSpan file_bytes) {
  QUOIN_INVARIANT(!is_over_, "push() after the end of a sealed file");
  Bytes out;
  out.reserve(pending_.size() + file_bytes.size());
  const std::size_t sealed_chunk = header_.chunk_bytes + aead_tag_bytes;
  while (pending_.size() + file_bytes.size() > sealed_chunk) {
    if (pending_.empty()) {
      QUOIN_TRY(open_chunk(file_bytes.first(sealed_chunk), false, out));
      file_bytes = file_bytes.subspan(sealed_chunk);
      continue;
    }
    const ByteSpan head = file_bytes.first(sealed_chunk - pending_.size());
    pending_.insert(pending_.end(), head.begin(), head.end());
    file_bytes = file_bytes.subspan(head.size());
    QUOIN_TRY(open_chunk(pending_, false, out));
    pending_.clear();
  }
  pending_.insert(pending_.end(), file_bytes.begin(), file_bytes.end());
  return out;
}

Result<Bytes> OpenReader::finish() {
  QUOIN_INVARIANT(!is_over_, "finish() after the end of a sealed file");
  is_over_ = true;
  const bool is_empty_tail = pending_.size() == aead_tag_bytes && next_chunk_ > 0;
  if (pending_.size() < aead_tag_bytes || is_empty_tail)
    return fail(ErrorCode::unauthenticated, "the sealed file is cut off",
                "fetch the file again; nothing of it was written");
  Bytes out;
  QUOIN_TRY(open_chunk(pending_, true, out));
  return out;
}

}  // namespace quoin
