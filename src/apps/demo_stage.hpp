// The stage of the demonstration: a private folder, certificates, two configurations, child
// processes and what they say.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "adapters/process.hpp"
#include "apps/demo.hpp"
#include "apps/sae_client.hpp"

namespace quoin {

// One line of a child's standard output.
struct StageLine {
  std::string speaker;  // "fibre", "alpha", "beta", ...
  std::string text;
  bool has_ended = false;  // the child has closed its output
};

class DemoStage {
 public:
  // Makes the folder (mode 0700, in memory where the system offers it) with everything in it, and
  // removes those that killed demonstrations left.
  static Result<std::unique_ptr<DemoStage>> build(const DemoOptions& options);
  // Stops all children, overwrites keys, removes the folder.
  ~DemoStage();

  // Starts `quoin ARGUMENTS` and reads its lines from then on.
  Status spawn(const std::string& speaker, std::vector<std::string> arguments);
  // The next line of any child; none when `timeout_ms` has passed.
  std::optional<StageLine> next_line(std::int64_t timeout_ms);
  // Waits for the port that a child names: in a node's "listening" event for `what`, or, when that
  // is empty, in a plain line
  // "... port N ...".
  Result<std::uint16_t> await_port(const std::string& speaker, const std::string& what,
                                   std::int64_t timeout_ms);

  std::string site_config(const std::string& site) const {
    return folder_ + "/" + site + "/site.toml";
  }
  SaeAccess access(const std::string& site, std::uint16_t port) const;
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  Status write_site(const std::string& site, const std::string& peer, QuantumRole role,
                    std::uint16_t link_port, std::uint16_t fibre_port);
  // Replaces the value of a key in a site's configuration.
  Status set_line(const std::string& site, const std::string& key, const std::string& value);

 private:
  explicit DemoStage(const DemoOptions& options) : options_(options) {}

  const DemoOptions options_;
  std::string folder_;
  int lock_ = -1;  // held while the folder is in use
  std::string program_;
  std::deque<ChildProcess> children_;
  std::vector<std::jthread> readers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<StageLine> lines_;
  std::deque<StageLine> unread_;  // passed over by await_port
};

}  // namespace quoin
