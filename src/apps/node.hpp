// `quoin node`: a whole site behind sockets. One loop thread drives the site; computation runs on a
// pool, the device on a thread of its own.
#pragma once

#include "apps/config.hpp"

namespace quoin {

struct NodeOptions {
  bool prints_json = false;  // events as JSON lines on standard output
  bool is_quiet = false;
};

// Exit status: 0 after a clean stop, 1 for a failure of this site, 2 for something an operator has
// to correct first.
int run_node(const SiteFile& file, const NodeOptions& options);

}  // namespace quoin
