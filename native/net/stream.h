// One TCP or unix stream connection, accepted or connecting. Completion-style: the owner says that
// it wants to receive and is handed bytes; it offers bytes to send and learns how many were taken.
//
// On a ring (stream_ring.cc) a stream is watched like on epoll, or *shot*: the kernel receives for
// it, time and again, and small sends wait for the end of the turn. It is shot while what arrives
// is small and wanted; what had been received already when that changes is held for later.
//
// Lives on one worker; its owner makes it, may hand it to another owner, closes and disposes of it.
#pragma once

#include <sys/epoll.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "net/held_bytes.h"
#include "net/ktls.h"
#include "net/loop.h"
#include "net/socket_address.h"
#include "net/stream_filter.h"

namespace sluice::net {

class Stream;
class Pump;

class StreamOwner {
 public:
  /// Bytes that arrived. They are valid only during the call: pass them on or copy them.
  virtual void onReceived(Stream& stream, std::string_view bytes) noexcept = 0;
  /// Nothing more will arrive. Reset may also come while receiving is stopped.
  virtual void onReceiveEnd(Stream& stream, StreamEnd end) noexcept = 0;
  /// After send() took less than all: there is room again.
  virtual void onSendRoom(Stream& stream) noexcept = 0;
  /// The outcome of connect(), or of the handshake of a filter: Errc::None or why not.
  virtual void onConnected(Stream& stream, Errc outcome) noexcept = 0;

 protected:
  ~StreamOwner() = default;
};

/// A last word on a connection that is about to be closed: what fits is sent, the rest is not.
void sendOnce(const UniqueFd& fd, std::string_view bytes) noexcept;

class Stream final : public Source {
 public:
  Stream(Loop& loop, StreamOwner& owner) noexcept
      : loop_(loop), ring_(loop.ring()), owner_(&owner) {}
  ~Stream() { close(); }

  /// Takes an accepted, non-blocking socket.
  [[nodiscard]] Status adopt(UniqueFd fd) noexcept;
  /// Begins to connect; onConnected() follows unless this fails at once. `source`: our own address;
  /// null = the kernel chooses.
  [[nodiscard]] Status connect(const SocketAddress& address,
                               const SocketAddress* source = nullptr) noexcept;
  /// Gives the socket away. It must not be receiving; on a ring, after preferEdges().
  [[nodiscard]] UniqueFd release() noexcept;

  void setOwner(StreamOwner& owner) noexcept { owner_ = &owner; }
  /// From now on bytes pass through `filter`, which the stream closes when it is closed itself. To
  /// be called before anything is received.
  void setFilter(StreamFilter& filter) noexcept;
  /// On a ring: is not shot as long as little arrives, so that it may be released.
  void preferEdges() noexcept { prefersEdges_ = true; }
  /// Bytes pass as they are again; what the filter holds is lost.
  void dropFilter() noexcept;
  /// What is received is not what the wire carries: it must not be spliced. Nor may what is sent,
  /// unless takesSplice() says so.
  [[nodiscard]] bool isFiltered() const noexcept { return filter_ != nullptr; }
  /// Whether `bytes` of plain content may be spliced into it: to be asked when there are as many,
  /// since a filter may change for that how it sends.
  [[nodiscard]] bool takesSplice(std::uint64_t bytes) noexcept {
    return filter_ == nullptr || filter_->stepAside(bytes);
  }
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
  /// Our own end of it.
  [[nodiscard]] SocketAddress localAddress() const noexcept;
  /// Bytes or an end have arrived that the owner has not seen: an idle upstream like this must not
  /// be reused. Asks the kernel only where that is not known, as after a pump.
  [[nodiscard]] bool hasInput() noexcept;

  [[nodiscard]] Loop& loop() noexcept { return loop_; }

  // For the filter:
  [[nodiscard]] StreamOwner& owner() noexcept { return *owner_; }
  /// onSendRoom() or onWireRoom() follows when not all was taken.
  [[nodiscard]] SendResult sendWire(std::string_view bytes) noexcept { return sendNow(bytes); }
  [[nodiscard]] SendResult sendWire(std::span<const iovec> parts) noexcept {
    return sendNow(parts);
  }
  /// FIN after what was sent.
  void shutdownWire() noexcept;
  /// Nothing more is to come from the wire.
  void passEnd(StreamEnd how) noexcept;
  /// Calls resume() later in this turn or in the next.
  void resumeLater() noexcept { loop_.queue(*this); }
  /// Only in close(): hands the socket over, to send what is left.
  void leaveTo(ByteQueue& unsent) noexcept;
  /// What is sent on the wire is sealed by the kernel from now on; false: it goes on as before.
  [[nodiscard]] bool sealWire(const SealKeys& keys) noexcept {
    return sealInKernel(fd_.get(), keys);
  }
  [[nodiscard]] bool replaceWireKeys(const SealKeys& keys) noexcept {
    return replaceSealKeys(fd_.get(), keys);
  }
  /// Only then: a record that is not of data. onWireRoom() follows when there is no room for it, and
  /// until releaseWire() no pump sends.
  [[nodiscard]] RecordSent sendWireRecord(std::uint8_t type, std::string_view content) noexcept;
  void releaseWire() noexcept { isWireHeld_ = false; }
  [[nodiscard]] bool isWireHeld() const noexcept { return isWireHeld_; }
  /// Only in close(): the kernel still has something to seal for it, and close_notify is to follow.
  void leaveToSayGoodbye() noexcept { isGoodbyeDue_ = true; }

 private:
  friend class Pump;
  friend class Ring;

  /// Without EPOLLPRI: a ring tells of it at every receive, urgent or not.
  static constexpr std::uint32_t kInputEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;
  /// Receives in a row before others get their turn.
  static constexpr int kReceiveBudget = 8;
  /// So many small receives in a row say that a stream is not bulky any more.
  static constexpr std::uint8_t kSmallReceives = 16;

  void onEvents(std::uint32_t events) noexcept override;
  void closeAs(bool isOrderly) noexcept;
  void receive() noexcept;
  void finishConnect() noexcept;
  void end(StreamEnd how) noexcept;
  [[nodiscard]] Status watchInput() noexcept;
  [[nodiscard]] SendResult sendNow(std::span<const iovec> parts) noexcept;
  [[nodiscard]] SendResult sendNow(std::string_view bytes) noexcept;
  void onRoom() noexcept;

  // On a ring only:
  void onShot(const Completion& completion, std::string_view bytes) noexcept;
  void onDeferredSent(std::int32_t result, std::string_view bytes) noexcept;
  void watchEdges(std::uint32_t events) noexcept;
  [[nodiscard]] bool mayBeShot() const noexcept;
  void noteReceive(bool isSmall) noexcept;
  /// The next byte is behind urgent data, where splicing stops.
  [[nodiscard]] bool isAtUrgent() const noexcept;
  void enterShot() noexcept;
  void leaveShot() noexcept;
  void deliver(std::string_view bytes) noexcept;
  void hold(std::string_view bytes) noexcept;
  void tellEnd(StreamEnd how) noexcept;
  /// False when the events that follow are not to be looked at.
  [[nodiscard]] bool workOffHeld() noexcept;
  [[nodiscard]] bool hasHeld() const noexcept { return !held_.isEmpty() || hasHeldEnd_; }
  void awaitRoom() noexcept;
  /// Sends what was deferred; what the kernel does not take stays unsent.
  void sendDeferred() noexcept;
  [[nodiscard]] bool sendUnsent() noexcept;
  [[nodiscard]] bool mayDefer() const noexcept;
  void leaveRing() noexcept;

  Loop& loop_;
  Ring* const ring_;
  StreamOwner* owner_;
  StreamFilter* filter_ = nullptr;
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
  bool isShot_ = false;
  /// The request that receives was cancelled; its last completion has not come.
  bool isShotEnding_ = false;
  /// Much arrives, or it is not always wanted.
  bool prefersEdges_ = false;
  /// Receives in a row that were small.
  std::uint8_t smallReceives_ = 0;
  bool hasHeldEnd_ = false;
  StreamEnd heldEnd_ = StreamEnd::Eof;
  bool wasEndTold_ = false;
  bool wasResetTold_ = false;
  bool isSendBroken_ = false;
  /// Has been full once: what it takes is to be known at once.
  bool sendsAtOnce_ = false;
  bool isShutdownDue_ = false;
  /// A record of the filter's comes before all else that is sent.
  bool isWireHeld_ = false;
  bool isGoodbyeDue_ = false;
  /// Where the ring keeps what is deferred of it, if that is still its own.
  std::uint32_t deferred_ = 0;
  Ring::Handle room_ = Ring::kNone;
  /// Received and not yet wanted.
  HeldBytes held_;
  /// Taken from the owner and not by the kernel.
  ByteQueue unsent_;
  /// While a pump moves bytes out of or into this stream, events go to it.
  Pump* outgoing_ = nullptr;
  Pump* incoming_ = nullptr;
};

} // namespace sluice::net
