// Loop, threads, files and processes.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "adapters/event_loop.hpp"
#include "adapters/process.hpp"
#include "adapters/thread_pool.hpp"
#include "loopback.hpp"

namespace quoin {
namespace {

TEST(EventLoop, RunsTimersInOrderAndForgetsCancelledOnes) {
  EventLoop loop;
  std::string order;
  const Instant start = loop.now();
  loop.run_at({start.ns + 3 * ns_per_ms}, [&] { order += "c"; });
  loop.run_at({start.ns + 2 * ns_per_ms}, [&] { order += "b"; });
  const TimerId cancelled = loop.run_at({start.ns + 1 * ns_per_ms}, [&] { order += "x"; });
  loop.run_at(start, [&] {
    order += "a";
    loop.cancel(cancelled);
  });
  loop.run_after_ms(5, [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(order, "abc");
  EXPECT_GE(loop.now().ns - start.ns, 5 * ns_per_ms);
}

TEST(EventLoop, TakesPostsFromOtherThreadsInTheirOrder) {
  EventLoop loop;
  std::vector<int> seen;
  std::jthread other([&] {
    for (int i = 0; i < 1000; ++i) loop.post([&seen, i] { seen.push_back(i); });
    loop.stop();
  });
  loop.run();
  ASSERT_EQ(seen.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(EventLoop, HandsStopSignalsToTheLoop) {
  EventLoop loop;
  int got = 0;
  loop.on_stop_signals([&](int number) {
    got = number;
    loop.stop();
  });
  loop.post([] { ::raise(SIGTERM); });
  loop.run();
  EXPECT_EQ(got, SIGTERM);
}

TEST(ThreadPool, RunsJobsElsewhereAndCompletesOnTheLoop) {
  EventLoop loop;
  ThreadPool pool(loop, 2);
  const auto loop_thread = std::this_thread::get_id();
  int done = 0;
  std::atomic<int> jobs = 0;
  for (int i = 0; i < 50; ++i)
    pool.submit(
        [&] {
          EXPECT_NE(std::this_thread::get_id(), loop_thread);
          ++jobs;
        },
        [&] {
          EXPECT_EQ(std::this_thread::get_id(), loop_thread);
          ++done;
        });
  EXPECT_TRUE(loop.run_until([&] { return done == 50; }, test_limit_ms));
  EXPECT_EQ(jobs, 50);
}

TEST(Files, AtomicFilesAppearWholeOrNotAtAll) {
  const TestFolder folder;
  const std::string path = folder.file("key");
  {
    auto file = AtomicFile::create(path, FileKind::secret, Existing::refuse);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write(to_bytes("half")));
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.file(""))) << "nothing is left behind";
  ASSERT_TRUE(write_file_atomically(path, to_bytes("whole"), FileKind::secret));
  struct stat facts{};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  EXPECT_EQ(to_text(read_secret_file(path, 100)->expose_secret()), "whole");
  EXPECT_EQ(AtomicFile::create(path, FileKind::secret, Existing::refuse).error().code,
            ErrorCode::conflict);
  ASSERT_TRUE(write_file_atomically(path, to_bytes("new"), FileKind::ordinary));
  EXPECT_EQ(to_text(*read_file(path, 100)), "new");
}

TEST(Files, AFileThatAppearedMeanwhileIsNotReplaced) {
  const TestFolder folder;
  const std::string path = folder.file("out");
  auto file = AtomicFile::create(path, FileKind::ordinary, Existing::refuse);
  ASSERT_TRUE(file);
  std::ofstream(path) << "theirs";
  EXPECT_EQ(file->commit().error().code, ErrorCode::conflict);
  EXPECT_EQ(to_text(*read_file(path, 100)), "theirs");
}

TEST(Files, ErrorsNameTheFileAndTheCure) {
  const TestFolder folder;
  const std::string path = folder.file("key");
  EXPECT_EQ(read_file(path, 10).error().code, ErrorCode::not_found);
  ASSERT_TRUE(write_file_atomically(path, to_bytes("secret"), FileKind::secret));
  EXPECT_EQ(read_file(path, 5).error().code, ErrorCode::too_large);
  EXPECT_TRUE(read_file(path, 6));
  ::chmod(path.c_str(), 0640);
  const auto refused = read_secret_file(path, 100);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::configuration);
  EXPECT_EQ(refused.error().cure, "chmod 600 " + path);
  EXPECT_EQ(read_file(folder.file(""), 10).error().code, ErrorCode::io) << "a folder";
  EXPECT_FALSE(write_file_atomically(folder.file("no/such/file"), {}, FileKind::ordinary));
}

TEST(Files, ErasedFilesAreOverwrittenBeforeTheyGo) {
  const TestFolder folder;
  const std::string path = folder.file("key");
  ASSERT_TRUE(write_file_atomically(path, to_bytes("secret"), FileKind::secret));
  std::filesystem::create_hard_link(path, folder.file("other"));
  erase_file(path);
  EXPECT_FALSE(std::filesystem::exists(path));
  const auto left = read_file(folder.file("other"), 5000);
  ASSERT_TRUE(left);
  EXPECT_FALSE(to_text(*left).contains("secret"));
  erase_file(path);  // none there: nothing happens
}

TEST(Files, FoldersAreMadeWithTheirParentsOrRefused) {
  const TestFolder folder;
  ASSERT_TRUE(create_directories(folder.file("a/b/c")));
  ASSERT_TRUE(create_directories(folder.file("a/b/c"))) << "again";
  ASSERT_TRUE(write_file_atomically(folder.file("a/file"), {}, FileKind::ordinary));
  EXPECT_FALSE(create_directories(folder.file("a/file")));
  EXPECT_FALSE(create_directories(folder.file("a/file/d")));
}

TEST(Files, AreReadInPiecesOfAnySize) {
  const TestFolder folder;
  const Bytes written = pattern_bytes(100'000, 5);
  ASSERT_TRUE(write_file_atomically(folder.file("f"), written, FileKind::ordinary));
  FileReader reader = *FileReader::open(folder.file("f"));
  EXPECT_EQ(reader.size_bytes(), written.size());
  Bytes read;
  Bytes piece(7777);
  while (const std::size_t got = *reader.read(piece))
    read.insert(read.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(got));
  EXPECT_EQ(read, written);
}

TEST(Process, RunsReadsAndReportsTheExit) {
  auto child = ChildProcess::spawn({"/bin/sh", "-c", "echo one; echo two; exit 7"},
                                   {.output = ChildOutput::piped, .output_file = {}});
  ASSERT_TRUE(child) << child.error().text();
  EXPECT_EQ(child->read_line_ms(test_limit_ms), "one");
  EXPECT_EQ(child->read_line_ms(test_limit_ms), "two");
  EXPECT_EQ(child->read_line_ms(test_limit_ms), std::nullopt);
  EXPECT_TRUE(child->ended_output());
  EXPECT_EQ(child->wait_ms(test_limit_ms), 7);
  EXPECT_FALSE(ChildProcess::spawn({"/no/such/program"}, {}));
}

TEST(Process, IsGoneWhenItsHandleIs) {
  pid_t pid = 0;
  {
    auto child = ChildProcess::spawn({"/bin/sh", "-c", "echo up; exec sleep 600"},
                                     {.output = ChildOutput::piped, .output_file = {}});
    ASSERT_TRUE(child);
    EXPECT_EQ(child->read_line_ms(test_limit_ms), "up");
    EXPECT_EQ(child->wait_ms(0), std::nullopt);
    pid = child->pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(Process, StubbornChildrenAreKilled) {
  auto child =
      ChildProcess::spawn({"/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"},
                          {.output = ChildOutput::piped, .output_file = {}});
  ASSERT_TRUE(child);
  EXPECT_EQ(child->read_line_ms(test_limit_ms), "up");
  EXPECT_EQ(child->stop(50), 128 + SIGKILL);
}

// The child's parent is the thread that spawned it: when that ends, so does the child.
TEST(Process, EndsWithTheThreadThatSpawnedIt) {
  std::optional<ChildProcess> child;
  std::thread spawner([&] {
    child = *ChildProcess::spawn({"/bin/sh", "-c", "echo up; exec sleep 600"},
                                 {.output = ChildOutput::piped, .output_file = {}});
    EXPECT_EQ(child->read_line_ms(test_limit_ms), "up");
  });
  spawner.join();
  EXPECT_EQ(child->wait_ms(test_limit_ms), 128 + SIGTERM);
}

}  // namespace
}  // namespace quoin
