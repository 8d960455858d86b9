#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace sluice::net {

void TimerWheel::arm(Timer& timer, std::uint64_t nowMs, std::uint64_t delayMs) noexcept {
  timer.deadlineMs_ = nowMs + delayMs;
  const std::uint64_t tick = timer.deadlineMs_ / kTickMs + 1;
  if (timer.previous_ != nullptr) {
    if (timer.slotTick_ <= tick) {
      return;
    }
    timer.unlink();
  }
  insert(timer, tick);
}

void TimerWheel::insert(Timer& timer, std::uint64_t tick) noexcept {
  constexpr std::uint64_t kReach = (std::uint64_t{1} << (kLevels * kSlotBits)) - 1;
  tick = std::clamp(tick, tick_ + 1, tick_ + kReach);
  timer.slotTick_ = tick;
  // The level is where the tick first differs from now's: that slot comes up before the tick is
  // due.
  const auto differing = static_cast<unsigned>(std::bit_width(tick ^ tick_));
  const unsigned level = std::min((differing - 1) / kSlotBits, kLevels - 1);
  const auto slot = static_cast<unsigned>(tick >> (level * kSlotBits)) & (kSlots - 1);
  Timer*& head = slots_[level][slot];
  timer.next_ = head;
  timer.previous_ = &head;
  if (head != nullptr) {
    head->previous_ = &timer.next_;
  }
  head = &timer;
  occupied_[level] |= std::uint64_t{1} << slot;
}

Timer* TimerWheel::detach(unsigned level, unsigned slot) noexcept {
  occupied_[level] &= ~(std::uint64_t{1} << slot);
  Timer* list = slots_[level][slot];
  slots_[level][slot] = nullptr;
  return list;
}

void TimerWheel::cascade(unsigned level) noexcept {
  const auto slot = static_cast<unsigned>(tick_ >> (level * kSlotBits)) & (kSlots - 1);
  if (slot == 0 && level + 1 < kLevels) {
    cascade(level + 1);
  }
  Timer* list = detach(level, slot);
  while (list != nullptr) {
    Timer& timer = *list;
    list = timer.next_;
    timer.previous_ = nullptr;
    timer.next_ = nullptr;
    if (timer.deadlineMs_ != 0) {
      // Due now or later in this turn of the level below; insert() keeps it ahead of tick_.
      insert(timer, std::max(timer.deadlineMs_ / kTickMs + 1, tick_));
    }
  }
}

void TimerWheel::expire(Timer* list, std::uint64_t nowMs) noexcept {
  // The list hangs on a head of its own, so that a timer which another one's owner cancels unlinks
  // itself.
  expiring_ = list;
  if (list != nullptr) {
    list->previous_ = &expiring_;
  }
  while (expiring_ != nullptr) {
    Timer& timer = *expiring_;
    timer.unlink();
    if (timer.deadlineMs_ == 0) {
      continue;
    }
    if (timer.deadlineMs_ > nowMs) {
      insert(timer, timer.deadlineMs_ / kTickMs + 1);
      continue;
    }
    timer.deadlineMs_ = 0;
    timer.owner_->onTimer(timer);
  }
}

void TimerWheel::advance(std::uint64_t nowMs) noexcept {
  const std::uint64_t target = nowMs / kTickMs;
  while (tick_ < target) {
    const bool isEmpty = std::all_of(occupied_.begin(), occupied_.end(),
                                     [](std::uint64_t bits) { return bits == 0; });
    if (isEmpty) {
      tick_ = target;
      return;
    }
    ++tick_;
    const auto slot = static_cast<unsigned>(tick_) & (kSlots - 1);
    if (slot == 0) {
      cascade(1);
    }
    expire(detach(0, slot), nowMs);
  }
}

int TimerWheel::nextDelayMs(std::uint64_t nowMs) const noexcept {
  for (unsigned level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) {
      continue;
    }
    // Slots of a level that come before the current one belong to its next turn: rotate so that the
    // slot after the current one is bit 0.
    const unsigned shift = level * kSlotBits;
    const auto current = static_cast<unsigned>(tick_ >> shift) & (kSlots - 1);
    const std::uint64_t ahead =
        std::rotr(occupied_[level], static_cast<int>((current + 1) % kSlots));
    const auto distance = static_cast<std::uint64_t>(std::countr_zero(ahead)) + 1;
    const std::uint64_t dueTick = ((tick_ >> shift) + distance) << shift;
    const std::uint64_t dueMs = dueTick * kTickMs;
    return dueMs <= nowMs ? 0 : static_cast<int>(std::min<std::uint64_t>(dueMs - nowMs, 60'000));
  }
  return -1;
}

} // namespace sluice::net
