// What an io_uring does for a loop: which request belongs to which source, the small sends of a
// turn, which leave together with the next wait, and what came back. The loop asks it to wait and
// then to tell; streams and the loop itself ask it for the rest.
//
// Requests are kept in slots until the kernel's last word on them, so that a source may die at any
// time. Nothing is handed over before the turn ends: what is taken back in the same turn costs
// nothing.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/gathering.h"
#include "net/io_uring.h"

namespace sluice::net {

class Source;
class Stream;

class Ring {
 public:
  /// A request, until the kernel's last word on it or release().
  using Handle = std::uint32_t;
  static constexpr Handle kNone = 0xffff'ffff;
  /// Larger sends are not worth the copy.
  static constexpr std::size_t kMaxDeferredBytes = 4096;

  /// Null where the kernel is too old or forbids it; `problem` then says what failed.
  [[nodiscard]] static std::unique_ptr<Ring> open(const RingSizes& sizes,
                                                  std::string& problem) noexcept;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring() = default;

  /// source.onEvents() at every change with EPOLLET, else for as long as `events` hold.
  [[nodiscard]] Handle watch(int fd, std::uint32_t events, Source& source) noexcept;
  /// stream.onShot() with what arrives, until its last completion.
  [[nodiscard]] Handle receive(int fd, Stream& stream) noexcept;
  /// stream.onRoom() once, as soon as there is room to send.
  [[nodiscard]] Handle room(int fd, Stream& stream) noexcept;

  /// Has not been handed to the kernel.
  [[nodiscard]] bool isPending(Handle handle) const noexcept { return slots_[handle].isPending; }
  /// The source hears nothing more of it; to be called before the descriptor is closed. The kernel
  /// lets go of the socket by the end of the turn.
  void release(Handle& handle) noexcept;
  /// The source goes on hearing of it until its last completion, which comes soon.
  void stop(Handle handle) noexcept;
  /// Makes the kernel let go at once of what was released.
  void settle() noexcept;

  /// Keeps what is to be sent until the turn ends; false when it is not to be kept.
  [[nodiscard]] bool defer(Stream& stream, int fd, std::span<const iovec> parts,
                           std::size_t total) noexcept;
  /// What is kept for the stream, which must be sent now or never.
  [[nodiscard]] std::string_view takeDeferred(Stream& stream) noexcept;

  /// Pumps tell it what they do.
  [[nodiscard]] Gathering& gathering() noexcept { return gathering_; }

  /// Hands over the turn's requests and waits.
  void wait(int timeoutMs, std::uint64_t nowMs) noexcept;
  /// Tells the sources what happened.
  void tell() noexcept;
  /// Cancels everything and waits for the kernel's last words; the owner's last call.
  void finish() noexcept;

  [[nodiscard]] std::size_t bufferBytes() const noexcept { return uring_->bufferBytes(); }

 private:
  enum class Kind : std::uint8_t { Edge, Level, Receive, Room };

  struct Slot {
    /// Null once released.
    Source* source = nullptr;
    int fd = -1;
    std::uint32_t events = 0;
    /// Grows whenever the slot becomes free, so that a callback's doings are noticed.
    std::uint32_t generation = 0;
    Kind kind = Kind::Edge;
    bool isPending = false;
    /// The kernel has it.
    bool isArmed = false;
    bool isCancelling = false;
  };
  struct DeferredSend {
    /// Null when it was taken back.
    Stream* stream;
    int fd;
    std::uint32_t offset;
    std::uint32_t bytes;
  };

  explicit Ring(std::unique_ptr<IoUring> uring) noexcept;
  [[nodiscard]] Handle claim(Kind kind, int fd, std::uint32_t events, Source& source) noexcept;
  void arm(Handle handle) noexcept;
  void free(Handle handle) noexcept;
  void cancel(Handle handle) noexcept;
  void queueSends() noexcept;
  void queueControl() noexcept;
  void takeRefused() noexcept;
  void endSends() noexcept;
  void endSend(std::uint32_t number, std::int32_t result) noexcept;
  void tell(const Completion& completion) noexcept;
  void tellEvents(Handle handle, const Completion& completion) noexcept;
  void tellReceived(Handle handle, const Completion& completion) noexcept;

  std::unique_ptr<IoUring> uring_;
  Gathering gathering_;
  std::vector<Slot> slots_;
  std::vector<Handle> freeSlots_;
  std::size_t used_ = 0;
  /// To be handed over when the turn ends.
  std::vector<Handle> arms_;
  std::vector<Handle> cancels_;

  std::vector<DeferredSend> sends_;
  std::unique_ptr<char[]> arena_;
  std::size_t arenaUsed_ = 0;
};

} // namespace sluice::net
