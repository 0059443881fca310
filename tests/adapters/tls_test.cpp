#include "adapters/tls.hpp"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "loopback.hpp"

namespace quoin {
namespace {

class TlsTest : public testing::Test {
 protected:
  TestFolder folder_;
  TestAuthority authority_{folder_, "north"};

  TlsContext link(TlsSide side, const std::string& site) {
    return tls_context(TlsPurpose::link, side, authority_.site(site));
  }
};

// Passes bytes between two sessions until neither has any; the first failure of each side.
struct Outcome {
  Status client = success();
  Status server = success();
};
Outcome shake_hands(TlsSession& client, TlsSession& server) {
  Outcome outcome;
  for (int i = 0; i < 20; ++i) {
    const Bytes to_server = client.take_output();
    if (!to_server.empty() && outcome.server) outcome.server = server.feed(to_server);
    const Bytes to_client = server.take_output();
    if (!to_client.empty() && outcome.client) outcome.client = client.feed(to_client);
    if (to_server.empty() && to_client.empty()) break;
  }
  // Alerts to a client that is established already come with its reads.
  std::array<std::byte, 16> buffer;
  if (outcome.client && client.is_established())
    if (const auto got = client.read(buffer); !got) outcome.client = got.failure();
  return outcome;
}

Outcome meet(const TlsContext& client_context, const TlsExpectation& of_server,
             const TlsContext& server_context, const TlsExpectation& of_client) {
  auto client = *TlsSession::make(client_context, of_server);
  auto server = *TlsSession::make(server_context, of_client);
  return shake_hands(client, server);
}

TEST_F(TlsTest, LinkAgreesOnTheHybridGroupAndNamesBothSites) {
  const TlsContext alpha = link(TlsSide::client, "alpha");
  const TlsContext beta = link(TlsSide::server, "beta");
  EXPECT_EQ(alpha.own_name(), "alpha");
  auto client = *TlsSession::make(alpha, {"beta", {}});
  auto server = *TlsSession::make(beta, {"alpha", {}});
  const Outcome outcome = shake_hands(client, server);
  ASSERT_TRUE(outcome.client) << outcome.client.error().text();
  ASSERT_TRUE(outcome.server) << outcome.server.error().text();
  ASSERT_TRUE(client.is_established() && server.is_established());
  for (const TlsSession* session : {&client, &server}) {
    EXPECT_EQ(session->peer().key_exchange, "X25519MLKEM768");
    EXPECT_EQ(session->peer().cipher, "TLS_AES_256_GCM_SHA384");
  }
  EXPECT_EQ(client.peer().site, "beta");
  EXPECT_EQ(server.peer().site, "alpha");
}

TEST_F(TlsTest, ExportersAreEqualAndBoundToTheirContext) {
  const TlsContext alpha = link(TlsSide::client, "alpha");
  const TlsContext beta = link(TlsSide::server, "beta");
  auto client = *TlsSession::make(alpha, {"beta", {}});
  auto server = *TlsSession::make(beta, {"alpha", {}});
  shake_hands(client, server);
  const SecretBytes ours = *client.exporter(to_bytes("roles and names"));
  const SecretBytes theirs = *server.exporter(to_bytes("roles and names"));
  const SecretBytes other = *client.exporter(to_bytes("other roles"));
  EXPECT_EQ(ours.size_bytes(), 64U);
  EXPECT_TRUE(equal_constant_time(ours.expose_secret(), theirs.expose_secret()));
  EXPECT_FALSE(equal_constant_time(ours.expose_secret(), other.expose_secret()));
}

TEST_F(TlsTest, CarriesBytesAndNoticesTheGoodbye) {
  auto client = *TlsSession::make(link(TlsSide::client, "alpha"), {"beta", {}});
  auto server = *TlsSession::make(link(TlsSide::server, "beta"), {"alpha", {}});
  shake_hands(client, server);
  const Bytes sent = pattern_bytes(100'000, 1);
  ASSERT_TRUE(client.write(sent));
  ASSERT_TRUE(server.feed(client.take_output()));
  Bytes received;
  std::array<std::byte, 7000> piece;
  while (true) {
    const std::size_t got = *server.read(piece);
    if (got == 0) break;
    received.insert(received.end(), piece.begin(),
                    piece.begin() + static_cast<std::ptrdiff_t>(got));
  }
  EXPECT_EQ(received, sent);
  EXPECT_FALSE(server.is_finished_by_peer());
  client.finish();
  ASSERT_TRUE(server.feed(client.take_output()));
  EXPECT_EQ(*server.read(piece), 0U);
  EXPECT_TRUE(server.is_finished_by_peer());
}

TEST_F(TlsTest, AChangedRecordEndsTheSession) {
  auto client = *TlsSession::make(link(TlsSide::client, "alpha"), {"beta", {}});
  auto server = *TlsSession::make(link(TlsSide::server, "beta"), {"alpha", {}});
  shake_hands(client, server);
  ASSERT_TRUE(client.write(to_bytes("frame")));
  Bytes record = client.take_output();
  record.back() ^= std::byte{1};
  static_cast<void>(server.feed(record));
  std::array<std::byte, 16> buffer;
  EXPECT_EQ(server.read(buffer).error().code, ErrorCode::unauthenticated);
}

TEST_F(TlsTest, AnotherNameIsRefusedOnBothSidesWithTheReason) {
  const TlsContext alpha = link(TlsSide::client, "alpha");
  const TlsContext beta = link(TlsSide::server, "beta");
  const Outcome by_client = meet(alpha, {"gamma", {}}, beta, {"alpha", {}});
  ASSERT_FALSE(by_client.client);
  EXPECT_EQ(by_client.client.error().code, ErrorCode::unauthenticated);
  EXPECT_NE(by_client.client.error().text().find("site beta"), std::string::npos);
  EXPECT_NE(by_client.client.error().text().find("site gamma"), std::string::npos);
  ASSERT_FALSE(by_client.server) << "the other side must learn of it";
  EXPECT_NE(by_client.server.error().text().find("refuses our certificate"), std::string::npos)
      << by_client.server.error().text();
  const Outcome by_server = meet(alpha, {"beta", {}}, beta, {"gamma", {}});
  EXPECT_FALSE(by_server.server);
  EXPECT_FALSE(by_server.client);
}

TEST_F(TlsTest, AnotherAuthorityIsRefused) {
  TestAuthority south(folder_, "south");
  const TlsContext foreign = tls_context(TlsPurpose::link, TlsSide::client, south.site("alpha"));
  const Outcome outcome = meet(foreign, {"beta", {}}, link(TlsSide::server, "beta"), {"alpha", {}});
  ASSERT_FALSE(outcome.client);
  EXPECT_NE(outcome.client.error().text().find("not trusted here"), std::string::npos)
      << outcome.client.error().text();
  // The server trusts only its own authority as well.
  TlsFiles mixed = south.site("alpha");
  mixed.ca_file = authority_.ca_file();
  const TlsContext half = tls_context(TlsPurpose::link, TlsSide::client, mixed);
  const Outcome other = meet(half, {"beta", {}}, link(TlsSide::server, "beta"), {"alpha", {}});
  ASSERT_FALSE(other.server);
  EXPECT_NE(other.server.error().text().find("not trusted here"), std::string::npos);
  ASSERT_FALSE(other.client);
  EXPECT_NE(other.client.error().text().find("does not trust the authority"), std::string::npos)
      << other.client.error().text();
}

TEST_F(TlsTest, ExpiredCertificatesAreNamedAtHomeAndRefusedAbroad) {
  const std::int64_t now_s = SystemClock().wall_unix_ms() / 1000;
  const TlsFiles old = authority_.site("alpha", {now_s - 7200, now_s - 3600});
  const auto refused =
      TlsContext::make(TlsPurpose::link, TlsSide::client, old, SystemClock().wall_unix_ms());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::configuration);
  EXPECT_NE(refused.error().message.find("expired on 20"), std::string::npos);
  EXPECT_NE(refused.error().cure.find("quoin pki"), std::string::npos);
  const auto early =
      TlsContext::make(TlsPurpose::link, TlsSide::client, old, (now_s - 9000) * 1000);
  ASSERT_FALSE(early);
  EXPECT_NE(early.error().text().find("valid only from"), std::string::npos);
  // A node whose clock is wrong gets as far as the peer.
  const auto alpha =
      TlsContext::make(TlsPurpose::link, TlsSide::client, old, (now_s - 5000) * 1000);
  ASSERT_TRUE(alpha);
  const Outcome outcome = meet(*alpha, {"beta", {}}, link(TlsSide::server, "beta"), {"alpha", {}});
  ASSERT_FALSE(outcome.server);
  EXPECT_NE(outcome.server.error().text().find("has expired"), std::string::npos);
  ASSERT_FALSE(outcome.client);
  EXPECT_NE(outcome.client.error().text().find("our certificate has expired"), std::string::npos);
}

TEST_F(TlsTest, FilesThatDoNotServeAreNamedWithTheCure) {
  const TlsFiles good = authority_.site("alpha");
  const TlsFiles other = authority_.site("beta");
  const auto refusal = [](const TlsFiles& files) {
    const auto made =
        TlsContext::make(TlsPurpose::link, TlsSide::client, files, SystemClock().wall_unix_ms());
    return made ? std::string("accepted") : made.error().text();
  };
  EXPECT_EQ(refusal(good), "accepted");
  TlsFiles files = good;
  files.certificate_file = folder_.file("absent.pem");
  EXPECT_NE(refusal(files).find("absent.pem: No such file"), std::string::npos);
  files = good;
  files.key_file = other.key_file;
  EXPECT_NE(refusal(files).find("does not belong to the certificate"), std::string::npos);
  files = good;
  files.key_file = good.certificate_file;
  EXPECT_NE(refusal(files).find("chmod 600"), std::string::npos) << refusal(files);
  files = good;
  files.ca_file = good.key_file;
  EXPECT_NE(refusal(files).find("holds no certificate authority"), std::string::npos);
  EXPECT_NE(refusal(authority_.sae("app")).find("names no site"), std::string::npos);
}

// A peer made with OpenSSL directly, to offer what our contexts never would.
class RawClient {
 public:
  RawClient(const TlsFiles* files, int version, const char* groups) {
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    SSL_CTX_set1_groups_list(context_.get(), groups);
    if (files != nullptr) {
      SSL_CTX_use_certificate_file(context_.get(), files->certificate_file.c_str(),
                                   SSL_FILETYPE_PEM);
      SSL_CTX_use_PrivateKey_file(context_.get(), files->key_file.c_str(), SSL_FILETYPE_PEM);
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
  }

  Status meet(TlsSession& server) {
    for (int i = 0; i < 10; ++i) {
      SSL_do_handshake(ssl_.get());
      Bytes out(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())));
      if (out.empty()) break;
      BIO_read(SSL_get_wbio(ssl_.get()), out.data(), static_cast<int>(out.size()));
      QUOIN_TRY(server.feed(out));
      const Bytes in = server.take_output();
      BIO_write(SSL_get_rbio(ssl_.get()), in.data(), static_cast<int>(in.size()));
    }
    return success();
  }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL_CTX, Free> context_{SSL_CTX_new(TLS_client_method())};
  std::unique_ptr<SSL, Free> ssl_;
};

TEST_F(TlsTest, ServersRefuseWeakerPeers) {
  const TlsFiles alpha = authority_.site("alpha");
  const TlsContext beta = link(TlsSide::server, "beta");
  const TlsContext delivery =
      tls_context(TlsPurpose::delivery, TlsSide::server, authority_.site("kme"));
  const auto against = [&](const TlsContext& context, const TlsFiles* files, int version,
                           const char* groups) {
    const bool is_link = context.purpose() == TlsPurpose::link;
    auto server = *TlsSession::make(context, {is_link ? "alpha" : "", {}});
    const Status met = RawClient(files, version, groups).meet(server);
    return met && server.is_established();
  };
  EXPECT_TRUE(against(beta, &alpha, TLS1_3_VERSION, "X25519MLKEM768"));
  EXPECT_FALSE(against(beta, &alpha, TLS1_3_VERSION, "X25519")) << "a link without ML-KEM";
  EXPECT_FALSE(against(beta, &alpha, TLS1_2_VERSION, "X25519"));
  EXPECT_FALSE(against(beta, nullptr, TLS1_3_VERSION, "X25519MLKEM768")) << "no certificate";
  EXPECT_TRUE(against(delivery, &alpha, TLS1_3_VERSION, "X25519")) << "delivery allows X25519";
  EXPECT_FALSE(against(delivery, &alpha, TLS1_3_VERSION, "P-256"));
  EXPECT_FALSE(against(delivery, &alpha, TLS1_2_VERSION, "X25519"));
  EXPECT_FALSE(against(delivery, nullptr, TLS1_3_VERSION, "X25519")) << "no certificate";
}

TEST_F(TlsTest, DeliveryIdentifiesTheApplicationAndTheServersHost) {
  const TlsContext app =
      tls_context(TlsPurpose::delivery, TlsSide::client, authority_.sae("app-1"));
  const TlsContext kme =
      tls_context(TlsPurpose::delivery, TlsSide::server, authority_.site("beta"));
  for (const char* host : {"localhost", "127.0.0.1"}) {
    auto client = *TlsSession::make(app, {"", host});
    auto server = *TlsSession::make(kme, {});
    const Outcome outcome = shake_hands(client, server);
    ASSERT_TRUE(outcome.client) << outcome.client.error().text();
    EXPECT_EQ(server.peer().sae, "app-1");
    EXPECT_EQ(server.peer().site, "");
    EXPECT_EQ(client.peer().site, "beta");
  }
  const Outcome wrong = meet(app, {"", "kme.example"}, kme, {});
  ASSERT_FALSE(wrong.client);
  EXPECT_NE(wrong.client.error().text().find("another host name"), std::string::npos);
}

TEST_F(TlsTest, NonsenseIsNoHandshake) {
  auto server = *TlsSession::make(link(TlsSide::server, "beta"), {"alpha", {}});
  const Status fed = server.feed(to_bytes("GET / HTTP/1.1\r\n\r\n"));
  ASSERT_FALSE(fed);
  EXPECT_NE(fed.error().text().find("does not speak TLS"), std::string::npos) << fed.error().text();
}

}  // namespace
}  // namespace quoin
