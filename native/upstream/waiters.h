// A list of those who wait for an answer, each of whom may leave it. Touched by one worker alone.
#pragma once

namespace sluice::upstream {

/// Embedded, as a base, in whoever waits. Leaves the list when it dies.
class Waiter {
 public:
  Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  [[nodiscard]] bool isWaiting() const noexcept { return previous_ != nullptr; }
  void stopWaiting() noexcept {
    if (previous_ != nullptr) {
      *previous_ = next_;
      if (next_ != nullptr) {
        next_->previous_ = previous_;
      }
      previous_ = nullptr;
      next_ = nullptr;
    }
  }

 protected:
  ~Waiter() { stopWaiting(); }

 private:
  template<typename T>
  friend class WaiterList;
  Waiter* next_ = nullptr;
  /// The pointer that points at this one; null while it waits for nothing.
  Waiter** previous_ = nullptr;
};

/// `T` derives from Waiter.
template<typename T>
class WaiterList {
 public:
  WaiterList() = default;
  WaiterList(const WaiterList&) = delete;
  WaiterList& operator=(const WaiterList&) = delete;
  ~WaiterList() {
    while (take() != nullptr) {
    }
  }

  void add(T& one) noexcept {
    Waiter& waiter = one;
    waiter.stopWaiting();
    waiter.next_ = first_;
    if (first_ != nullptr) {
      first_->previous_ = &waiter.next_;
    }
    waiter.previous_ = &first_;
    first_ = &waiter;
  }
  /// Null when nobody waits any more.
  [[nodiscard]] T* take() noexcept {
    Waiter* waiter = first_;
    if (waiter != nullptr) {
      waiter->stopWaiting();
    }
    return static_cast<T*>(waiter);
  }

 private:
  Waiter* first_ = nullptr;
};

} // namespace sluice::upstream
