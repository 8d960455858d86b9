// One TCP or unix stream connection, accepted or connecting. Completion-style: the owner says that
// it wants to receive and is handed bytes; it offers bytes to send and learns how many were taken.
//
// Lives on one worker; its owner makes it, may hand it to another owner, closes and disposes of it.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "net/loop.h"
#include "net/socket_address.h"

namespace sluice::net {

class Stream;
class Pump;

enum class StreamEnd : std::uint8_t {
  /// The other side has finished sending.
  Eof,
  /// The connection is gone: reset, timed out or failed. Nothing can be sent any more.
  Reset,
};

class StreamOwner {
 public:
  /// Bytes that arrived. They are valid only during the call: pass them on or copy them.
  virtual void onReceived(Stream& stream, std::string_view bytes) noexcept = 0;
  /// Nothing more will arrive. Reset may also come while receiving is stopped.
  virtual void onReceiveEnd(Stream& stream, StreamEnd end) noexcept = 0;
  /// After send() took less than all: there is room again.
  virtual void onSendRoom(Stream& stream) noexcept = 0;
  /// The outcome of connect(): Errc::None or why not.
  virtual void onConnected(Stream& stream, Errc outcome) noexcept = 0;

 protected:
  ~StreamOwner() = default;
};

/// A last word on a connection that is about to be closed: what fits is sent, the rest is not.
void sendOnce(const UniqueFd& fd, std::string_view bytes) noexcept;

struct SendResult {
  /// Bytes taken; the rest stays with the caller until onSendRoom().
  std::size_t taken = 0;
  /// The connection is gone; onReceiveEnd(Reset) may follow.
  bool isFailed = false;
};

class Stream final : public Source {
 public:
  Stream(Loop& loop, StreamOwner& owner) noexcept : loop_(loop), owner_(&owner) {}
  ~Stream() { close(); }

  /// Takes an accepted, non-blocking socket.
  [[nodiscard]] Status adopt(UniqueFd fd) noexcept;
  /// Begins to connect; onConnected() follows unless this fails at once.
  [[nodiscard]] Status connect(const SocketAddress& address) noexcept;

  void setOwner(StreamOwner& owner) noexcept { owner_ = &owner; }
  /// The most that one onReceived() brings; at most the loop's scratch size.
  void setReceiveBytes(std::uint32_t bytes) noexcept { receiveBytes_ = bytes; }

  void startReceive() noexcept;
  void stopReceive() noexcept { isReceiving_ = false; }
  [[nodiscard]] bool isReceiving() const noexcept { return isReceiving_; }

  [[nodiscard]] SendResult send(std::span<const iovec> parts) noexcept;
  [[nodiscard]] SendResult send(std::string_view bytes) noexcept;
  /// FIN after what was sent.
  void shutdownSend() noexcept;

  /// No callback comes after close(). The object stays until it is disposed of.
  void close() noexcept;
  /// Closes with RST, so that the other side can tell that the stream was cut.
  void abort() noexcept;
  [[nodiscard]] bool isOpen() const noexcept { return fd_.isOpen(); }
  /// Bytes or an end have arrived that the owner has not seen: an idle upstream like this must not
  /// be reused. Asks the kernel only where that is not known, as after a pump.
  [[nodiscard]] bool hasInput() noexcept;

  [[nodiscard]] Loop& loop() noexcept { return loop_; }

 private:
  friend class Pump;

  void onEvents(std::uint32_t events) noexcept override;
  void receive() noexcept;
  void finishConnect() noexcept;
  void end(StreamEnd how) noexcept;

  Loop& loop_;
  StreamOwner* owner_;
  UniqueFd fd_;
  std::uint32_t receiveBytes_ = 32 * 1024;
  bool isConnecting_ = false;
  bool isReceiving_ = false;
  bool wantsRoom_ = false;
  /// The kernel may hold input: true from an edge until a short read.
  bool hasInput_ = false;
  /// An end is queued behind the input, so a short read does not mean that there is nothing more.
  bool sawEnd_ = false;
  /// Urgent data has arrived: a receive stops short of it, and a splice does not get past it at
  /// all.
  bool sawUrgent_ = false;
  /// While a pump moves bytes out of or into this stream, events go to it.
  Pump* outgoing_ = nullptr;
  Pump* incoming_ = nullptr;
};

} // namespace sluice::net
