// The fibre protocol: codec, service, pacing.
#include <gtest/gtest.h>

#include <rapidcheck.h>
#include <algorithm>

#include "quantum/fibre_service.hpp"
#include "quantum/rice_code.hpp"

namespace quoin {
namespace {

ByteSpan body_of(const Bytes& frame) { return ByteSpan(frame).subspan(fibre_frame_header_bytes); }

DetectionEvents some_events() {
  DetectionEvents events;
  events.first_slot = 1'000'000'007;
  events.slot_count = 1000;
  events.offsets = {0, 1, 7, 500, 999};
  for (const bool bit : {true, false, false, true, false}) events.basis_is_test.push_back(bit);
  events.clicked_0 = SecretBits::zeroed(5);
  events.clicked_0.expose_secret_mutable()[0] = 0b10011;
  events.clicked_1 = SecretBits::zeroed(5);
  events.clicked_1.expose_secret_mutable()[0] = 0b01110;
  events.singles = {3, 4};
  events.slots_dropped_dead_time = 9;
  return events;
}

AliceAnswer some_answer() {
  AliceAnswer answer;
  for (const bool bit : {true, false, false}) answer.settings.basis_is_test.push_back(bit);
  for (const bool bit : {false, true, false}) answer.settings.intensity_is_decoy.push_back(bit);
  for (const bool bit : {true, false, false}) answer.settings.intensity_is_vacuum.push_back(bit);
  answer.settings.bits = SecretBits::zeroed(3);
  answer.settings.bits.expose_secret_mutable()[0] = 0b101;
  answer.emitted.sent = {{{800, 100, 50}, {40, 7, 3}}};
  return answer;
}

std::vector<Bytes> every_request() {
  SettingsRequest settings{.first_slot = 77, .slot_count = 1000, .offsets = {3, 4, 900}};
  std::vector<Bytes> frames;
  for (const FibreRequest& request :
       {FibreRequest(FibreHello{.role = FibreRole::bob}), FibreRequest(CalibrationRequest{}),
        FibreRequest(NextBlockRequest{.slot_count = 5}), FibreRequest(settings),
        FibreRequest(SetEveRequest{EveKind::intercept_resend, 0.25, 9})})
    frames.push_back(encode_request(request).value());
  return frames;
}

std::vector<Bytes> every_answer() {
  std::vector<Bytes> frames;
  frames.push_back(encode_answer(FibreWelcome{}).value());
  frames.push_back(encode_answer(LinkPhysics{}.calibration()).value());
  frames.push_back(encode_answer(some_events()).value());
  frames.push_back(encode_answer(some_answer()).value());
  frames.push_back(encode_answer(EveSet{.from_slot = 65536}).value());
  frames.push_back(encode_answer(Error{ErrorCode::not_found, "gone", "ask sooner"}).value());
  return frames;
}

TEST(FibreCodec, CarriesEveryMessage) {
  for (const Bytes& frame : every_request()) {
    EXPECT_EQ(fibre_frame_length(ByteSpan(frame).first(4)).value(), frame.size() - 4);
    const auto request = decode_request(body_of(frame));
    ASSERT_TRUE(request);
    EXPECT_EQ(encode_request(*request).value(), frame);
  }
  for (const Bytes& frame : every_answer()) {
    const auto answer = decode_answer(body_of(frame));
    ASSERT_TRUE(answer);
    EXPECT_EQ(encode_answer(*answer).value(), frame);
  }
  const auto answer = decode_answer(body_of(encode_answer(some_events()).value()));
  const auto& events = std::get<DetectionEvents>(*answer);
  EXPECT_EQ(events.offsets, some_events().offsets);
  EXPECT_EQ(events.first_slot, 1'000'000'007u);
  EXPECT_EQ(events.clicked_1.expose_secret()[0], 0b01110u);
  EXPECT_EQ(events.clicked_1.size_bits(), 5u);
  const auto settings = decode_answer(body_of(encode_answer(some_answer()).value()));
  EXPECT_EQ(std::get<AliceAnswer>(*settings).settings.bits.expose_secret()[0], 0b101u);
  EXPECT_EQ(std::get<AliceAnswer>(*settings).emitted, some_answer().emitted);
  const auto calibration = decode_answer(body_of(every_answer()[1]));
  EXPECT_EQ(std::get<DeviceCalibration>(*calibration), LinkPhysics{}.calibration());
}

TEST(FibreCodec, RefusesEveryTruncationAndExcess) {
  const auto check = [](const Bytes& frame, auto decode) {
    for (std::size_t size = 0; size + 4 < frame.size(); ++size) {
      const auto cut = decode(body_of(frame).first(size));
      ASSERT_FALSE(cut) << size;
      EXPECT_EQ(cut.error().code, ErrorCode::malformed);
    }
    Bytes longer = frame;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(decode(body_of(longer)));
  };
  for (const Bytes& frame : every_request()) check(frame, decode_request);
  for (const Bytes& frame : every_answer()) check(frame, decode_answer);
}

TEST(FibreCodec, RefusesHostileLengths) {
  const auto length_of = [](std::uint32_t length) {
    ByteWriter header;
    header.u32(length);
    return fibre_frame_length(header.bytes());
  };
  EXPECT_FALSE(length_of(0));
  EXPECT_TRUE(length_of(1));
  EXPECT_TRUE(length_of(64u << 20));
  EXPECT_FALSE(length_of((64u << 20) + 1));
  EXPECT_FALSE(length_of(0xffffffff));
  // A settings request that claims 2^25 offsets in four bytes, and one with a width of 64.
  for (const auto& [count, width] : {std::pair{1u << 25, 0u}, {33u, 0u}, {1u, 64u}, {1u, 33u}}) {
    ByteWriter out;
    out.u8(4).u64(0).u64(block_slots_max).u32(count).u8(static_cast<std::uint8_t>(width));
    out.prefixed(Bytes(4, std::byte{0}));
    EXPECT_FALSE(decode_request(out.bytes())) << count << " " << width;
  }
}

TEST(FibreCodec, RefusesWhatCannotBe) {
  DetectionEvents silent = some_events();
  assign_bit(silent.clicked_0.expose_secret_mutable(), 0, false);  // an entry without a click
  EXPECT_FALSE(decode_answer(body_of(encode_answer(std::move(silent)).value())));
  DetectionEvents disordered = some_events();
  disordered.offsets[1] = 0;
  EXPECT_EQ(encode_answer(std::move(disordered)).error().code, ErrorCode::invalid_argument);
  DetectionEvents beyond = some_events();
  beyond.slot_count = 999;
  EXPECT_FALSE(encode_answer(std::move(beyond)));
  AliceAnswer torn = some_answer();
  torn.settings.intensity_is_vacuum.set(1, true);  // decoy and vacuum at once
  EXPECT_FALSE(decode_answer(body_of(encode_answer(std::move(torn)).value())));
  AliceAnswer short_of_a_bit = some_answer();
  short_of_a_bit.settings.bits = SecretBits::zeroed(2);
  EXPECT_FALSE(decode_answer(body_of(encode_answer(std::move(short_of_a_bit)).value())));
  SetEveRequest greedy{EveKind::intercept_resend, 1.5, 0};
  EXPECT_FALSE(decode_request(body_of(encode_request(greedy).value())));
  EXPECT_FALSE(decode_request(to_bytes("\x7f")));
  EXPECT_EQ(encode_request(NextBlockRequest{block_slots_max + 1}).error().code,
            ErrorCode::too_large);
}

TEST(RiceCode, CarriesAnyOffsetsInFewBits) {
  EXPECT_TRUE(rc::check("offsets survive", [] {
    const auto gaps = *rc::gen::container<std::vector<std::uint32_t>>(
        rc::gen::inRange<std::uint32_t>(0, *rc::gen::element(1u, 9u, 5000u, 10'000'000u)));
    std::vector<std::uint32_t> offsets;
    std::uint64_t next = 0;
    for (const std::uint32_t gap : gaps) {
      if (next + gap > 0xffff'fff0) break;
      offsets.push_back(static_cast<std::uint32_t>(next + gap));
      next = std::uint64_t{offsets.back()} + 1;
    }
    const std::uint64_t slots = next + *rc::gen::inRange<std::uint64_t>(1, 5);
    ByteWriter out;
    put_offsets(out, offsets, slots);
    ByteReader in(out.bytes());
    RC_ASSERT(take_offsets(in, slots, offsets.size()) == offsets);
    RC_ASSERT(in.finish("offsets").has_value());
  }));
  const auto events = SimulatedLink::make(LinkPhysics{}, 1).value()->bob().next_block(1'000'000);
  ASSERT_TRUE(events);
  ByteWriter out;
  put_offsets(out, events->offsets, events->slot_count);
  EXPECT_LT(static_cast<double>(out.size()) * 8 / static_cast<double>(events->offsets.size()), 5.6);
}

TEST(RiceCode, RefusesOffsetsBehindTheBlockAndMoreThanAskedFor) {
  const std::vector<std::uint32_t> offsets{3, 999};
  ByteWriter out;
  put_offsets(out, offsets, 1000);
  const auto is_taken = [&](std::uint64_t slots, std::size_t count_max) {
    ByteReader in(out.bytes());
    (void)take_offsets(in, slots, count_max);
    return in.finish("offsets").has_value();
  };
  EXPECT_TRUE(is_taken(1000, 2));
  EXPECT_FALSE(is_taken(999, 2));
  EXPECT_FALSE(is_taken(1000, 1));
}

// Speaks to a service as a device client would.
class Client {
 public:
  explicit Client(FibreStation& station) : service_(station) {}

  Status send(const FibreRequest& request, Instant now = {}) {
    return service_.receive(encode_request(request).value(), now);
  }
  // The one answer that has come.
  FibreAnswer answer() {
    const Bytes bytes = service_.take_output();
    EXPECT_GE(bytes.size(), fibre_frame_header_bytes);
    EXPECT_EQ(fibre_frame_length(ByteSpan(bytes).first(4)).value(), bytes.size() - 4);
    auto decoded = decode_answer(body_of(bytes));
    EXPECT_TRUE(decoded);
    return std::move(decoded).value();
  }
  FibreAnswer ask(const FibreRequest& request, Instant now = {}) {
    EXPECT_TRUE(send(request, now));
    return answer();
  }
  void greet(FibreRole role) {
    EXPECT_TRUE(std::holds_alternative<FibreWelcome>(ask(FibreHello{.role = role})));
  }
  FibreService& service() { return service_; }

 private:
  FibreService service_;
};

ErrorCode code_of(const FibreAnswer& answer) { return std::get<Error>(answer).code; }

TEST(FibreService, ServesBothSidesOfALink) {
  const auto link = SimulatedLink::make(LinkPhysics{}, 4).value();
  const auto twin = SimulatedLink::make(LinkPhysics{}, 4).value();
  FibreStation station(*link, Pace::max);
  Client alice(station);
  Client bob(station);
  alice.greet(FibreRole::alice);
  bob.greet(FibreRole::bob);
  EXPECT_EQ(std::get<DeviceCalibration>(bob.ask(CalibrationRequest{})),
            LinkPhysics{}.calibration());
  const auto answer = bob.ask(NextBlockRequest{.slot_count = 500'000});
  const auto& events = std::get<DetectionEvents>(answer);
  const auto expected = twin->bob().next_block(500'000);
  EXPECT_EQ(events.offsets, expected->offsets);
  EXPECT_TRUE(
      std::ranges::equal(events.clicked_0.expose_secret(), expected->clicked_0.expose_secret()));
  const auto settings = alice.ask(SettingsRequest{0, 500'000, events.offsets});
  const auto direct = twin->alice().settings_for(0, 500'000, events.offsets);
  EXPECT_EQ(std::get<AliceAnswer>(settings).emitted, direct->emitted);
  EXPECT_TRUE(
      equal_constant_time(std::get<AliceAnswer>(settings).settings.bits.expose_secret_bytes(),
                          direct->settings.bits.expose_secret_bytes()));
  EXPECT_EQ(code_of(alice.ask(SettingsRequest{0, 500'001, {}})), ErrorCode::not_found);
}

TEST(FibreService, KeepsEachSideToItsOwn) {
  const auto link = SimulatedLink::make(LinkPhysics{}, 4).value();
  FibreStation station(*link, Pace::max);
  Client alice(station);
  Client bob(station);
  Client control(station);
  alice.greet(FibreRole::alice);
  bob.greet(FibreRole::bob);
  control.greet(FibreRole::control);
  const SetEveRequest eve{EveKind::intercept_resend, 1, 0};
  EXPECT_EQ(code_of(alice.ask(NextBlockRequest{10})), ErrorCode::unauthorised);
  EXPECT_EQ(code_of(alice.ask(eve)), ErrorCode::unauthorised);
  EXPECT_EQ(code_of(bob.ask(SettingsRequest{0, 10, {}})), ErrorCode::unauthorised);
  EXPECT_EQ(code_of(bob.ask(eve)), ErrorCode::unauthorised);
  EXPECT_EQ(code_of(control.ask(NextBlockRequest{10})), ErrorCode::unauthorised);
  EXPECT_EQ(code_of(control.ask(SettingsRequest{0, 10, {}})), ErrorCode::unauthorised);
  EXPECT_EQ(std::get<EveSet>(control.ask(eve)).from_slot, 0u);
}

TEST(FibreService, ClosesOnWhatIsNoConversation) {
  const auto link = SimulatedLink::make(LinkPhysics{}, 4).value();
  FibreStation station(*link, Pace::max);
  Client silent(station);
  EXPECT_FALSE(silent.send(CalibrationRequest{}));  // before the greeting
  EXPECT_EQ(code_of(silent.answer()), ErrorCode::conflict);
  EXPECT_FALSE(silent.send(FibreHello{}));  // closed
  Client old(station);
  EXPECT_FALSE(old.send(FibreHello{.version = 0, .role = FibreRole::bob}));
  EXPECT_NE(std::get<Error>(old.answer()).message.find("version"), std::string::npos);
  Client garbage(station);
  EXPECT_FALSE(garbage.service().receive(to_bytes("GET / HTTP/1.1\r\n"), {}));
  EXPECT_EQ(code_of(garbage.answer()), ErrorCode::malformed);
}

TEST(FibreService, GivesARoleToOneConnectionAtATime) {
  const auto link = SimulatedLink::make(LinkPhysics{}, 4).value();
  FibreStation station(*link, Pace::max);
  {
    Client first(station);
    first.greet(FibreRole::bob);
    Client second(station);
    EXPECT_FALSE(second.send(FibreHello{.role = FibreRole::bob}));
    EXPECT_EQ(code_of(second.answer()), ErrorCode::conflict);
  }
  Client third(station);
  third.greet(FibreRole::bob);
}

TEST(FibreService, TakesBytesInAnyPieces) {
  const auto link = SimulatedLink::make(LinkPhysics{}, 4).value();
  FibreStation station(*link, Pace::max);
  FibreService service(station);
  Bytes stream = encode_request(FibreHello{.role = FibreRole::bob}).value();
  for (int i = 0; i < 3; ++i) {
    const Bytes more = encode_request(NextBlockRequest{1000}).value();
    stream.insert(stream.end(), more.begin(), more.end());
  }
  for (const std::byte& byte : stream) ASSERT_TRUE(service.receive({&byte, 1}, {}));
  EXPECT_EQ(link->emitted(), 3000u);
  FibreService all_at_once(station);
  EXPECT_FALSE(all_at_once.receive(stream, {}));  // the role is taken
}

TEST(FibreService, AnswersInRealTimeWhenTheSlotsHaveLeft) {
  const auto link = SimulatedLink::make(LinkPhysics{}, 4).value();
  FibreStation station(*link, Pace::realtime);
  Client bob(station);
  bob.greet(FibreRole::bob);
  const Instant start{5 * ns_per_s};
  ASSERT_TRUE(bob.send(NextBlockRequest{1'000'000}, start));  // 10 ms of light
  ASSERT_TRUE(bob.send(CalibrationRequest{}, start));         // waits its turn
  EXPECT_TRUE(bob.service().take_output().empty());
  ASSERT_TRUE(bob.service().wake_at());
  EXPECT_EQ(bob.service().wake_at()->ns, start.ns + 10 * ns_per_ms);
  ASSERT_TRUE(bob.service().poll({start.ns + 10 * ns_per_ms - 1}));
  EXPECT_TRUE(bob.service().take_output().empty());
  ASSERT_TRUE(bob.service().poll({start.ns + 10 * ns_per_ms}));
  EXPECT_FALSE(bob.service().wake_at());
  const Bytes both = bob.service().take_output();
  const std::size_t first = fibre_frame_length(ByteSpan(both).first(4)).value();
  const auto events = decode_answer(ByteSpan(both).subspan(4, first));
  EXPECT_EQ(std::get<DetectionEvents>(*events).slot_count, 1'000'000u);
  const auto calibration = decode_answer(ByteSpan(both).subspan(8 + first));
  EXPECT_TRUE(std::holds_alternative<DeviceCalibration>(*calibration));
  // What has already left is answered at once.
  const auto late = bob.ask(NextBlockRequest{1'000'000}, {start.ns + ns_per_s});
  EXPECT_EQ(std::get<DetectionEvents>(late).first_slot, 1'000'000u);
}

TEST(FibreService, DropsABacklogBeyondTheRetentionWindow) {
  LinkPhysics physics;
  physics.retention_s = 1;
  const auto link = SimulatedLink::make(physics, 4).value();
  FibreStation station(*link, Pace::realtime);
  Client bob(station);
  bob.greet(FibreRole::bob);
  ASSERT_TRUE(bob.send(NextBlockRequest{1000}, {0}));
  ASSERT_TRUE(bob.service().poll({ns_per_ms}));
  (void)bob.answer();
  const auto late = bob.ask(NextBlockRequest{1000}, {3 * ns_per_s});
  EXPECT_EQ(std::get<DetectionEvents>(late).first_slot, 200'000'000u);
}

TEST(FibrePacer, CountsExactly) {
  const FibrePacer pacer(2.5e9, 1'000'000, {100});
  EXPECT_EQ(pacer.emitted({50}), 0u);
  EXPECT_EQ(pacer.emitted({100}), 0u);
  EXPECT_EQ(pacer.emitted({101}), 2u);
  EXPECT_EQ(pacer.emitted({102}), 5u);
  EXPECT_EQ(pacer.oldest_kept({102}), 0u);
  EXPECT_EQ(pacer.oldest_kept({100 + ns_per_s}), 2'499'000'000u);
  const std::int64_t ten_years = 315'360'000 * ns_per_s;
  EXPECT_EQ(pacer.emitted({100 + ten_years}), 788'400'000'000'000'000u);
  for (const SlotIndex end : {1u, 2u, 3u, 1'000'001u}) {
    const Instant at = pacer.when_emitted(end);
    EXPECT_GE(pacer.emitted(at), end);
    EXPECT_LT(pacer.emitted({at.ns - 1}), end);
  }
}

}  // namespace
}  // namespace quoin
