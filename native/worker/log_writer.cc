#include "worker/log_writer.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <utility>

#include "net/file.h"

namespace sluice::worker {

namespace {

constexpr std::chrono::milliseconds kPause{50};
constexpr std::size_t kBatchBytes = 256 * 1024;

} // namespace

std::uint16_t LogWriter::use(const std::string& path, UniqueFd fd) {
  const std::lock_guard lock(mutex_);
  const auto [known, isNew] = numbers_.emplace(path, static_cast<std::uint16_t>(files_.size()));
  if (isNew) {
    files_.push_back({std::move(fd), {}});
  } else {
    files_[known->second].fd = std::move(fd);
  }
  if (!isRunning_) {
    isRunning_ = ::pthread_create(&thread_, nullptr, &LogWriter::main, this) == 0;
  }
  return known->second;
}

void LogWriter::close() noexcept {
  if (!std::exchange(isRunning_, false)) {
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    isStopping_ = true;
  }
  wake_.notify_one();
  ::pthread_join(thread_, nullptr);
}

void* LogWriter::main(void* self) noexcept {
  static_cast<LogWriter*>(self)->run();
  return nullptr;
}

bool LogWriter::collect() noexcept {
  static thread_local std::array<char, 65536> record;
  bool hasMore = false;
  for (ByteRing* ring : rings_) {
    std::uint16_t file = 0;
    std::size_t length = 0;
    std::size_t taken = 0;
    while (taken < kBatchBytes && ring->pop(file, record, length)) {
      taken += length;
      if (file < files_.size()) {
        files_[file].batch.append(record.data(), length);
      }
    }
    hasMore = hasMore || taken >= kBatchBytes;
  }
  return hasMore;
}

void LogWriter::flush() noexcept {
  for (File& file : files_) {
    if (!file.batch.empty()) {
      net::writeAll(file.fd, file.batch);
      file.batch.clear();
    }
  }
}

void LogWriter::run() noexcept {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool isLast = isStopping_;
    const bool hasMore = collect();
    // The lock is kept while writing: it delays a reload behind a slow disk, never a worker.
    flush();
    if (hasMore) {
      continue;
    }
    if (isLast) {
      return;
    }
    wake_.wait_for(lock, kPause, [this] { return isStopping_; });
  }
}

} // namespace sluice::worker
