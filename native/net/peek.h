// An accepted connection whose first bytes are looked at while they stay in the kernel, so that
// whoever gets the connection next finds it untouched.
//
// Belongs to its owner, on one worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/unique_fd.h"
#include "net/loop.h"

namespace sluice::net {

class PeekOwner {
 public:
  /// Everything that has arrived and was not taken, from its first byte on, as far as the limit
  /// goes; told whenever there is more. It lies in the loop's scratch space: see Peek::kMaxBytes.
  /// `hasEnded`: nothing more will come.
  virtual void onPeeked(std::string_view bytes, bool hasEnded) noexcept = 0;
  /// The connection was reset, or failed.
  virtual void onPeekFailed() noexcept = 0;

 protected:
  ~PeekOwner() = default;
};

class Peek final : public Source {
 public:
  /// The most that is looked at; the rest of the loop's scratch space is the owner's.
  static constexpr std::size_t kMaxBytes = 32 * 1024;

  Peek(Loop& loop, PeekOwner& owner) noexcept : loop_(loop), owner_(owner) {}
  ~Peek() { close(); }

  /// Takes an accepted, non-blocking socket. What it has received is told in the next turn.
  [[nodiscard]] Status start(UniqueFd fd) noexcept;
  /// Tells again what is there.
  void look() noexcept;
  /// Takes the first of what was told; false when the connection has failed.
  [[nodiscard]] bool take(std::size_t bytes) noexcept;
  /// Gives the socket away; nothing more is told.
  [[nodiscard]] UniqueFd release() noexcept;

  /// Sends last words and lets them arrive: what was not taken is thrown away, because the kernel
  /// would reset the connection over it.
  void closeWith(std::string_view lastWords) noexcept;
  /// Closes by a reset.
  void abort() noexcept;
  void close() noexcept;

 private:
  void onEvents(std::uint32_t events) noexcept override;

  Loop& loop_;
  PeekOwner& owner_;
  UniqueFd fd_;
  bool isWatched_ = false;
  bool hasEnded_ = false;
};

} // namespace sluice::net
