// What the tests of this folder share: a folder of its own per test, certificates for it, and a
// seeded source of bytes.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "adapters/event_loop.hpp"
#include "adapters/files.hpp"
#include "adapters/system_clock.hpp"
#include "adapters/tls.hpp"
#include "crypto/certificates.hpp"
#include "crypto/random.hpp"

namespace quoin {

constexpr std::int64_t test_limit_ms = 20'000;  // far beyond what a test needs: a hang fails

class TestFolder {
 public:
  TestFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "quoin-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// An authority and what it issues, as PEM files.
class TestAuthority {
 public:
  TestAuthority(const TestFolder& folder, std::string name)
      : folder_(folder), name_(std::move(name)) {
    const std::int64_t now = SystemClock().wall_unix_ms();
    authority_ = *make_certificate_authority(name_, valid_for_days(now, 30), random_);
    put(ca_file(), as_bytes(authority_.certificate_pem), FileKind::ordinary);
  }

  std::string ca_file() const { return folder_.file(name_ + "-ca.pem"); }

  TlsFiles site(const std::string& site_name) {
    return site(site_name, valid_for_days(SystemClock().wall_unix_ms(), 30));
  }
  TlsFiles site(const std::string& site_name, const Validity& validity) {
    return write(site_name, *issue_site_certificate(signer(), site_name, {}, validity, random_));
  }
  TlsFiles sae(const std::string& sae_name) {
    const Validity validity = valid_for_days(SystemClock().wall_unix_ms(), 30);
    return write(sae_name, *issue_sae_certificate(signer(), sae_name, validity, random_));
  }

 private:
  AuthorityFiles signer() const { return {authority_.certificate_pem, authority_.private_key_pem}; }

  static void put(const std::string& path, ByteSpan bytes, FileKind kind) {
    const Status put = write_file_atomically(path, bytes, kind);
    ASSERT_TRUE(put) << put.error().text();
  }

  TlsFiles write(const std::string& name, const IssuedCertificate& issued) {
    const std::string stem = folder_.file(name_ + "-" + name);
    put(stem + ".pem", as_bytes(issued.certificate_pem), FileKind::ordinary);
    put(stem + ".key", issued.private_key_pem.expose_secret(), FileKind::secret);
    return {stem + ".pem", stem + ".key", ca_file()};
  }

  const TestFolder& folder_;
  std::string name_;
  OpenSslPublicRandom random_;
  IssuedCertificate authority_;
};

inline TlsContext tls_context(TlsPurpose purpose, TlsSide side, const TlsFiles& files) {
  auto made = TlsContext::make(purpose, side, files, SystemClock().wall_unix_ms());
  EXPECT_TRUE(made) << made.error().text();
  return std::move(made).value();
}

inline Bytes pattern_bytes(std::size_t size, std::uint64_t seed) {
  Bytes out(size);
  std::uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (std::byte& byte : out) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<std::byte>(state >> 56);
  }
  return out;
}

}  // namespace quoin
