// When a loop should let the kernel gather what happens for a moment before it wakes it: while it
// does nothing but pump large amounts, as network cards do with their interrupts. A sleep and a
// wake for each 100 KB cost a tenth of what moving them costs.
//
// It takes bulk that has lasted, so that an answer of a megabyte waits for nothing. Anything else
// ends it for a while, small messages that are pumped too: what comes 50 times a second or more
// keeps it from beginning again. Worker-local, like the loop.
#pragma once

#include <cstdint>

namespace sluice::net {

class Gathering {
 public:
  /// How long a wait may be, to which the kernel adds the timer slack of the thread, 50 us.
  static constexpr std::uint32_t kMicroseconds = 200;
  /// So many turns in a row have to move so much together, and no two of them lie further apart.
  static constexpr std::uint32_t kTurns = 16;
  static constexpr std::uint64_t kBytes = kTurns * 64 * 1024;
  static constexpr std::uint64_t kApartMs = 2;
  /// An event that moves less brought a message: segments of bulk are larger.
  static constexpr std::uint64_t kMessageBytes = 1024;
  /// Without any other event.
  static constexpr std::uint64_t kQuietMs = 20;

  /// What pumps have done so far.
  struct Done {
    std::uint64_t turns = 0;
    std::uint64_t bytes = 0;
  };

  /// A pump has its turn; it may move nothing.
  void notePump() noexcept { ++done_.turns; }
  void noteMoved(std::uint64_t bytes) noexcept { done_.bytes += bytes; }

  [[nodiscard]] Done done() const noexcept { return done_; }
  /// Ends an event, before which so much was done.
  void endEvent(Done before) noexcept {
    const std::uint64_t moved = done_.bytes - before.bytes;
    const bool isMessage = moved > 0 && moved < kMessageBytes;
    sawOther_ = sawOther_ || isMessage || done_.turns == before.turns;
  }

  /// Ends a turn. How long the next wait may gather, in microseconds: 0 or kMicroseconds.
  [[nodiscard]] std::uint32_t endTurn(std::uint64_t nowMs) noexcept {
    if (sawOther_) {
      sawOther_ = false;
      lastOtherMs_ = nowMs;
    }
    const bool isApart = nowMs - lastTurnMs_ > kApartMs;
    lastTurnMs_ = nowMs;
    if (isApart || nowMs - lastOtherMs_ < kQuietMs) {
      isBulk_ = false;
      beginTurns();
    } else if (++turns_ == kTurns) {
      isBulk_ = done_.bytes - bytesBefore_ >= kBytes;
      beginTurns();
    }
    return isBulk_ ? kMicroseconds : 0;
  }

 private:
  void beginTurns() noexcept {
    turns_ = 0;
    bytesBefore_ = done_.bytes;
  }

  Done done_;
  std::uint64_t bytesBefore_ = 0;
  std::uint64_t lastTurnMs_ = 0;
  std::uint64_t lastOtherMs_ = 0;
  std::uint32_t turns_ = 0;
  bool isBulk_ = false;
  bool sawOther_ = false;
};

} // namespace sluice::net
