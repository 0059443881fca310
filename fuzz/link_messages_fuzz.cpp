// Every decoder of the link's messages; what decodes must encode to the same bytes.
#include <cstdlib>

#include "link/messages.hpp"
#include "link/parameters.hpp"

namespace {

template <class Message>
void expect_same(const quoin::Result<Message>& message, quoin::ByteSpan bytes) {
  if (!message) return;
  const quoin::Bytes again = encode(*message);
  if (again != quoin::Bytes(bytes.begin(), bytes.end())) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace quoin;
  if (size == 0) return 0;
  const ByteSpan bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0] % 12) {
    case 0: (void)decode_frame(bytes).has_value(); break;
    case 1:
      if (const auto hello = decode_hello(bytes);
          hello && hello->protocol_version == link_protocol_version)
        expect_same(hello, bytes);
      break;
    case 2: expect_same(decode_estimate_message(bytes), bytes); break;
    case 3: expect_same(decode_reconcile_start(bytes), bytes); break;
    case 4: expect_same(decode_verify(bytes), bytes); break;
    case 5: expect_same(decode_verify_result(bytes), bytes); break;
    case 6: expect_same(decode_amplify(bytes), bytes); break;
    case 7: (void)decode_abort_block(bytes).has_value(); break;
    case 8: expect_same(decode_switch_authentication(bytes), bytes); break;
    case 9: expect_same(decode_resolve_query(bytes), bytes); break;
    case 10: expect_same(decode_resolve_answer(bytes), bytes); break;
    default:
      if (const auto parameters = decode_link_parameters(bytes)) {
        (void)parameters->validate().has_value();
        expect_same(parameters, bytes);
      }
  }
  return 0;
}
