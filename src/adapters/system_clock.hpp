// The Clock port over the operating system: the steady clock for instants, the wall clock for
// people and certificates. Thread-safe. Same time base as EventLoop's timers.
#pragma once

#include "core/ports.hpp"

namespace quoin {

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  std::int64_t wall_unix_ms() const override;
};

}  // namespace quoin
