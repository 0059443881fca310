#include "crypto/certificates.hpp"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/openssl_errors.hpp"
#include "crypto/openssl_handles.hpp"
#include "crypto/random.hpp"

namespace quoin {
namespace {

constexpr std::int64_t now_ms = 1'800'000'000'000;

class Certificates : public testing::TestWithParam<SignatureAlgorithm> {
 protected:
  IssuedCertificate authority() {
    auto made =
        make_certificate_authority("test-ca", valid_for_days(now_ms, 30), serials_, GetParam());
    EXPECT_TRUE(made) << made.error().text();
    return std::move(made).value();
  }
  OpenSslPublicRandom serials_;
};

using StoreHandle = std::unique_ptr<X509_STORE, OpenSslDeleter<X509_STORE_free>>;
using ContextHandle = std::unique_ptr<X509_STORE_CTX, OpenSslDeleter<X509_STORE_CTX_free>>;

// OpenSSL's own verdict, as a TLS side would ask for it.
bool chain_holds(const std::string& leaf_pem, const std::string& authority_pem, int purpose,
                 std::int64_t at_unix_s) {
  auto leaf = read_certificate_pem(leaf_pem);
  auto authority = read_certificate_pem(authority_pem);
  const StoreHandle store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), authority->get());
  const ContextHandle context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf->get(), nullptr);
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_time(parameters, at_unix_s);
  X509_VERIFY_PARAM_set_purpose(parameters, purpose);
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
  const bool holds = X509_verify_cert(context.get()) == 1;
  (void)take_openssl_error();
  return holds;
}

TEST_P(Certificates, SiteCertificateServesBothWaysAndNamesItsSite) {
  const IssuedCertificate ca = authority();
  auto site = issue_site_certificate({ca.certificate_pem, ca.private_key_pem}, "site-a", {},
                                     valid_for_days(now_ms, 10), serials_, GetParam());
  ASSERT_TRUE(site) << site.error().text();
  for (const int purpose : {X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT})
    EXPECT_TRUE(chain_holds(site->certificate_pem, ca.certificate_pem, purpose, now_ms / 1000));
  EXPECT_FALSE(chain_holds(site->certificate_pem, ca.certificate_pem, X509_PURPOSE_SSL_CLIENT,
                           now_ms / 1000 + 11 * 86'400));
  auto facts = parse_certificate_pem(site->certificate_pem);
  ASSERT_TRUE(facts) << facts.error().text();
  EXPECT_EQ(site_name_of(*facts), "site-a");
  EXPECT_EQ(facts->common_name, "site-a");
  EXPECT_EQ(facts->issuer_name, "test-ca");
  EXPECT_EQ(facts->dns_names, std::vector<std::string>{"localhost"});
  EXPECT_EQ(facts->not_before_unix_s, now_ms / 1000 - 300);
  EXPECT_EQ(facts->not_after_unix_s, now_ms / 1000 + 10 * 86'400);
  EXPECT_EQ(facts->serial_hex.size(), 32u);
  EXPECT_FALSE(facts->is_authority);
  EXPECT_TRUE(check_key_matches(site->certificate_pem, site->private_key_pem));
}

TEST_P(Certificates, AnotherAuthorityOfTheSameNameIsNotBelieved) {
  const IssuedCertificate ca = authority();
  const IssuedCertificate impostor = authority();
  auto site = issue_site_certificate({impostor.certificate_pem, impostor.private_key_pem}, "site-a",
                                     {}, valid_for_days(now_ms, 10), serials_, GetParam());
  ASSERT_TRUE(site);
  EXPECT_FALSE(chain_holds(site->certificate_pem, ca.certificate_pem, X509_PURPOSE_SSL_CLIENT,
                           now_ms / 1000));
}

TEST_P(Certificates, SaeCertificateIsForClientsAlone) {
  const IssuedCertificate ca = authority();
  auto sae = issue_sae_certificate({ca.certificate_pem, ca.private_key_pem}, "sae-1",
                                   valid_for_days(now_ms, 10), serials_, GetParam());
  ASSERT_TRUE(sae) << sae.error().text();
  EXPECT_TRUE(chain_holds(sae->certificate_pem, ca.certificate_pem, X509_PURPOSE_SSL_CLIENT,
                          now_ms / 1000));
  EXPECT_FALSE(chain_holds(sae->certificate_pem, ca.certificate_pem, X509_PURPOSE_SSL_SERVER,
                           now_ms / 1000));
  auto facts = parse_certificate_pem(sae->certificate_pem);
  ASSERT_TRUE(facts);
  EXPECT_EQ(sae_name_of(*facts), "sae-1");
  EXPECT_EQ(site_name_of(*facts), std::nullopt);
}

TEST_P(Certificates, LeafIssuesNothing) {
  const IssuedCertificate ca = authority();
  auto site = issue_site_certificate({ca.certificate_pem, ca.private_key_pem}, "site-a", {},
                                     valid_for_days(now_ms, 10), serials_, GetParam());
  ASSERT_TRUE(site);
  const auto below = issue_sae_certificate({site->certificate_pem, site->private_key_pem}, "sae-1",
                                           valid_for_days(now_ms, 10), serials_, GetParam());
  ASSERT_FALSE(below);
  EXPECT_EQ(below.error().code, ErrorCode::invalid_argument);
}

TEST_P(Certificates, FingerprintBelongsToTheKey) {
  const IssuedCertificate a = authority();
  const IssuedCertificate b = authority();
  auto facts_a = parse_certificate_pem(a.certificate_pem);
  auto facts_b = parse_certificate_pem(b.certificate_pem);
  ASSERT_TRUE(facts_a && facts_b);
  EXPECT_TRUE(facts_a->is_authority);
  EXPECT_NE(facts_a->spki_sha256, facts_b->spki_sha256);
  EXPECT_NE(facts_a->serial_hex, facts_b->serial_hex);
  EXPECT_EQ(fingerprint_text(facts_a->spki_sha256).size(), 32u * 3 - 1);
  EXPECT_EQ(check_key_matches(a.certificate_pem, b.private_key_pem).error().code,
            ErrorCode::conflict);
}

INSTANTIATE_TEST_SUITE_P(Algorithms, Certificates,
                         testing::Values(SignatureAlgorithm::ecdsa_p384,
                                         SignatureAlgorithm::ed25519,
                                         SignatureAlgorithm::ml_dsa_65));

TEST(CertificateNames, AreBounded) {
  EXPECT_TRUE(is_certificate_name("site-a.example_1"));
  EXPECT_FALSE(is_certificate_name(""));
  EXPECT_FALSE(is_certificate_name("site a"));
  EXPECT_FALSE(is_certificate_name("site,DNS:evil"));
  EXPECT_FALSE(is_certificate_name(std::string(65, 'a')));
}

TEST(CertificateNames, SaeIdentityFallsBackInOrder) {
  CertificateFacts facts;
  EXPECT_EQ(sae_name_of(facts), std::nullopt);
  facts.common_name = "by-cn";
  EXPECT_EQ(sae_name_of(facts), "by-cn");
  facts.dns_names = {"by-dns"};
  EXPECT_EQ(sae_name_of(facts), "by-dns");
  facts.uris = {"https://example.org", "quoin:sae:by-uri"};
  EXPECT_EQ(sae_name_of(facts), "by-uri");
}

TEST(CertificateErrors, NameTheCure) {
  OpenSslPublicRandom serials;
  const auto bad_name = make_certificate_authority("a,b", valid_for_days(now_ms, 1), serials);
  ASSERT_FALSE(bad_name);
  EXPECT_FALSE(bad_name.error().cure.empty());
  auto ca = make_certificate_authority("ca", valid_for_days(now_ms, 1), serials);
  ASSERT_TRUE(ca);
  const auto bad_host = issue_site_certificate({ca->certificate_pem, ca->private_key_pem}, "site-a",
                                               {{"host,URI:quoin:site:evil"}, {}},
                                               valid_for_days(now_ms, 1), serials);
  EXPECT_EQ(bad_host.error().code, ErrorCode::invalid_argument);
  const auto bad_address =
      issue_site_certificate({ca->certificate_pem, ca->private_key_pem}, "site-a",
                             {{}, {"1.2.3.4.5"}}, valid_for_days(now_ms, 1), serials);
  EXPECT_FALSE(bad_address);
  EXPECT_EQ(parse_certificate_pem("no PEM").error().code, ErrorCode::malformed);
  EXPECT_EQ(parse_certificate_pem(std::string(pem_bytes_max + 1, 'x')).error().code,
            ErrorCode::too_large);
}

TEST(CertificateErrors, EveryTruncationIsAnError) {
  OpenSslPublicRandom serials;
  auto ca = make_certificate_authority("ca", valid_for_days(now_ms, 1), serials);
  ASSERT_TRUE(ca);
  for (std::size_t size = 0; size + 30 < ca->certificate_pem.size(); ++size)
    EXPECT_FALSE(parse_certificate_pem(std::string_view(ca->certificate_pem).substr(0, size)));
}

}  // namespace
}  // namespace quoin
