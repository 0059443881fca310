#include "apps/demo_stage.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <filesystem>

#include "adapters/files.hpp"
#include "adapters/system_clock.hpp"
#include "apps/setup_commands.hpp"
#include "crypto/certificates.hpp"
#include "crypto/random.hpp"

namespace quoin {

namespace {

// In memory where there is such a folder, so that nothing of the demonstration reaches a disk.
constexpr std::array<const char*, 2> folder_bases = {"/dev/shm", "/tmp"};
constexpr std::string_view folder_prefix = "quoin-demo-";
constexpr const char* lock_name = "/in-use";

Result<std::string> make_private_folder() {
  for (const char* base : folder_bases) {
    std::string pattern = std::string(base) + "/" + std::string(folder_prefix) + "XXXXXX";
    if (mkdtemp(pattern.data()) != nullptr) return pattern;
  }
  return fail(ErrorCode::io, "cannot make a folder in /dev/shm or /tmp",
              "make one of them writable, with some free space");
}

void overwrite(const std::filesystem::path& path) {
  std::error_code code;
  const auto size = std::filesystem::file_size(path, code);
  if (code) return;
  if (std::FILE* file = std::fopen(path.c_str(), "r+b")) {
    const std::vector<char> zeros(65536, 0);
    for (std::uintmax_t done = 0; done < size; done += zeros.size())
      std::fwrite(zeros.data(), 1, std::min<std::uintmax_t>(zeros.size(), size - done), file);
    std::fclose(file);
  }
}

void remove_folder(const std::string& folder) {
  std::error_code code;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, code))
    if (entry.is_regular_file(code) && !entry.is_symlink(code)) overwrite(entry.path());
  std::filesystem::remove_all(folder, code);
}

// Locked before it gets its name, so that nobody meets it unlocked while the folder is in use.
int lock_folder(const std::string& folder) {
  const std::string name = folder + lock_name;
  const int fd = ::open((name + ".new").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 && (::flock(fd, LOCK_EX | LOCK_NB) != 0 ||
                  std::rename((name + ".new").c_str(), name.c_str()) != 0)) {
    ::close(fd);
    return -1;
  }
  return fd;
}

// What demonstrations of this user left that were killed: their lock is there, and nobody holds it.
void remove_left_folders() {
  std::error_code code;
  for (const char* base : folder_bases) {
    for (const auto& entry : std::filesystem::directory_iterator(base, code)) {
      const std::string folder = entry.path().string();
      struct stat facts{};
      if (!entry.path().filename().string().starts_with(folder_prefix) ||
          ::lstat(folder.c_str(), &facts) != 0 || !S_ISDIR(facts.st_mode) ||
          facts.st_uid != ::geteuid())
        continue;
      const int fd = ::open((folder + lock_name).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
      if (fd < 0) continue;
      if (::flock(fd, LOCK_EX | LOCK_NB) == 0) remove_folder(folder);
      ::close(fd);
    }
  }
}

void replace_line(std::string& text, const std::string& key, const std::string& line) {
  const std::size_t at = text.find("\n" + key + " =");
  if (at == std::string::npos) return;
  const std::size_t end = text.find('\n', at + 1);
  text.replace(at + 1, end - at - 1, line);
}

}  // namespace

Result<std::unique_ptr<DemoStage>> DemoStage::build(const DemoOptions& options) {
  std::unique_ptr<DemoStage> stage(new DemoStage(options));
  QUOIN_TAKE(program, own_program());
  stage->program_ = std::move(program);
  remove_left_folders();
  QUOIN_TAKE(folder, make_private_folder());
  stage->folder_ = std::move(folder);
  stage->lock_ = lock_folder(stage->folder_);
  return stage;
}

DemoStage::~DemoStage() {
  for (ChildProcess& child : children_) child.signal(SIGTERM);
  for (ChildProcess& child : children_) child.stop(5000);
  for (std::jthread& reader : readers_) reader.request_stop();
  readers_.clear();
  if (!folder_.empty()) remove_folder(folder_);
  if (lock_ >= 0) ::close(lock_);
}

Status DemoStage::write_site(const std::string& site, const std::string& peer, QuantumRole role,
                             std::uint16_t link_port, std::uint16_t fibre_port) {
  SiteInitOptions init;
  init.directory = folder_ + "/" + site;
  init.name = site;
  init.peer = peer;
  init.role = role;
  const std::string link = "127.0.0.1:" + std::to_string(link_port);
  (role == QuantumRole::alice ? init.link_listen : init.link_connect) = link;
  init.fibre = "127.0.0.1:" + std::to_string(fibre_port);
  init.delivery = "127.0.0.1:0";
  init.sae = role == QuantumRole::alice ? "app-a" : "app-b";
  init.peer_sae = role == QuantumRole::alice ? "app-b" : "app-a";
  init.days = 2;
  QUOIN_TRY(init_site(init));
  const std::uint64_t slots = options_.slots_per_block != 0
                                  ? options_.slots_per_block
                                  : static_cast<std::uint64_t>(options_.rate_hz);
  return set_line(site, "slots_per_block", std::to_string(slots));
}

Status DemoStage::set_line(const std::string& site, const std::string& key,
                           const std::string& value) {
  QUOIN_TAKE(bytes, read_file(site_config(site), 1 << 20));
  std::string text = to_text(bytes);
  replace_line(text, key, key + " = " + value);
  return write_file_atomically(site_config(site), as_bytes(text), FileKind::ordinary);
}

SaeAccess DemoStage::access(const std::string& site, std::uint16_t port) const {
  const std::string pki = folder_ + "/" + site + "/pki/";
  const std::string sae = site == "alpha" ? "sae-app-a" : "sae-app-b";
  return SaeAccess{.kme = HostPort{"127.0.0.1", port},
                   .tls = TlsFiles{.certificate_file = pki + sae + ".crt",
                                   .key_file = pki + sae + ".key",
                                   .ca_file = pki + "ca.crt"},
                   .expected_site = site,
                   .url_prefix = ""};
}

Status DemoStage::spawn(const std::string& speaker, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), program_);
  QUOIN_TAKE(child, ChildProcess::spawn(
                        arguments, ChildOptions{.output = ChildOutput::piped, .output_file = {}}));
  children_.push_back(std::move(child));
  readers_.emplace_back([this, speaker, &started = children_.back()](std::stop_token stop) {
    while (!stop.stop_requested()) {
      auto line = started.read_line_ms(200);
      const bool has_ended = !line.has_value() && started.ended_output();
      if (!line.has_value() && !has_ended) continue;
      const std::lock_guard lock(mutex_);
      lines_.push_back(StageLine{speaker, line.value_or(std::string{}), has_ended});
      wake_.notify_one();
      if (has_ended) return;
    }
  });
  return success();
}

std::optional<StageLine> DemoStage::next_line(std::int64_t timeout_ms) {
  if (!unread_.empty()) {
    StageLine line = std::move(unread_.front());
    unread_.pop_front();
    return line;
  }
  std::unique_lock lock(mutex_);
  if (!wake_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                      [this] { return !lines_.empty(); }))
    return std::nullopt;
  StageLine line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

Result<std::uint16_t> DemoStage::await_port(const std::string& speaker, const std::string& what,
                                            std::int64_t timeout_ms) {
  std::deque<StageLine> passed;
  const SystemClock clock;
  const Instant until{clock.now().ns + timeout_ms * ns_per_ms};
  Result<std::uint16_t> port =
      fail(ErrorCode::unavailable, "'" + speaker + "' did not start in time");
  while (clock.now() < until) {
    auto line = next_line(200);
    if (!line.has_value()) continue;
    const bool is_theirs = line->speaker == speaker;
    const std::string mark = what.empty() ? "port " : "\"what\":\"" + what + "\",\"port\":";
    const std::size_t at = line->text.find(mark);
    if (is_theirs && at != std::string::npos) {
      port = static_cast<std::uint16_t>(
          std::strtoul(line->text.c_str() + at + mark.size(), nullptr, 10));
      passed.push_back(std::move(*line));
      break;
    }
    if (is_theirs && line->has_ended) {
      port =
          fail(ErrorCode::unavailable, "'" + speaker + "' ended at once", "its message is above");
      break;
    }
    passed.push_back(std::move(*line));
  }
  for (auto it = passed.rbegin(); it != passed.rend(); ++it) unread_.push_front(std::move(*it));
  return port;
}

}  // namespace quoin
