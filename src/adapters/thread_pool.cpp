#include "adapters/thread_pool.hpp"

#include <algorithm>

namespace quoin {

ThreadPool::ThreadPool(EventLoop& loop, std::size_t threads) : loop_(loop) {
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i)
    threads_.emplace_back([this] { work(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  threads_.clear();
}

void ThreadPool::submit(std::move_only_function<void()> job, std::move_only_function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    items_.push_back({std::move(job), std::move(done)});
  }
  wake_.notify_one();
}

std::size_t ThreadPool::waiting() const {
  const std::lock_guard lock(mutex_);
  return items_.size();
}

void ThreadPool::work() {
  while (true) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return is_stopping_ || !items_.empty(); });
      if (is_stopping_) return;
      item = std::move(items_.front());
      items_.pop_front();
    }
    try {
      item.job();
    } catch (...) {
      invariant_broken("an exception escaped a job", __FILE__, __LINE__);
    }
    // The job's captures end here, on the thread that used them, before the completion runs.
    item.job = {};
    if (item.done) loop_.post(std::move(item.done));
  }
}

}  // namespace quoin
