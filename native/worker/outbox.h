// Questions of all workers on their way to the host's main thread. Any worker puts, the main thread
// takes; a mutex between, since neither is the byte path: a destination or a password that is
// known is not asked for again.
#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "upstream/questions.h"

namespace sluice::worker {

/// Told on the worker's thread, without the lock held, that the outbox is no longer empty.
class OutboxOwner {
 public:
  virtual void onQuestions() noexcept = 0;

 protected:
  ~OutboxOwner() = default;
};

class Outbox {
 public:
  /// Null: nobody answers. To be set before the workers start.
  void setOwner(OutboxOwner* owner) noexcept { owner_ = owner; }

  void put(upstream::Question question) {
    bool isFirst = false;
    {
      const std::lock_guard lock(mutex_);
      isFirst = questions_.empty();
      questions_.push_back(std::move(question));
    }
    if (isFirst && owner_ != nullptr) {
      owner_->onQuestions();
    }
  }
  [[nodiscard]] std::vector<upstream::Question> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(questions_, {});
  }

 private:
  OutboxOwner* owner_ = nullptr;
  std::mutex mutex_;
  std::vector<upstream::Question> questions_;
};

} // namespace sluice::worker
