// When a loop should let the kernel gather what happens for a moment before it wakes it: while it
// does nothing but pump large amounts, as network cards do with their interrupts. A sleep and a
// wake for each 100 KB cost a tenth of what moving them costs.
//
// It takes bulk that has lasted, so that an answer of a megabyte waits for nothing, and events that
// each bring much, so that small messages beside the bulk end it. Worker-local, like the loop.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice::net {

class Gathering {
 public:
  /// The longest wait: what a small message that ends the gathering may be late, once.
  static constexpr std::uint32_t kMicroseconds = 200;
  /// That an event must have brought in the mean.
  static constexpr std::uint64_t kBytesAnEvent = 64 * 1024;
  /// In a row, and no further apart than so.
  static constexpr std::uint32_t kTurns = 16;
  static constexpr std::uint64_t kApartMs = 2;

  void addEvent() noexcept { ++events_; }
  /// That pumps have moved.
  void addBytes(std::uint64_t bytes) noexcept { bytes_ += bytes; }

  /// Ends a turn. How long the next wait may gather, in microseconds: 0 or kMicroseconds.
  [[nodiscard]] std::uint32_t endTurn(std::uint64_t nowMs) noexcept {
    const bool isBulk = bytes_ >= kBytesAnEvent * std::max<std::uint64_t>(events_, 1);
    const bool goesOn = isBulk && nowMs - lastTurnMs_ <= kApartMs;
    turns_ = goesOn ? std::min(turns_ + 1, kTurns) : 0;
    lastTurnMs_ = nowMs;
    bytes_ = 0;
    events_ = 0;
    return turns_ == kTurns ? kMicroseconds : 0;
  }

 private:
  std::uint64_t bytes_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t lastTurnMs_ = 0;
  std::uint32_t turns_ = 0;
};

} // namespace sluice::net
