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

void LogWriter::beginPlan() {
  const std::lock_guard lock(mutex_);
  for (File& file : files_) {
    if (!std::exchange(file.isNamed, false)) {
      file.fd.reset();
    }
  }
}

std::uint16_t LogWriter::use(const std::string& path, UniqueFd fd) {
  const std::lock_guard lock(mutex_);
  const auto [known, isNew] = numbers_.emplace(path, static_cast<std::uint16_t>(files_.size()));
  if (isNew) {
    files_.emplace_back();
  }
  files_[known->second].fd = std::make_shared<UniqueFd>(std::move(fd));
  files_[known->second].isNamed = true;
  if (!isRunning_) {
    // The thread inherits the mask: signals are the main thread's business.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    isRunning_ = ::pthread_create(&thread_, nullptr, &LogWriter::main, this) == 0;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
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

void LogWriter::flush(std::unique_lock<std::mutex>& lock) noexcept {
  std::vector<std::pair<std::shared_ptr<UniqueFd>, std::string>> batches;
  for (File& file : files_) {
    if (!file.batch.empty() && file.fd) {
      batches.emplace_back(file.fd, std::move(file.batch));
    }
    file.batch.clear();
  }
  // Without the lock: a disk that hangs holds up this thread, not a reload.
  lock.unlock();
  for (const auto& [fd, batch] : batches) {
    net::writeAll(*fd, batch);
  }
  lock.lock();
}

void LogWriter::run() noexcept {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool isLast = isStopping_;
    const bool hasMore = collect();
    flush(lock);
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
