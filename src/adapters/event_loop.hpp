// The one thread of a site: everything that is not a heavy job happens in run(). Other threads
// reach it by post() and stop() only; all else is for the loop's own thread (or before run()).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "core/ports.hpp"

namespace boost::asio {
class io_context;
}

namespace quoin {

enum class TimerId : std::uint64_t { none = 0 };

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs until stop(), also while nothing is to do. An exception that escapes a callback ends the
  // process: callbacks return failures as values.
  void run();
  // Runs callbacks until `is_done` (asked before each) is true or `limit_ms` have passed; which
  // one, it returns. For tools and tests that wait for one thing.
  bool run_until(const std::function<bool()>& is_done, std::int64_t limit_ms);
  // Any thread. run() returns after the callback that is running; it may be called again later.
  void stop();
  // Any thread. Callbacks run in the order of their posting.
  void post(std::move_only_function<void()> fn);

  // Runs fn once at `when` (or as soon as possible if that has passed).
  TimerId run_at(Instant when, std::move_only_function<void()> fn);
  TimerId run_after_ms(std::int64_t delay_ms, std::move_only_function<void()> fn);
  // After it returns the timer's callback will not start. An unknown or spent id is ignored.
  void cancel(TimerId timer);

  // fn(signal number) for SIGINT and SIGTERM, on the loop's thread, until the loop is destroyed.
  void on_stop_signals(std::move_only_function<void(int)> fn);

  // now() of SystemClock.
  Instant now() const;

  // For the byte pumps of this folder.
  boost::asio::io_context& context();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quoin
