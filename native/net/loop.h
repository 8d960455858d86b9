// The event loop of one worker, on epoll, edge-triggered, each source registered once for its life;
// or on an io_uring (ring.h). Runs on the worker's thread alone and owns the clock of the turn, the
// timers and the list of what died in it.
//
// Nothing above net/ sees readiness: owners are told what happened (bytes arrived, there is room
// again, a connection stands). Objects that die during a turn are disposed of at its end, so that
// an event which was fetched together with the one that killed them finds them still in place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/buffer_pool.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "net/ring.h"
#include "net/timer_wheel.h"

namespace sluice::net {

class Farewell;
class Loop;

/// Something registered with the loop.
class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// `events` are epoll's bits. Called at most once a turn, and again without bits for a queued
  /// source.
  virtual void onEvents(std::uint32_t events) noexcept = 0;

 protected:
  ~Source() = default;

  /// On a ring: the request that tells of events.
  Ring::Handle watch_ = Ring::kNone;

 private:
  friend class Loop;
  Source* nextQueued_ = nullptr;
  /// The pointer that points at this source; null while it is not queued.
  Source** previousQueued_ = nullptr;
  std::uint64_t queuedInTurn_ = 0;
};

/// Something whose memory is freed at the end of the turn in which it died.
class Disposable {
 public:
  virtual void dispose() noexcept = 0;

 protected:
  ~Disposable() = default;

 private:
  friend class Loop;
  Disposable* nextDead_ = nullptr;
};

class Loop {
 public:
  Loop() noexcept;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() = default;

  /// False when the kernel gave neither.
  [[nodiscard]] bool isOpen() const noexcept { return ring_ != nullptr || epoll_.isOpen(); }
  /// Goes over to an io_uring, or stays on epoll and says why in ringProblem(). To be called on the
  /// thread that will turn the loop, before anything is watched or made for it.
  void useRing(const RingSizes& sizes = {}) noexcept;
  [[nodiscard]] const std::string& ringProblem() const noexcept { return ringProblem_; }
  /// Null on epoll.
  [[nodiscard]] Ring* ring() noexcept { return ring_.get(); }

  /// One turn: waits for events or the next timer, tells the owners, fires timers, disposes of the
  /// dead.
  void turn() noexcept;
  /// Lets go of every source; no turn may follow. To be called on the thread that turned it.
  void finish() noexcept;

  /// `events` are epoll's bits.
  [[nodiscard]] Status watch(int fd, std::uint32_t events, Source& source) noexcept;
  /// For a source that rests, or whose socket others hold as well.
  void unwatch(int fd, Source& source) noexcept;
  /// For a source whose descriptor is about to be closed. The kernel may hold the socket until the
  /// end of the turn; after settle() no longer.
  void forget(Source& source) noexcept;
  void settle() noexcept;

  /// Calls source.onEvents(0) later in this turn or in the next, which then does not wait.
  void queue(Source& source) noexcept;
  /// Must be called before a source dies, if it may be queued.
  void unqueue(Source& source) noexcept;
  void dispose(Disposable& dead) noexcept;

  // Sockets whose streams were closed with something unsent; finish() ends those that are left.
  void add(Farewell& farewell) noexcept;
  void remove(Farewell& farewell) noexcept;

  void arm(Timer& timer, std::uint64_t delayMs) noexcept { wheel_.arm(timer, nowMs(), delayMs); }

  /// CLOCK_MONOTONIC, read once a turn.
  [[nodiscard]] std::uint64_t nowNs() const noexcept { return nowNs_; }
  [[nodiscard]] std::uint64_t nowMs() const noexcept { return nowNs_ / 1'000'000; }
  /// Milliseconds since 1970 by the wall clock, which is compared with the other one once a second.
  [[nodiscard]] std::uint64_t wallMs() const noexcept { return nowMs() + wallOffsetMs_; }

  /// Where receives land: shared by all sources of the loop, valid until the owner returns.
  [[nodiscard]] std::span<char> scratch() noexcept { return scratch_; }
  [[nodiscard]] BufferPool& buffers() noexcept { return buffers_; }

 private:
  static constexpr int kMaxEvents = 256;
  static constexpr std::size_t kScratchBytes = 128 * 1024;

  void readClock() noexcept;
  void runQueue() noexcept;
  void bury() noexcept;

  /// Waits for events, or as long; reads the clock; tells the owners.
  void pollEvents(int timeoutMs) noexcept;

  std::string ringProblem_;
  std::unique_ptr<Ring> ring_;
  UniqueFd epoll_;
  std::uint64_t nowNs_ = 0;
  std::uint64_t wallOffsetMs_ = 0;
  std::uint64_t wallReadMs_ = 0;
  TimerWheel wheel_;
  Source* queueHead_ = nullptr;
  Source** queueTail_ = &queueHead_;
  std::uint64_t turn_ = 0;
  Disposable* dead_ = nullptr;
  Farewell* farewells_ = nullptr;
  BufferPool buffers_;
  alignas(64) std::array<char, kScratchBytes> scratch_;
};

} // namespace sluice::net
