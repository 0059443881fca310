// What all benchmarks share: processor time of the calling thread, medians of interleaved runs, and
// rows. A row is one JSON object on a line of its own (--json), or a line of a table:
//   {"stage", "point", "metric", "value", "unit", "baseline", "ratio"}
// `baseline` is the same metric of something else measured in the same run, and `ratio` = value /
// baseline; both are null where there is nothing to compare with.
#pragma once

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "kernels/instruction_set.hpp"

namespace quoin::bench {

// Seconds of processor time that this thread has used: neighbours on the machine count little.
inline double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

inline double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Median seconds of each of `runs` over `rounds` rounds, all of them in every round, after one
// round that does not count.
inline std::vector<double> medians(const std::vector<std::function<void()>>& runs, int rounds) {
  std::vector<std::vector<double>> seconds(runs.size());
  for (int round = -1; round < rounds; ++round) {
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const double start = thread_seconds();
      runs[i]();
      if (round >= 0) seconds[i].push_back(thread_seconds() - start);
    }
  }
  std::vector<double> out;
  for (const auto& one : seconds) out.push_back(median(one));
  return out;
}

// The program's command line and its output. Ends the process on what a benchmark cannot go on
// from.
class Report {
 public:
  // Pins the thread to the core it is on, and obeys QUOIN_ISA.
  Report(int argc, char** argv, std::string stage) : stage_(std::move(stage)) {
    for (int i = 1; i < argc; ++i) arguments_.emplace_back(argv[i]);
    is_json_ = has("--json");
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(static_cast<std::size_t>(sched_getcpu()), &cores);
    sched_setaffinity(0, sizeof cores, &cores);
    const char* const isa = std::getenv("QUOIN_ISA");
    const Status limited = limit_instruction_set(isa != nullptr ? isa : "");
    if (!limited) give_up(limited.error());
  }
  bool has(std::string_view option) const {
    return std::ranges::find(arguments_, option) != arguments_.end();
  }

  void row(const std::string& point, const std::string& metric, double value,
           const std::string& unit, std::optional<double> baseline = std::nullopt) const {
    char compared[96] = "null,\"ratio\":null";
    if (baseline)
      std::snprintf(compared, sizeof compared, "%.6g,\"ratio\":%.4g", *baseline, value / *baseline);
    if (is_json_) {
      std::printf(
          "{\"stage\":\"%s\",\"point\":\"%s\",\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\","
          "\"baseline\":%s}\n",
          stage_.c_str(), point.c_str(), metric.c_str(), value, unit.c_str(), compared);
    } else {
      std::printf("%-15s %-8s %-28s %12.6g %-12s", stage_.c_str(), point.c_str(), metric.c_str(),
                  value, unit.c_str());
      if (baseline) std::printf("  %8.2fx of %.6g", value / *baseline, *baseline);
      std::printf("\n");
    }
    std::fflush(stdout);
  }

  [[noreturn]] static void give_up(const Error& error) {
    std::fprintf(stderr, "benchmark: %s\n", error.text().c_str());
    std::exit(1);
  }
  // The value, or the end of the process.
  template <class T>
  static T take(Result<T> result) {
    if (!result) give_up(result.error());
    return std::move(*result);
  }
  static void check(const Status& status) {
    if (!status) give_up(status.error());
  }

 private:
  std::string stage_;
  std::vector<std::string> arguments_;
  bool is_json_ = false;
};

}  // namespace quoin::bench
