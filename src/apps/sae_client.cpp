#include "apps/sae_client.hpp"

#include "adapters/system_clock.hpp"

namespace quoin {

Result<SaeClient> SaeClient::connect(const SaeAccess& access) {
  QUOIN_TAKE(context, TlsContext::make(TlsPurpose::delivery, TlsSide::client, access.tls,
                                       SystemClock().wall_unix_ms()));
  std::string own_name = context.own_name();
  QUOIN_TAKE(client, HttpsClient::connect(
                         context, HttpsClientConfig{.host = access.kme.host,
                                                    .port = access.kme.port,
                                                    .expected_site = access.expected_site}));
  return SaeClient(std::move(client),
                   Etsi014Endpoint{.host = to_text(access.kme), .url_prefix = access.url_prefix},
                   std::move(own_name));
}

Result<SecretBytes> SaeClient::exchange(const Bytes& request) {
  return client_.exchange(request,
                          [](ByteSpan received) { return is_response_complete(received); });
}

Result<Etsi014Status> SaeClient::status(const std::string& slave) {
  QUOIN_TAKE(response, exchange(status_request(endpoint_, SaeId{slave})));
  return parse_status_response(response.expose_secret());
}

Result<std::vector<FetchedKey>> SaeClient::get(const std::string& slave, const KeyQuery& query) {
  QUOIN_TAKE(response, exchange(enc_keys_request(endpoint_, SaeId{slave}, query)));
  return parse_keys_response(response.expose_secret());
}

Result<std::vector<FetchedKey>> SaeClient::fetch(const std::string& master,
                                                 std::span<const KeyId> ids) {
  QUOIN_TAKE(response, exchange(dec_keys_request(endpoint_, SaeId{master}, ids)));
  return parse_keys_response(response.expose_secret());
}

}  // namespace quoin
