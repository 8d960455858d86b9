// A pump moves bytes from one stream to another inside the kernel: splice(2) through a pooled pipe.
// It runs until the source is empty, the sink is full, the limit is reached or its budget is spent,
// and takes itself up again when either stream has news. A pipe is held only while bytes are in it
// or the pump is running.
//
// Worker-local, like the streams. While a pump is attached the owners receive nothing from the
// source and must send nothing to the sink.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/unique_fd.h"
#include "net/stream.h"

namespace sluice::net {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

/// Empty pipes kept for reuse; one pool a worker.
class PipePool {
 public:
  /// A pipe whose `read` is not open when the process has no descriptor left.
  [[nodiscard]] Pipe take() noexcept;
  /// The pipe must be empty.
  void give(Pipe pipe) noexcept;

 private:
  static constexpr std::size_t kKeep = 64;
  std::vector<Pipe> idle_;
};

enum class PumpEnd : std::uint8_t {
  /// `limit` bytes have been moved.
  Limit,
  /// The source has finished sending and all of it has been moved.
  SourceEof,
  SourceReset,
  SinkReset,
  /// No pipe could be had, or urgent data is in the way; nothing is lost: go on by copying.
  NoPipe,
};

class PumpOwner {
 public:
  /// `bytes` have reached the sink.
  virtual void onPumped(Pump& pump, std::size_t bytes) noexcept = 0;
  /// The pump has detached itself from both streams.
  virtual void onPumpEnd(Pump& pump, PumpEnd end) noexcept = 0;

 protected:
  ~PumpOwner() = default;
};

class Pump {
 public:
  static constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

  Pump(PipePool& pipes, PumpOwner& owner) noexcept : pipes_(pipes), owner_(owner) {}
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;
  ~Pump() { stop(); }

  /// Attaches to both streams and begins in this turn.
  void start(Stream& from, Stream& to, std::uint64_t limit) noexcept;
  /// Detaches without a word to the owner; what is still in the pipe is lost.
  void stop() noexcept;
  [[nodiscard]] bool isRunning() const noexcept { return from_ != nullptr; }
  /// Bytes wait for room in the sink.
  [[nodiscard]] bool isBlocked() const noexcept { return inPipe_ > 0 || isHeldBlocked_; }
  /// Bytes that had left the source and not reached the sink when the pump last stopped.
  [[nodiscard]] std::size_t lostBytes() const noexcept { return lost_; }

 private:
  friend class Stream;

  enum class Step : std::uint8_t { Moved, Blocked, Ended };

  void run() noexcept;
  /// On a ring: first what the source holds. False when it is not the pipe's turn.
  [[nodiscard]] bool passHeld() noexcept;
  Step fill() noexcept;
  Step empty() noexcept;
  void finish(PumpEnd end) noexcept;
  void releasePipe() noexcept;

  PipePool& pipes_;
  PumpOwner& owner_;
  Stream* from_ = nullptr;
  Stream* to_ = nullptr;
  Pipe pipe_;
  std::size_t inPipe_ = 0;
  std::size_t lost_ = 0;
  /// Still to be read from the source.
  std::uint64_t remaining_ = 0;
  bool isSourceEof_ = false;
  /// The sink has no room for what the source holds.
  bool isHeldBlocked_ = false;
};

} // namespace sluice::net
