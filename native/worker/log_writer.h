// The thread that writes access logs: it takes records off the workers' rings and writes them to
// their files in batches. A disk that is slow or full stalls this thread alone; the rings fill and
// the workers count what they could not hand over.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/byte_ring.h"
#include "base/unique_fd.h"

namespace sluice::worker {

class LogWriter {
 public:
  /// `rings`: one a worker; they outlive the writer's thread.
  explicit LogWriter(std::vector<ByteRing*> rings) noexcept : rings_(std::move(rings)) {}
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;
  ~LogWriter() { close(); }

  // Main thread:
  /// A plan is about to name its logs. A log that the last plan did not name either is closed:
  /// flows of plans before that have had a reload's time to end.
  void beginPlan();
  /// Gives the number by which records name this file; a path that was opened before keeps its
  /// number and goes on in the new descriptor, so a log that was moved away is let go.
  [[nodiscard]] std::uint16_t use(const std::string& path, UniqueFd fd);
  /// Writes what is left and ends the thread.
  void close() noexcept;

 private:
  static void* main(void* self) noexcept;
  void run() noexcept;
  bool collect() noexcept;
  void flush(std::unique_lock<std::mutex>& lock) noexcept;

  struct File {
    /// Shared with the writer's thread while it writes, which it does without the lock.
    std::shared_ptr<UniqueFd> fd;
    std::string batch;
    bool isNamed = true;
  };

  std::vector<ByteRing*> rings_;
  pthread_t thread_{};
  bool isRunning_ = false;
  std::unordered_map<std::string, std::uint16_t> numbers_;
  /// Guards what follows: the main thread adds files, the writer's thread uses them.
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<File> files_;
  bool isStopping_ = false;
};

} // namespace sluice::worker
