// When a loop should let the kernel gather what happens for a moment before it wakes it: while it
// does nothing but pump large amounts, as network cards do with their interrupts. A sleep and a
// wake for each 100 KB cost a tenth of what moving them costs.
//
// It takes bulk that has lasted, so that an answer of a megabyte waits for nothing; and anything but
// pumping ends it. Worker-local, like the loop.
#pragma once

#include <cstdint>

namespace sluice::net {

class Gathering {
 public:
  /// The longest wait: how late the message may be, once, that ends the gathering.
  static constexpr std::uint32_t kMicroseconds = 200;
  /// So many turns in a row have to move so much together, and no two of them lie further apart.
  static constexpr std::uint32_t kTurns = 16;
  static constexpr std::uint64_t kBytes = kTurns * 64 * 1024;
  static constexpr std::uint64_t kApartMs = 2;

  /// A pump has its turn; it may move nothing.
  void notePump() noexcept { ++pumps_; }
  void noteMoved(std::uint64_t bytes) noexcept { bytes_ += bytes; }
  /// Turns of pumps so far. An event during which it stays the same was none of a pump.
  [[nodiscard]] std::uint64_t pumps() const noexcept { return pumps_; }
  void noteOther() noexcept { sawOther_ = true; }

  /// Ends a turn. How long the next wait may gather, in microseconds: 0 or kMicroseconds.
  [[nodiscard]] std::uint32_t endTurn(std::uint64_t nowMs) noexcept {
    if (sawOther_ || nowMs - lastTurnMs_ > kApartMs) {
      isBulk_ = false;
      turns_ = 0;
      bytes_ = 0;
    } else if (++turns_ == kTurns) {
      isBulk_ = bytes_ >= kBytes;
      turns_ = 0;
      bytes_ = 0;
    }
    lastTurnMs_ = nowMs;
    sawOther_ = false;
    return isBulk_ ? kMicroseconds : 0;
  }

 private:
  std::uint64_t pumps_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t lastTurnMs_ = 0;
  std::uint32_t turns_ = 0;
  bool isBulk_ = false;
  bool sawOther_ = false;
};

} // namespace sluice::net
