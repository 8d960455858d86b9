// Timers of one worker: a hierarchical wheel of 4 levels x 64 slots with ticks of 4 ms (reach: 18
// hours, later deadlines go round again). Arming, moving and cancelling are O(1). Moving a deadline
// later, which happens on every receive, only writes a number: the wheel finds out when the old
// slot comes up.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::net {

class Timer;

/// Whoever arms timers. One owner may have several and tells them apart by address.
class TimerOwner {
 public:
  virtual void onTimer(Timer& timer) noexcept = 0;

 protected:
  ~TimerOwner() = default;
};

/// Embedded in its owner; cancel before the owner dies (the destructor does).
class Timer {
 public:
  explicit Timer(TimerOwner& owner) noexcept : owner_(&owner) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }

  [[nodiscard]] bool isArmed() const noexcept { return deadlineMs_ != 0; }
  void cancel() noexcept {
    deadlineMs_ = 0;
    unlink();
  }
  /// Cancels without touching the wheel: cheaper where the timer is soon armed again.
  void disarm() noexcept { deadlineMs_ = 0; }

 private:
  friend class TimerWheel;

  void unlink() noexcept {
    if (previous_ != nullptr) {
      *previous_ = next_;
      if (next_ != nullptr) {
        next_->previous_ = previous_;
      }
      previous_ = nullptr;
      next_ = nullptr;
    }
  }

  TimerOwner* owner_;
  Timer* next_ = nullptr;
  /// The pointer that points at this timer; null while it is in no slot.
  Timer** previous_ = nullptr;
  /// When to fire; 0 = not armed (it may still sit in a slot).
  std::uint64_t deadlineMs_ = 0;
  /// Tick of the slot it sits in.
  std::uint64_t slotTick_ = 0;
};

class TimerWheel {
 public:
  explicit TimerWheel(std::uint64_t nowMs) noexcept : tick_(nowMs / kTickMs) {}

  /// Fires `delayMs` (> 0) from `nowMs`, or up to one tick later; replaces an earlier deadline.
  void arm(Timer& timer, std::uint64_t nowMs, std::uint64_t delayMs) noexcept;

  /// Fires what is due.
  void advance(std::uint64_t nowMs) noexcept;

  /// Milliseconds until the wheel wants to be advanced again, or -1 when it is empty.
  [[nodiscard]] int nextDelayMs(std::uint64_t nowMs) const noexcept;

 private:
  static constexpr std::uint64_t kTickMs = 4;
  static constexpr unsigned kLevels = 4;
  static constexpr unsigned kSlotBits = 6;
  static constexpr unsigned kSlots = 1U << kSlotBits;

  void insert(Timer& timer, std::uint64_t tick) noexcept;
  void cascade(unsigned level) noexcept;
  void expire(Timer* list, std::uint64_t nowMs) noexcept;
  Timer* detach(unsigned level, unsigned slot) noexcept;

  /// The last tick that has been worked off.
  std::uint64_t tick_;
  std::array<std::array<Timer*, kSlots>, kLevels> slots_{};
  /// The timers of the slot being worked off that have not had their turn.
  Timer* expiring_ = nullptr;
  /// A bit a slot: it may hold a timer. Cleared when the slot is worked off.
  std::array<std::uint64_t, kLevels> occupied_{};
};

} // namespace sluice::net
