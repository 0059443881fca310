// What `quoin status` shows: written by the node every second, never secret.
#pragma once

#include "apps/config.hpp"
#include "link/effects.hpp"

namespace quoin {

class StatusFile {
 public:
  void note(const LinkEvent& event);
  std::string json(const SiteFile& file, Site& site, const std::optional<Error>& link_stopped,
                   bool is_stopping, std::int64_t unix_ms) const;

 private:
  std::optional<LinkEvent> last_block_;
  std::optional<LinkEvent> last_no_key_;
  double bootstrap_seconds_ = 0;
  std::uint64_t blocks_without_key_ = 0;
  std::uint64_t blocks_aborted_ = 0;
};

// Replaced by rename, without waiting for the disk.
Status replace_file(const std::string& path, const std::string& text);
// Whether the site's node runs and has its link, by its own words of the last seconds.
bool is_link_running(const SiteFile& file);
// `quoin status`: prints the node's last words about itself.
int run_status(const SiteFile& file, bool as_json);

}  // namespace quoin
