// Every message between the two ends: what was encoded is decoded, and nothing else is accepted.
#include "link/messages.hpp"

#include <gtest/gtest.h>

#include "link/block.hpp"
#include "link/parameters.hpp"

namespace quoin {
namespace {

template <class Decode>
void expect_only_whole(const Bytes& bytes, Decode decode) {
  EXPECT_TRUE(decode(bytes).has_value());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode(ByteSpan(bytes).first(size)).has_value()) << "cut to " << size;
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode(longer).has_value()) << "one byte too many";
}

Hello some_hello() {
  Hello hello;
  hello.protocol_version = link_protocol_version;
  hello.software_version = "0.1.0";
  hello.site = "alpha";
  hello.role = QuantumRole::bob;
  hello.next_session = 7;
  hello.nonce.fill(std::byte{0x5a});
  hello.parameters = encode(LinkParameters{});
  hello.lineage = 0x1122334455667788ULL;
  return hello;
}

TEST(LinkMessages, HelloKeepsEverything) {
  const Bytes bytes = encode(some_hello());
  const auto hello = decode_hello(bytes);
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->site, "alpha");
  EXPECT_EQ(hello->role, QuantumRole::bob);
  EXPECT_EQ(hello->next_session, 7U);
  EXPECT_EQ(hello->parameters, encode(LinkParameters{}));
  EXPECT_EQ(hello->lineage, 0x1122334455667788ULL);
  expect_only_whole(bytes, [](ByteSpan b) { return decode_hello(b); });
}

TEST(LinkMessages, HelloOfAnotherVersionIsReadNoFurther) {
  Bytes bytes = encode(some_hello());
  bytes[1] = std::byte{9};
  bytes.resize(10);  // another version may lay out the rest as it likes
  const auto hello = decode_hello(bytes);
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->protocol_version, 9U);
}

TEST(LinkMessages, BlockMessagesKeepEverything) {
  const Bytes estimate = encode(EstimateMessage{{1, 2, 3}, 6000});
  EXPECT_EQ(decode_estimate_message(estimate)->test_errors[2], 3U);
  expect_only_whole(estimate, [](ByteSpan b) { return decode_estimate_message(b); });

  ReconcileStart start;
  start.permutation_seed.fill(std::byte{7});
  start.qber_estimate_ppm = 5000;
  start.goal = ReconcileGoal::low_leak;
  EXPECT_EQ(decode_reconcile_start(encode(start))->goal, ReconcileGoal::low_leak);
  for (const std::size_t choice : {0U, 1U}) {
    Bytes unknown = encode(start);
    unknown[choice] = std::byte{9};
    EXPECT_FALSE(decode_reconcile_start(unknown));
  }
  expect_only_whole(encode(start), [](ByteSpan b) { return decode_reconcile_start(b); });

  Verify verify;
  verify.leak_bits = 123;
  verify.errors = 9;
  EXPECT_EQ(decode_verify(encode(verify))->leak_bits, 123U);
  expect_only_whole(encode(verify), [](ByteSpan b) { return decode_verify(b); });
  expect_only_whole(encode(VerifyResult{}), [](ByteSpan b) { return decode_verify_result(b); });

  Amplify amplify;
  amplify.secret_bits = 1000;
  amplify.ledger_bits = 512;
  amplify.seed = BitString(77);
  amplify.seed.set(76, true);
  const auto decoded = decode_amplify(encode(amplify));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_TRUE(decoded->seed[76]);
  expect_only_whole(encode(amplify), [](ByteSpan b) { return decode_amplify(b); });
}

TEST(LinkMessages, AmplifyRefusesMoreForTheLedgerThanThereIs) {
  Amplify amplify;
  amplify.secret_bits = 100;
  amplify.ledger_bits = 128;
  EXPECT_FALSE(decode_amplify(encode(amplify)).has_value());
  amplify.ledger_bits = 12;  // no whole bytes
  EXPECT_FALSE(decode_amplify(encode(amplify)).has_value());
}

TEST(LinkMessages, EstimateAboveOneHalfIsRefused) {
  EXPECT_TRUE(decode_estimate_message(encode(EstimateMessage{{}, 500'000})).has_value());
  EXPECT_FALSE(decode_estimate_message(encode(EstimateMessage{{}, 500'001})).has_value());
}

TEST(LinkMessages, AbortReasonIsCutAndCleaned) {
  const auto abort =
      decode_abort_block(encode(AbortBlock{true, 251'000, std::string(1000, 'x') + "\x1b[31m"}));
  ASSERT_TRUE(abort.has_value());
  EXPECT_EQ(abort->reason.size(), reason_bytes_max);
  const auto red = decode_abort_block(encode(AbortBlock{false, 0, "\x1b[31m\n"}));
  ASSERT_TRUE(red.has_value());
  EXPECT_EQ(red->reason, "?[31m?");  // no escape sequence reaches a terminal
}

TEST(LinkMessages, ResolveListsAreBounded) {
  ResolveQuery query;
  query.blocks.assign(resolve_blocks_max + 1, make_block_id(1, 2));
  EXPECT_FALSE(decode_resolve_query(encode(query)).has_value());
  query.blocks.resize(3);
  expect_only_whole(encode(query), [](ByteSpan b) { return decode_resolve_query(b); });
  ResolveAnswer answer;
  answer.blocks.emplace_back(make_block_id(1, 1), PeerBlockState::committed);
  expect_only_whole(encode(answer), [](ByteSpan b) { return decode_resolve_answer(b); });
  Bytes bad = encode(answer);
  bad.back() = std::byte{3};  // no such state
  EXPECT_FALSE(decode_resolve_answer(bad).has_value());
}

TEST(LinkMessages, FramesOfUnknownTypeAreRefused) {
  const Bytes frame = encode_frame(FrameHeader{FrameType::sift, 1, 0, make_block_id(1, 0)}, {});
  ASSERT_TRUE(decode_frame(frame).has_value());
  for (int type = 0; type < 256; ++type) {
    Bytes other = frame;
    other[0] = static_cast<std::byte>(type);
    const bool is_known = std::string(to_string(static_cast<FrameType>(type))) != "unknown";
    EXPECT_EQ(decode_frame(other).has_value(), is_known) << type;
  }
  EXPECT_FALSE(decode_frame(ByteSpan(frame).first(frame_header_bytes - 1)).has_value());
}

TEST(LinkParametersTest, DifferencesAreNamed) {
  LinkParameters own;
  LinkParameters peer;
  peer.slots_per_block = 5;
  peer.epsilon_sec = 1e-9;
  EXPECT_EQ(describe_difference(own, peer), "slots_per_block, epsilon_sec");
  EXPECT_EQ(decode_link_parameters(encode(peer)).value(), peer);
  expect_only_whole(encode(own), [](ByteSpan b) { return decode_link_parameters(b); });
}

TEST(LinkParametersTest, ImpossibleValuesAreNamed) {
  const auto error_of = [](auto change) {
    LinkParameters p;
    change(p);
    const Status valid = p.validate();
    return valid ? std::string() : valid.error().text();
  };
  EXPECT_EQ(error_of([](LinkParameters&) {}), "");
  EXPECT_NE(error_of([](LinkParameters& p) { p.mu = {0.3, 0.2, 0.15}; }).find("'mu'"),
            std::string::npos);
  EXPECT_NE(error_of([](LinkParameters& p) {
              p.intensity_probability = {0.5, 0.2, 0.2};
            }).find("sum to 1"),
            std::string::npos);
  EXPECT_NE(error_of([](LinkParameters& p) { p.epsilon_sec = 0; }).find("epsilon_sec"),
            std::string::npos);
  EXPECT_NE(error_of([](LinkParameters& p) { p.epsilon_cor = 1e-40; }).find("epsilon_cor"),
            std::string::npos);
  EXPECT_NE(error_of([](LinkParameters& p) { p.frame_bits = 1000; }).find("frame_bits"),
            std::string::npos);
  EXPECT_NE(error_of([](LinkParameters& p) { p.proof = "none"; }).find("proof"), std::string::npos);
}

TEST(LegalMoves, NothingIsLegalTwiceOrForTheWrongRole) {
  // Alice never accepts what only Alice sends, and the other way round.
  for (int phase = 0; phase <= static_cast<int>(BlockPhase::prepared); ++phase) {
    const auto p = static_cast<BlockPhase>(phase);
    for (const FrameType type :
         {FrameType::sift, FrameType::reconcile_start, FrameType::verify, FrameType::amplify})
      EXPECT_FALSE(is_legal(QuantumRole::alice, p, type));
    for (const FrameType type : {FrameType::estimate, FrameType::verify_result})
      EXPECT_FALSE(is_legal(QuantumRole::bob, p, type));
  }
  EXPECT_FALSE(is_legal(QuantumRole::bob, BlockPhase::committing, FrameType::sift));
  EXPECT_TRUE(is_legal(QuantumRole::bob, BlockPhase::awaiting_sift, FrameType::sift));
}

}  // namespace
}  // namespace quoin
