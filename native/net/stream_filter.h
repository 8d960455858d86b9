// What stands between a stream's owner and the wire and changes the bytes on their way, such as TLS.
// The owner goes on using its stream as before; see Stream::setFilter().
//
// Belongs to its stream, and with it to one worker.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::net {

enum class StreamEnd : std::uint8_t {
  /// The other side has finished sending.
  Eof,
  /// The connection is gone: reset, timed out or failed. Nothing can be sent any more.
  Reset,
  /// The connection has ended without the end of what it carried: TLS without close_notify.
  Truncated,
};

struct SendResult {
  /// Bytes taken; the rest stays with the caller until onSendRoom().
  std::size_t taken = 0;
  /// The connection is gone; onReceiveEnd(Reset) may follow.
  bool isFailed = false;
};

class StreamFilter {
 public:
  // From the stream, which has them from the wire:
  virtual void onWireReceived(std::string_view bytes) noexcept = 0;
  virtual void onWireEnd(StreamEnd end) noexcept = 0;
  virtual void onWireRoom() noexcept = 0;

  // From the stream, which has them from its owner:
  [[nodiscard]] virtual SendResult send(std::span<const iovec> parts) noexcept = 0;
  virtual void shutdownSend() noexcept = 0;
  /// `bytes` are about to be sent: steps aside for what is sent, now and from now on, if it can and
  /// that is worth its while. True: the kernel does its work, and bytes may be spliced into the
  /// stream.
  [[nodiscard]] virtual bool stepAside(std::uint64_t bytes) noexcept = 0;
  /// Holds what has arrived and the owner has not seen.
  [[nodiscard]] virtual bool hasHeld() const noexcept = 0;
  /// The owner receives again: passes on what is held, as far as it is wanted.
  virtual void resume() noexcept = 0;
  /// The stream is being closed, orderly or not: the last chance to send. The filter is not called
  /// again and frees itself.
  virtual void close(bool isOrderly) noexcept = 0;

 protected:
  ~StreamFilter() = default;
};

} // namespace sluice::net
