// What a stream still had to send when its owner closed it: its owner had been told that it was
// taken, and the kernel had not taken it. On a ring, and where a filter makes more of bytes. Owns
// the socket until the rest is sent, the other side is gone or half a minute has passed: nobody who
// reads slowly keeps it longer.
#pragma once

#include "base/unique_fd.h"
#include "net/loop.h"

namespace sluice::net {

class Farewell final : public Source, public TimerOwner, public Disposable {
 public:
  /// Takes `unsent` over, and gives up without memory.
  static void begin(Loop& loop, UniqueFd fd, ByteQueue& unsent) noexcept;
  /// A socket whose records the kernel seals, and has some to seal yet: close_notify follows them.
  static void beginGoodbye(Loop& loop, UniqueFd fd) noexcept;
  /// Closes the socket, whatever is left.
  void end() noexcept;

 private:
  friend class Loop;
  Farewell(Loop& loop, UniqueFd fd, ByteQueue& unsent) noexcept;
  void wait() noexcept;
  void onEvents(std::uint32_t events) noexcept override;
  void onTimer(Timer&) noexcept override { end(); }
  void dispose() noexcept override { delete this; }

  Loop& loop_;
  UniqueFd fd_;
  ByteQueue unsent_;
  bool owesCloseNotify_ = false;
  Timer patience_;
  // In the loop's list:
  Farewell* next_ = nullptr;
  Farewell** previous_ = nullptr;
};

} // namespace sluice::net
