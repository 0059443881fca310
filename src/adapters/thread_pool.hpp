// Threads for heavy jobs (distillation) and blocking calls (key delivery client). A job runs on
// some thread of the pool; its completion runs on the event loop's thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "adapters/event_loop.hpp"

namespace quoin {

class ThreadPool {
 public:
  // At least one thread. The loop must outlive the pool.
  ThreadPool(EventLoop& loop, std::size_t threads);
  // Drops jobs that have not started and waits for those that have; dropped jobs get no completion.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Any thread. Jobs start in the order of submission. `done` may be empty.
  void submit(std::move_only_function<void()> job, std::move_only_function<void()> done = {});
  std::size_t waiting() const;

 private:
  struct Item {
    std::move_only_function<void()> job;
    std::move_only_function<void()> done;
  };
  void work();

  EventLoop& loop_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Item> items_;
  bool is_stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace quoin
