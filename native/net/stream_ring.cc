// Streams on a ring: what differs from epoll. Receiving has three modes:
//
//   mode   | request in the kernel          | bytes come by
//   edges  | poll, repeated                 | receive(), as on epoll
//   shot   | receive, repeated              | onShot()
//   ending | the same, cancelled            | onShot(), held unless wanted; edges once it has ended
//
// shot -> ending when a buffer came full, bytes came unwanted, or a pump takes over; edges -> shot
// when receives have been small for a while. While a request receives, nobody else may: the order
// of bytes would be lost.
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/farewell.h"
#include "net/pump.h"
#include "net/stream.h"

namespace sluice::net {

namespace {

constexpr std::uint32_t kErrorsOnly = EPOLLET;

bool isShortage(int error) noexcept {
  return error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == EINTR;
}

} // namespace

// --- receiving -----------------------------------------------------------------------------------

void Stream::watchEdges(std::uint32_t events) noexcept {
  watch_ = ring_->watch(fd_.get(), events, *this);
}

bool Stream::mayBeShot() const noexcept {
  return watch_ != Ring::kNone && filter_ == nullptr && !isShot_ && !prefersEdges_ && !sawEnd_ &&
         !sawUrgent_ && !wasEndTold_ && !isConnecting_ && outgoing_ == nullptr;
}

void Stream::noteReceive(bool isSmall) noexcept {
  if (!isSmall) {
    smallReceives_ = 0;
    prefersEdges_ = true;
  } else if (++smallReceives_ == kSmallReceives) {
    smallReceives_ = 0;
    prefersEdges_ = false;
  }
}

bool Stream::isAtUrgent() const noexcept {
  int isAtMark = 0;
  return ::ioctl(fd_.get(), SIOCATMARK, &isAtMark) == 0 && isAtMark != 0;
}

void Stream::enterShot() noexcept {
  ring_->release(watch_);
  watch_ = ring_->receive(fd_.get(), *this);
  isShot_ = true;
  hasInput_ = false;
}

void Stream::leaveShot() noexcept {
  prefersEdges_ = true;
  smallReceives_ = 0;
  if (!isShot_ || isShotEnding_ || watch_ == Ring::kNone) {
    return;
  }
  if (ring_->isPending(watch_)) {
    ring_->release(watch_);
    isShot_ = false;
    watchEdges(kInputEvents);
    return;
  }
  isShotEnding_ = true;
  ring_->stop(watch_);
}

void Stream::hold(std::string_view bytes) noexcept {
  if (!held_.append(bytes)) {
    // What cannot be kept is lost, and with it the stream.
    held_.clear();
    hasHeldEnd_ = true;
    heldEnd_ = StreamEnd::Reset;
  }
}

/// In pieces no larger than asked for, and only so many at once.
void Stream::deliver(std::string_view bytes) noexcept {
  for (int i = 0; i < kReceiveBudget && !bytes.empty(); ++i) {
    const std::string_view piece = bytes.substr(0, receiveBytes_);
    bytes.remove_prefix(piece.size());
    owner_->onReceived(*this, piece);
    if (!fd_.isOpen()) {
      return;
    }
    if (!isReceiving_ || outgoing_ != nullptr) {
      break;
    }
  }
  if (!bytes.empty()) {
    hold(bytes);
    loop_.queue(*this);
  }
}

void Stream::tellEnd(StreamEnd how) noexcept {
  const bool isWanted = isReceiving_ && held_.isEmpty() && outgoing_ == nullptr;
  if (how == StreamEnd::Eof && watch_ == Ring::kNone) {
    // It may still be reset.
    watchEdges(kErrorsOnly);
  }
  if (isWanted || (how == StreamEnd::Reset && outgoing_ == nullptr && !isReceiving_)) {
    end(how);
    return;
  }
  hasHeldEnd_ = true;
  heldEnd_ = how;
  loop_.queue(*this);
}

void Stream::onShot(const Completion& completion, std::string_view bytes) noexcept {
  if (!completion.hasMore) {
    watch_ = Ring::kNone;
    isShot_ = false;
    isShotEnding_ = false;
  }
  if (!bytes.empty()) {
    const bool isWanted = isReceiving_ && outgoing_ == nullptr;
    if (!isWanted || bytes.size() == ring_->bufferBytes()) {
      leaveShot();
    }
    if (isWanted && held_.isEmpty()) {
      deliver(bytes);
      if (!fd_.isOpen()) {
        return;
      }
    } else {
      hold(bytes);
      loop_.queue(*this);
    }
  }
  if (completion.hasMore) {
    return;
  }
  if (completion.result == 0) {
    tellEnd(StreamEnd::Eof);
    return;
  }
  if (completion.result < 0 && completion.result != -ECANCELED && !isShortage(-completion.result)) {
    tellEnd(StreamEnd::Reset);
    return;
  }
  if (prefersEdges_ || outgoing_ != nullptr) {
    watchEdges(kInputEvents);
    if (outgoing_ != nullptr) {
      loop_.queue(*this);
    }
    return;
  }
  watch_ = ring_->receive(fd_.get(), *this);
  isShot_ = true;
}

bool Stream::workOffHeld() noexcept {
  if (isSendBroken_ && !wasResetTold_ && outgoing_ == nullptr && incoming_ == nullptr) {
    end(StreamEnd::Reset);
    return false;
  }
  if (!hasHeld()) {
    return !isShot_ || outgoing_ != nullptr;
  }
  if (outgoing_ != nullptr) {
    outgoing_->run();
    return false;
  }
  if (!isReceiving_) {
    return true;
  }
  // Out of the owner's reach while it looks at them: it may close the stream.
  HeldBytes bytes = std::move(held_);
  deliver(bytes.view());
  if (!fd_.isOpen() || !held_.isEmpty()) {
    return false;
  }
  if (hasHeldEnd_ && isReceiving_ && outgoing_ == nullptr) {
    hasHeldEnd_ = false;
    tellEnd(heldEnd_);
    return false;
  }
  return !isShot_;
}

// --- sending -------------------------------------------------------------------------------------

bool Stream::mayDefer() const noexcept {
  return !sendsAtOnce_ && !wantsRoom_ && !isSendBroken_ && !wasResetTold_ && unsent_.isEmpty() &&
         incoming_ == nullptr;
}

void Stream::awaitRoom() noexcept {
  if (room_ == Ring::kNone) {
    room_ = ring_->room(fd_.get(), *this);
  }
}

void Stream::onDeferredSent(std::int32_t result, std::string_view bytes) noexcept {
  sendsAtOnce_ = true;
  const bool isFull = result >= 0 || isShortage(-result);
  bytes.remove_prefix(static_cast<std::size_t>(std::max(result, 0)));
  if (!isFull || !unsent_.append(loop_.buffers(), bytes)) {
    isSendBroken_ = true;
    loop_.queue(*this);
    return;
  }
  awaitRoom();
}

void Stream::sendDeferred() noexcept {
  const std::string_view bytes = ring_->takeDeferred(*this);
  if (bytes.empty()) {
    return;
  }
  const bool wantedRoom = wantsRoom_;
  const SendResult sent = sendNow(bytes);
  wantsRoom_ = wantedRoom;
  if (sent.isFailed || !unsent_.append(loop_.buffers(), bytes.substr(sent.taken))) {
    isSendBroken_ = true;
  }
}

/// False while there is still some.
bool Stream::sendUnsent() noexcept {
  if (unsent_.isEmpty()) {
    return true;
  }
  const bool wantedRoom = wantsRoom_;
  const SendResult sent = sendNow(unsent_.view());
  wantsRoom_ = wantedRoom;
  unsent_.consume(loop_.buffers(), sent.taken);
  if (sent.isFailed) {
    unsent_.clear(loop_.buffers());
    isSendBroken_ = true;
    loop_.queue(*this);
    // A pump finds out for itself.
    return incoming_ != nullptr;
  }
  if (!unsent_.isEmpty()) {
    return false;
  }
  if (std::exchange(isShutdownDue_, false)) {
    ::shutdown(fd_.get(), SHUT_WR);
  }
  return true;
}

void Stream::leaveRing() noexcept {
  sendDeferred();
  ring_->release(watch_);
  ring_->release(room_);
  if (isSendBroken_) {
    unsent_.clear(loop_.buffers());
  }
  if (!unsent_.isEmpty()) {
    Farewell::begin(loop_, std::move(fd_), unsent_);
  }
  held_.clear();
  isShot_ = false;
  isShotEnding_ = false;
  prefersEdges_ = false;
  smallReceives_ = 0;
  hasHeldEnd_ = false;
  wasEndTold_ = false;
  wasResetTold_ = false;
  isSendBroken_ = false;
  sendsAtOnce_ = false;
  isShutdownDue_ = false;
}

} // namespace sluice::net
