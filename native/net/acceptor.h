// Accepts connections on one listening socket of one worker. When descriptors run out it sheds the
// newest connection (by the descriptor it holds in reserve) and rests for a moment instead of
// spinning.
#pragma once

#include "base/unique_fd.h"
#include "net/loop.h"
#include "net/socket_address.h"

namespace sluice::net {

class AcceptorOwner {
 public:
  /// `fd` is non-blocking.
  virtual void onAccepted(UniqueFd fd, const SocketAddress& client) noexcept = 0;
  /// A connection was closed at once because of `why`.
  virtual void onShed(Errc why) noexcept = 0;

 protected:
  ~AcceptorOwner() = default;
};

class Acceptor final : public Source, public TimerOwner {
 public:
  Acceptor(Loop& loop, AcceptorOwner& owner) noexcept : loop_(loop), owner_(owner), rest_(*this) {}
  ~Acceptor() { close(); }

  /// `isShared`: other workers wait on the same socket (unix sockets), so only one is to be woken.
  [[nodiscard]] Status start(UniqueFd fd, bool isShared) noexcept;
  void close() noexcept;
  /// Another worker is shedding, so there is no descriptor to be had.
  [[nodiscard]] static bool isShedding() noexcept;

 private:
  void onEvents(std::uint32_t events) noexcept override;
  void onTimer(Timer& timer) noexcept override;
  bool shedOne(int error) noexcept;
  void rest() noexcept;

  Loop& loop_;
  AcceptorOwner& owner_;
  UniqueFd fd_;
  UniqueFd reserve_;
  Timer rest_;
  std::uint32_t events_ = 0;
};

} // namespace sluice::net
