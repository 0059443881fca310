// Child processes of our own program: the demonstration runs its sites and the fibre this way.
// A child gets SIGTERM when the thread that spawned it ends (PR_SET_PDEATHSIG): nothing is left
// running. Spawn from a thread that lives as long as the children, usually the main thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"

namespace quoin {

// The path of the program that is running.
Result<std::string> own_program();

enum class ChildOutput : std::uint8_t {
  inherit,  // the parent's standard output and error
  piped,    // standard output to read_line(), standard error inherited
  to_file,  // both appended to a file (0600)
};

struct ChildOptions {
  ChildOutput output = ChildOutput::inherit;
  std::string output_file;  // for to_file
};

class ChildProcess {
 public:
  // arguments[0] is the program's path. Standard input is /dev/null, other descriptors are closed.
  static Result<ChildProcess> spawn(const std::vector<std::string>& arguments,
                                    const ChildOptions& options);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  // Stops the child if it runs: SIGTERM, 3 s later SIGKILL, and waits for it.
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // Forwards a signal (SIGTERM to end it). Ignored once the child has ended.
  void signal(int number);
  // Exit status once ended (128 + signal number if a signal ended it), none after the timeout.
  std::optional<int> wait_ms(std::int64_t timeout_ms);
  // Next line of standard output without its newline (at most 64 KiB); none at the end of output or
  // after the timeout. ended_output() tells which.
  std::optional<std::string> read_line_ms(std::int64_t timeout_ms);
  bool ended_output() const { return output_ended_; }
  // SIGTERM, wait up to `grace_ms`, then SIGKILL. The exit status.
  int stop(std::int64_t grace_ms);

 private:
  ChildProcess() = default;

  pid_t pid_ = -1;
  int output_fd_ = -1;
  bool output_ended_ = false;
  std::string pending_output_;
  std::optional<int> exit_status_;
};

}  // namespace quoin
