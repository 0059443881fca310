#include "consumers/sealed_file.hpp"

#include <gtest/gtest.h>

#include "crypto/kdf.hpp"
#include "seeded_random.hpp"

namespace quoin {
namespace {

constexpr std::size_t chunk = sealed_chunk_bytes;
constexpr std::size_t sealed_chunk = chunk + aead_tag_bytes;
const char* const key_id = "0a1b2c3d-0000-4000-8000-000000000001";

void append(Bytes& to, ByteSpan bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

Bytes seal(ByteSpan plaintext, const SecretBytes& key, SeededRandom& random) {
  auto writer = SealWriter::make(key_id, "sae-a", "sae-b", key, random);
  EXPECT_TRUE(writer);
  Bytes file;
  while (!plaintext.empty()) {
    const std::size_t piece = std::min<std::size_t>(plaintext.size(), 1 + random.below(100'000));
    append(file, *writer->push(plaintext.first(piece)));
    plaintext = plaintext.subspan(piece);
  }
  append(file, *writer->finish());
  return file;
}

// The whole plaintext, or the first error; bytes that came out before an error go to `early`.
Result<Bytes> open(ByteSpan file, const SecretBytes& key, SeededRandom& random,
                   Bytes* early = nullptr) {
  QUOIN_TAKE(parsed, parse_sealed_header(file));
  if (!parsed) return fail(ErrorCode::malformed, "header cut");
  QUOIN_TAKE(reader, OpenReader::make(parsed->header, key));
  ByteSpan rest = file.subspan(parsed->size_bytes);
  Bytes out;
  while (!rest.empty()) {
    const std::size_t piece = std::min<std::size_t>(rest.size(), 1 + random.below(100'000));
    auto opened = reader.push(rest.first(piece));
    if (!opened) return opened.failure();
    append(out, *opened);
    if (early != nullptr) *early = out;
    rest = rest.subspan(piece);
  }
  QUOIN_TAKE(last, reader.finish());
  append(out, last);
  return out;
}

std::size_t header_size(ByteSpan file) { return (*parse_sealed_header(file))->size_bytes; }

TEST(SealedFile, ComesBackAtEverySizeAroundChunks) {
  SeededRandom random(1);
  const SecretBytes key = random.key();
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, chunk - 1, chunk, chunk + 1, 2 * chunk, 3 * chunk + 17}) {
    const Bytes plaintext = random.bytes(size);
    const Bytes file = seal(plaintext, key, random);
    const std::size_t chunks = size == 0 ? 1 : (size + chunk - 1) / chunk;
    EXPECT_EQ(file.size(), header_size(file) + size + chunks * aead_tag_bytes);
    const auto opened = open(file, key, random);
    ASSERT_TRUE(opened) << size << ": " << opened.error().text();
    EXPECT_EQ(*opened, plaintext) << size;
  }
}

TEST(SealedFile, NamesKeyAndApplicationsInItsHeader) {
  SeededRandom random(2);
  const Bytes file = seal({}, random.key(), random);
  const auto parsed = parse_sealed_header(file);
  ASSERT_TRUE(parsed && *parsed);
  EXPECT_EQ((*parsed)->header.key_id, key_id);
  EXPECT_EQ((*parsed)->header.master_sae, "sae-a");
  EXPECT_EQ((*parsed)->header.slave_sae, "sae-b");
  for (std::size_t size = 0; size < header_size(file); ++size) {
    const auto part = parse_sealed_header(ByteSpan(file).first(size));
    ASSERT_TRUE(part) << size;
    EXPECT_FALSE(part->has_value()) << size;
  }
}

TEST(SealedFile, EveryTruncationIsNoticed) {
  SeededRandom random(3);
  const SecretBytes key = random.key();
  const Bytes small = seal(random.bytes(50), key, random);
  for (std::size_t size = 0; size < small.size(); ++size)
    EXPECT_FALSE(open(ByteSpan(small).first(size), key, random)) << size;
  const Bytes large = seal(random.bytes(2 * chunk + 1000), key, random);
  const std::size_t start = header_size(large);
  for (const std::size_t cut :
       {start, start + 15, start + 16, start + 17, start + sealed_chunk - 1, start + sealed_chunk,
        start + sealed_chunk + 1, start + sealed_chunk + 16, start + 2 * sealed_chunk - 1,
        start + 2 * sealed_chunk, start + 2 * sealed_chunk + 16, large.size() - 1}) {
    const auto opened = open(ByteSpan(large).first(cut), key, random);
    ASSERT_FALSE(opened) << cut;
    EXPECT_EQ(opened.error().code, ErrorCode::unauthenticated) << cut;
  }
}

TEST(SealedFile, EveryFlippedBitIsNoticed) {
  SeededRandom random(4);
  const SecretBytes key = random.key();
  Bytes file = seal(random.bytes(40), key, random);
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    file[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    EXPECT_FALSE(open(file, key, random)) << "bit " << bit;
    file[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
  }
  EXPECT_TRUE(open(file, key, random));
}

TEST(SealedFile, NothingOfAnAlteredChunkComesOut) {
  SeededRandom random(5);
  const SecretBytes key = random.key();
  const Bytes plaintext = random.bytes(3 * chunk);
  Bytes file = seal(plaintext, key, random);
  file[header_size(file) + sealed_chunk + 5] ^= std::byte{1};
  Bytes early;
  EXPECT_FALSE(open(file, key, random, &early));
  EXPECT_LE(early.size(), chunk);
  EXPECT_TRUE(std::equal(early.begin(), early.end(), plaintext.begin()));
}

TEST(SealedFile, ChunksCannotBeSwappedDroppedRepeatedOrAdded) {
  SeededRandom random(6);
  const SecretBytes key = random.key();
  const Bytes file = seal(random.bytes(4 * chunk), key, random);
  const Bytes other = seal(random.bytes(4 * chunk), key, random);
  const std::size_t start = header_size(file);
  const auto piece = [start](const Bytes& of, std::size_t i) {
    return ByteSpan(of).subspan(start + i * sealed_chunk, sealed_chunk);
  };
  const std::vector<std::vector<std::size_t>> orders = {
      {1, 0, 2, 3},    {0, 2, 1, 3},    {0, 1, 3}, {0, 1, 2},
      {0, 1, 1, 2, 3}, {0, 1, 2, 3, 3}, {3},       {0, 1, 2, 3, 0}};
  for (const auto& order : orders) {
    Bytes changed(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(start));
    for (const std::size_t i : order) append(changed, piece(file, i));
    EXPECT_FALSE(open(changed, key, random)) << "order of " << order.size();
  }
  Bytes mixed(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(start));
  append(mixed, piece(file, 0));
  for (std::size_t i = 1; i < 4; ++i) append(mixed, piece(other, i));
  EXPECT_FALSE(open(mixed, key, random)) << "chunks of another file under the same key";
  Bytes longer = file;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(open(longer, key, random));
  append(longer, Bytes(15));
  EXPECT_FALSE(open(longer, key, random)) << "an empty chunk behind the last";
}

// A sealer of another make, with the right key, must not have a second encoding of the same file.
TEST(SealedFile, AnEmptyLastChunkIsForEmptyFilesOnly) {
  SeededRandom random(8);
  const SecretBytes key = random.key();
  const Bytes header = encode(SealedHeader{key_id, "sae-a", "sae-b", sealed_chunk_bytes, {}});
  const AesGcm cipher(hkdf_sha384(key.expose_secret(), {}, "sealed file", {header}, 32));
  const auto nonce = [](std::uint8_t number, std::uint8_t is_final) {
    AeadNonce made{};
    made[10] = std::byte{number};
    made[11] = std::byte{is_final};
    return made;
  };
  Bytes empty = header;
  append(empty, cipher.seal(nonce(0, 1), {}, header));
  EXPECT_TRUE(open(empty, key, random));
  Bytes padded = header;
  append(padded, cipher.seal(nonce(0, 0), Bytes(chunk), header));
  append(padded, cipher.seal(nonce(1, 1), {}, header));
  EXPECT_FALSE(open(padded, key, random));
}

TEST(SealedFile, AnotherKeyOpensNothing) {
  SeededRandom random(7);
  const Bytes file = seal(random.bytes(100), random.key(), random);
  EXPECT_EQ(open(file, random.key(), random).error().code, ErrorCode::unauthenticated);
  const SecretBytes short_key = random.key(16);
  EXPECT_EQ(open(file, short_key, random).error().code, ErrorCode::invalid_argument);
  EXPECT_FALSE(SealWriter::make(key_id, "a", "b", short_key, random));
}

TEST(SealedFile, HostileHeadersAreRefused) {
  EXPECT_EQ(parse_sealed_header(to_bytes("%PDF-1.7")).error().code, ErrorCode::malformed);
  const auto with_body = [](ByteSpan body) {
    ByteWriter out;
    out.fixed(as_bytes("QUOINSF1")).prefixed(body);
    return std::move(out).take();
  };
  ByteWriter huge;
  huge.fixed(as_bytes("QUOINSF1")).u32(0xffffffff);
  EXPECT_EQ(parse_sealed_header(huge.bytes()).error().code, ErrorCode::malformed);
  for (const std::uint32_t chunk_bytes : {0U, 1U, 4095U, (1U << 20) + 1, 0xffffffffU}) {
    ByteWriter body;
    body.u16(1).text(key_id).text("a").text("b").u32(chunk_bytes).fixed(Bytes(7));
    EXPECT_FALSE(parse_sealed_header(with_body(body.bytes()))) << chunk_bytes;
  }
  ByteWriter next;
  next.u16(2).text(key_id).text("a").text("b").u32(65536).fixed(Bytes(7));
  EXPECT_FALSE(parse_sealed_header(with_body(next.bytes()))) << "another version";
  ByteWriter tail;
  tail.u16(1).text(key_id).text("a").text("b").u32(65536).fixed(Bytes(8));
  EXPECT_FALSE(parse_sealed_header(with_body(tail.bytes()))) << "a byte too many";
}

}  // namespace
}  // namespace quoin
