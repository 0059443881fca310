#include "keystore/lease.hpp"

#include <gtest/gtest.h>

#include <set>

#include "memory_store.hpp"

namespace quoin {
namespace {

LeaseTerms make_terms() {
  LeaseTerms terms;
  terms.id.bytes.fill(std::byte{7});
  terms.id_key = SecretBytes::zeroed(32);
  terms.block = BlockId{9};
  terms.offset_bytes = 128;
  terms.range_bytes = 330;
  terms.key_count = 10;
  terms.association = {{"alpha"}, {{"beta"}, {"gamma"}}, 32};
  return terms;
}
Bytes encoded(const LeaseTerms& terms) {
  const SecretBytes bytes = encode_terms(terms);
  return {bytes.expose_secret().begin(), bytes.expose_secret().end()};
}

TEST(KeyIdText, RoundTripsInEitherCase) {
  const std::string text = "bc490419-7d60-487f-adc1-4ddcc177c139";
  const KeyId id = parse_key_id(text).value();
  EXPECT_EQ(to_text(id), text);
  EXPECT_EQ(parse_key_id("BC490419-7D60-487F-ADC1-4DDCC177C139").value(), id);
  for (const char* wrong :
       {"", "bc490419", "bc4904197d60487fadc14ddcc177c139", "bc490419-7d60-487f-adc1-4ddcc177c13",
        "bc490419-7d60-487f-adc1-4ddcc177c13g", "bc490419-7d60-487f-adc14-ddcc177c139",
        "bc490419-7d60-487f-adc1-4ddcc177c1391", "{c490419-7d60-487f-adc1-4ddcc177c13}"})
    EXPECT_FALSE(parse_key_id(wrong)) << wrong;
}

TEST(KeyIds, AreDistinctUuidsOfVersion8AndDependOnTheIdKeyAlone) {
  LeaseTerms terms = make_terms();
  KeyIds ids(terms);
  std::set<KeyId> seen;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const std::string text = to_text(ids.at(i));
    EXPECT_EQ(text[14], '8');
    EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos);
    seen.insert(ids.at(i));
  }
  EXPECT_EQ(seen.size(), 1000u);
  terms.block = BlockId{10};
  terms.offset_bytes = 0;
  EXPECT_EQ(KeyIds(terms).at(3), ids.at(3));
  terms.id_key.expose_secret_mutable()[31] = std::byte{1};
  EXPECT_FALSE(seen.contains(KeyIds(terms).at(3)));
}

TEST(LeaseTermsCodec, RoundTripsAndRefusesEveryTruncation) {
  const Bytes bytes = encoded(make_terms());
  const auto decoded = decode_terms(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(encoded(*decoded), bytes);
  EXPECT_EQ(decoded->association, make_terms().association);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut)
    EXPECT_FALSE(decode_terms(ByteSpan(bytes).first(cut))) << cut;
  Bytes longer = bytes;
  longer.push_back({});
  EXPECT_FALSE(decode_terms(longer));
}

TEST(LeaseTermsCodec, RefusesWhatCannotBe) {
  const auto refuses = [](auto change) {
    LeaseTerms terms = make_terms();
    change(terms);
    return !check_terms(terms) && !decode_terms(encode_terms(terms).expose_secret());
  };
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.key_count = 0; }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.key_count = 11; }));  // 352 bytes in a range of 330
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.key_count = 8193, t.range_bytes = 8193 * 32; }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.range_bytes = 320 + 1024; }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.offset_bytes = ~std::uint64_t{0}; }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.association.slaves.clear(); }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.association.slaves = {{"b"}, {"a"}}; }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.association.slaves = {{"a"}, {"a"}}; }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.association.slaves = {{"alpha"}}; }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.association.slaves = {{"new\nline"}}; }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.association.master.name = std::string(256, 'a'); }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.association.key_bytes = 0; }));
  EXPECT_TRUE(refuses([](LeaseTerms& t) { t.association.key_bytes = 1025; }));
  EXPECT_FALSE(refuses([](LeaseTerms&) {}));
}

TEST(KeyStatement, OpaqueIdIsNeitherBlockNorKeyId) {
  const LeaseTerms terms = make_terms();
  const KeyStatement statement = statement_of(test::make_passport(BlockId{9}), terms);
  EXPECT_EQ(statement.lineage, 7u);
  EXPECT_EQ(statement.grade, Grade::information_theoretic);
  for (std::uint32_t i = 0; i < 100; ++i) EXPECT_NE(KeyIds(terms).at(i), statement.opaque_id);
  EXPECT_EQ(to_text(statement.opaque_id).find(to_hex(std::move(ByteWriter().u64(9)).take())),
            std::string::npos);
}

}  // namespace
}  // namespace quoin
