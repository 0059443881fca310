#include "adapters/event_loop.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <unordered_map>

#include "adapters/system_clock.hpp"

namespace quoin {

namespace asio = boost::asio;

struct EventLoop::Impl {
  struct Timer {
    asio::steady_timer alarm;
    std::move_only_function<void()> fn;
  };

  asio::io_context context{1};
  std::unordered_map<std::uint64_t, std::unique_ptr<Timer>> timers;
  std::uint64_t next_timer = 1;
  asio::signal_set signals{context};
  std::move_only_function<void(int)> on_signal;

  void expire(std::uint64_t id, const boost::system::error_code& error) {
    const auto found = timers.find(id);
    if (error || found == timers.end()) return;
    const std::unique_ptr<Timer> timer = std::move(found->second);
    timers.erase(found);
    timer->fn();
  }

  void wait_for_signal() {
    signals.async_wait([this](const boost::system::error_code& error, int number) {
      if (error) return;
      if (on_signal) on_signal(number);
      wait_for_signal();
    });
  }
};

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}
EventLoop::~EventLoop() = default;

void EventLoop::run() {
  const auto guard = asio::make_work_guard(impl_->context);
  try {
    impl_->context.restart();
    impl_->context.run();
  } catch (...) {
    invariant_broken("an exception reached the event loop", __FILE__, __LINE__);
  }
}

bool EventLoop::run_until(const std::function<bool()>& is_done, std::int64_t limit_ms) {
  const auto guard = asio::make_work_guard(impl_->context);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
  try {
    impl_->context.restart();
    while (!is_done()) {
      if (impl_->context.stopped() || std::chrono::steady_clock::now() >= end) return is_done();
      impl_->context.run_one_until(end);
    }
    return true;
  } catch (...) {
    invariant_broken("an exception reached the event loop", __FILE__, __LINE__);
  }
}

void EventLoop::stop() {
  // Posted, so that a stop() just before run() is not forgotten by restart().
  asio::post(impl_->context, [this] { impl_->context.stop(); });
}

void EventLoop::post(std::move_only_function<void()> fn) {
  asio::post(impl_->context, std::move(fn));
}

TimerId EventLoop::run_at(Instant when, std::move_only_function<void()> fn) {
  const std::uint64_t id = impl_->next_timer++;
  auto timer = std::make_unique<Impl::Timer>(asio::steady_timer(impl_->context), std::move(fn));
  using Steady = std::chrono::steady_clock;
  timer->alarm.expires_at(Steady::time_point(
      std::chrono::duration_cast<Steady::duration>(std::chrono::nanoseconds(when.ns))));
  timer->alarm.async_wait(
      [this, id](const boost::system::error_code& error) { impl_->expire(id, error); });
  impl_->timers.emplace(id, std::move(timer));
  return static_cast<TimerId>(id);
}

TimerId EventLoop::run_after_ms(std::int64_t delay_ms, std::move_only_function<void()> fn) {
  return run_at({now().ns + delay_ms * ns_per_ms}, std::move(fn));
}

void EventLoop::cancel(TimerId timer) { impl_->timers.erase(static_cast<std::uint64_t>(timer)); }

void EventLoop::on_stop_signals(std::move_only_function<void(int)> fn) {
  const bool is_first = !impl_->on_signal;
  impl_->on_signal = std::move(fn);
  if (!is_first) return;
  impl_->signals.add(SIGINT);
  impl_->signals.add(SIGTERM);
  impl_->wait_for_signal();
}

Instant EventLoop::now() const { return SystemClock().now(); }

asio::io_context& EventLoop::context() { return impl_->context; }

}  // namespace quoin
