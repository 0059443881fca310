#include "adapters/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace quoin {

namespace {

constexpr std::size_t line_bytes_max = 65536;
constexpr std::int64_t default_grace_ms = 3000;

using Steady = std::chrono::steady_clock;

int ms_until(Steady::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now());
  return left.count() <= 0 ? 0 : static_cast<int>(left.count());
}

// Descriptors of the child, all prepared before fork(): between fork() and exec only calls that are
// safe there may happen.
struct ChildSetup {
  int null_fd = -1;
  int output_fd = -1;  // -1: inherited
  bool errors_too = false;
  char* const* arguments = nullptr;
  pid_t parent = 0;
};

[[noreturn]] void become_child(const ChildSetup& setup) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // The parent may have ended before the line above took effect.
  if (::getppid() != setup.parent) ::_exit(1);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(setup.null_fd, 0);
  if (setup.output_fd >= 0) ::dup2(setup.output_fd, 1);
  if (setup.output_fd >= 0 && setup.errors_too) ::dup2(setup.output_fd, 2);
  ::close_range(3, ~0U, 0);
  ::execv(setup.arguments[0], setup.arguments);
  ::_exit(127);
}

}  // namespace

Result<std::string> own_program() {
  std::string path(4096, '\0');
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0 || static_cast<std::size_t>(size) == path.size())
    return fail(ErrorCode::io, "cannot find the path of the running program", "is /proc mounted?");
  path.resize(static_cast<std::size_t>(size));
  return path;
}

Result<ChildProcess> ChildProcess::spawn(const std::vector<std::string>& arguments,
                                         const ChildOptions& options) {
  QUOIN_INVARIANT(!arguments.empty(), "spawn() needs the program's path");
  if (::access(arguments[0].c_str(), X_OK) != 0)
    return fail(ErrorCode::not_found, "cannot run " + arguments[0] + ": " + std::strerror(errno));
  std::vector<char*> pointers;
  for (const std::string& argument : arguments)
    pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);

  int pipe_fds[2] = {-1, -1};
  ChildSetup setup;
  setup.arguments = pointers.data();
  setup.parent = ::getpid();
  setup.null_fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (options.output == ChildOutput::piped && ::pipe2(pipe_fds, O_CLOEXEC) == 0)
    setup.output_fd = pipe_fds[1];
  if (options.output == ChildOutput::to_file) {
    setup.output_fd =
        ::open(options.output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    setup.errors_too = true;
  }
  const bool is_ready =
      setup.null_fd >= 0 && (options.output == ChildOutput::inherit || setup.output_fd >= 0);
  int error = errno;
  pid_t pid = -1;
  if (is_ready) {
    pid = ::fork();
    error = errno;
    if (pid == 0) become_child(setup);
  }
  if (setup.null_fd >= 0) ::close(setup.null_fd);
  if (setup.output_fd >= 0) ::close(setup.output_fd);
  ChildProcess child;
  child.output_fd_ = pipe_fds[0];
  child.output_ended_ = pipe_fds[0] < 0;
  child.pid_ = pid;
  if (pid < 0)
    return fail(ErrorCode::io, "cannot start " + arguments[0] + ": " + std::strerror(error));
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_fd_(std::exchange(other.output_fd_, -1)),
      output_ended_(other.output_ended_),
      pending_output_(std::move(other.pending_output_)),
      exit_status_(other.exit_status_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    stop(default_grace_ms);
    if (output_fd_ >= 0) ::close(output_fd_);
    pid_ = std::exchange(other.pid_, -1);
    output_fd_ = std::exchange(other.output_fd_, -1);
    output_ended_ = other.output_ended_;
    pending_output_ = std::move(other.pending_output_);
    exit_status_ = other.exit_status_;
  }
  return *this;
}

ChildProcess::~ChildProcess() {
  stop(default_grace_ms);
  if (output_fd_ >= 0) ::close(output_fd_);
}

void ChildProcess::signal(int number) {
  // Not yet waited for, so the id still belongs to our child even if it has ended.
  if (pid_ > 0 && !exit_status_) ::kill(pid_, number);
}

std::optional<int> ChildProcess::wait_ms(std::int64_t timeout_ms) {
  const auto end = Steady::now() + std::chrono::milliseconds(timeout_ms);
  while (pid_ > 0 && !exit_status_) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) {
      exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    } else if (ended < 0 && errno != EINTR) {
      exit_status_ = 255;
    } else if (Steady::now() >= end) {
      break;
    } else {
      ::poll(nullptr, 0, 5);
    }
  }
  return exit_status_;
}

std::optional<std::string> ChildProcess::read_line_ms(std::int64_t timeout_ms) {
  const auto end = Steady::now() + std::chrono::milliseconds(timeout_ms);
  while (true) {
    const std::size_t newline = pending_output_.find('\n');
    const bool is_overlong =
        newline == std::string::npos && pending_output_.size() >= line_bytes_max;
    if (newline != std::string::npos || is_overlong ||
        (output_ended_ && !pending_output_.empty())) {
      std::string line = pending_output_.substr(0, std::min(newline, line_bytes_max));
      pending_output_.erase(0, newline == std::string::npos ? line.size() : newline + 1);
      return line;
    }
    if (output_ended_) return std::nullopt;
    pollfd ready{output_fd_, POLLIN, 0};
    const int count = ::poll(&ready, 1, ms_until(end));
    if (count == 0) return std::nullopt;
    if (count < 0) continue;
    char piece[4096];
    const ssize_t got = ::read(output_fd_, piece, sizeof piece);
    if (got > 0) pending_output_.append(piece, static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) output_ended_ = true;
  }
}

int ChildProcess::stop(std::int64_t grace_ms) {
  if (pid_ <= 0) return exit_status_.value_or(0);
  signal(SIGTERM);
  if (!wait_ms(grace_ms)) {
    signal(SIGKILL);
    wait_ms(default_grace_ms);
  }
  return exit_status_.value_or(255);
}

}  // namespace quoin
