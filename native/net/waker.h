// Wakes a loop from another thread: an eventfd. wake() is safe from any thread, the rest belongs to
// the worker.
#pragma once

#include "base/unique_fd.h"
#include "net/loop.h"

namespace sluice::net {

class WakerOwner {
 public:
  virtual void onWake() noexcept = 0;

 protected:
  ~WakerOwner() = default;
};

class Waker final : public Source {
 public:
  explicit Waker(WakerOwner& owner) noexcept;
  ~Waker() = default;

  [[nodiscard]] Status start(Loop& loop) noexcept;
  void wake() noexcept;

 private:
  void onEvents(std::uint32_t events) noexcept override;

  WakerOwner& owner_;
  UniqueFd fd_;
};

} // namespace sluice::net
