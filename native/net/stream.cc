#include "net/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "net/acceptor.h"
#include "net/farewell.h"
#include "net/pump.h"
#include "net/syscall.h"

namespace sluice::net {

namespace {

Errc connectError(int error) noexcept {
  switch (error) {
  case ECONNREFUSED:
  case ENOENT: // a unix socket that is not there
    return Errc::ConnectRefused;
  case ETIMEDOUT:
    return Errc::ConnectTimeout;
  case ENETUNREACH:
  case EHOSTUNREACH:
  case ENETDOWN:
    return Errc::ConnectUnreachable;
  case EADDRNOTAVAIL:
    return Errc::OutOfPorts;
  case EMFILE:
  case ENFILE:
    return Errc::OutOfDescriptors;
  case ENOMEM:
  case ENOBUFS:
    return Errc::OutOfMemory;
  default:
    return Errc::ConnectFailed;
  }
}

std::size_t bytesOf(std::span<const iovec> parts) noexcept {
  std::size_t total = 0;
  for (const iovec& part : parts) {
    total += part.iov_len;
  }
  return total;
}

} // namespace

void sendOnce(const UniqueFd& fd, std::string_view bytes) noexcept {
  static_cast<void>(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

Status Stream::adopt(UniqueFd fd) noexcept {
  fd_ = std::move(fd);
  Status status = watchInput();
  if (!status) {
    fd_.reset();
  }
  return status;
}

Status Stream::watchInput() noexcept {
  if (ring_ == nullptr) {
    return loop_.watch(fd_.get(), kInputEvents | EPOLLPRI | EPOLLOUT, *this);
  }
  if (isConnecting_) {
    awaitRoom();
  } else {
    watchEdges(kInputEvents);
  }
  return {};
}

Status Stream::connect(const SocketAddress& address, const SocketAddress* source) noexcept {
  const bool isUnix = address.family() == AddressFamily::Unix;
  if (Acceptor::isShedding()) {
    return Unexpected{Errc::OutOfDescriptors};
  }
  UniqueFd fd(::socket(address.raw()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.isOpen()) {
    return Unexpected{connectError(errno)};
  }
  if (!isUnix) {
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  if (source != nullptr) {
    // The port is chosen by connect(), when the other end is known: one serves many destinations.
    const int on = 1;
    ::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (::bind(fd.get(), source->raw(), source->length()) != 0) {
      return Unexpected{connectError(errno)};
    }
  }
  if (::connect(fd.get(), address.raw(), address.length()) != 0 && errno != EINPROGRESS) {
    // EAGAIN: a unix socket whose backlog is full does not queue a non-blocking connect.
    return Unexpected{errno == EAGAIN ? Errc::ConnectRefused : connectError(errno)};
  }
  isConnecting_ = true;
  fd_ = std::move(fd);
  Status status = watchInput();
  if (!status) {
    close();
  }
  return status;
}

void Stream::setFilter(StreamFilter& filter) noexcept {
  SLUICE_ASSERT(fd_.isOpen() && !isConnecting_ && !isShot_);
  filter_ = &filter;
}

void Stream::dropFilter() noexcept {
  if (filter_ != nullptr) {
    std::exchange(filter_, nullptr)->close(false);
  }
}

void Stream::startReceive() noexcept {
  isReceiving_ = true;
  if (filter_ != nullptr && filter_->hasHeld()) {
    loop_.queue(*this);
    return;
  }
  if (ring_ != nullptr && !hasHeld() && mayBeShot()) {
    enterShot();
  } else if (hasInput_ || hasHeld()) {
    loop_.queue(*this);
  }
}

bool Stream::hasInput() noexcept {
  if (hasHeld() || (filter_ != nullptr && filter_->hasHeld())) {
    return true;
  }
  char next = 0;
  if (hasInput_ && ::recv(fd_.get(), &next, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN) {
    hasInput_ = false;
  }
  return hasInput_;
}

SendResult Stream::send(std::string_view bytes) noexcept {
  // iovec has no const form; it is not written through.
  const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  return send({&part, 1});
}

SendResult Stream::send(std::span<const iovec> parts) noexcept {
  SLUICE_ASSERT(fd_.isOpen() && !isConnecting_);
  if (filter_ != nullptr) {
    return filter_->send(parts);
  }
  if (ring_ != nullptr) {
    const std::size_t total = bytesOf(parts);
    if (mayDefer() && ring_->defer(*this, fd_.get(), parts, total)) {
      return {.taken = total, .isFailed = false};
    }
    sendDeferred();
    if (isSendBroken_ || wasResetTold_) {
      return {.taken = 0, .isFailed = true};
    }
    if (!unsent_.isEmpty()) {
      wantsRoom_ = true;
      return {};
    }
  }
  return sendNow(parts);
}

SendResult Stream::sendNow(std::string_view bytes) noexcept {
  const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  return sendNow({&part, 1});
}

SendResult Stream::sendNow(std::span<const iovec> parts) noexcept {
  constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
  const std::size_t total = bytesOf(parts);
  ssize_t sent = 0;
  do {
    if (parts.size() == 1) {
      // The kernel has less to check and to copy in.
      sent = syscall::send(fd_.get(), parts[0].iov_base, parts[0].iov_len, kFlags);
    } else {
      msghdr message{};
      message.msg_iov = const_cast<iovec*>(parts.data());
      message.msg_iovlen = parts.size();
      sent = syscall::sendmsg(fd_.get(), &message, kFlags);
    }
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    if (errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
      return {.taken = 0, .isFailed = true};
    }
    sent = 0;
  }
  const auto taken = static_cast<std::size_t>(sent);
  if (taken < total) {
    wantsRoom_ = true;
    if (ring_ != nullptr) {
      awaitRoom();
    }
  }
  return {.taken = taken, .isFailed = false};
}

RecordSent Stream::sendWireRecord(std::uint8_t type, std::string_view content) noexcept {
  // The kernel may have taken what it has not sealed yet, and loses that when the socket is closed:
  // while there is room, it has not.
  pollfd one{.fd = fd_.get(), .events = POLLOUT, .revents = 0};
  const bool hasRoom = ::poll(&one, 1, 0) > 0;
  const RecordSent sent = hasRoom ? sendRecord(fd_.get(), type, content) : RecordSent::NoRoom;
  isWireHeld_ = sent == RecordSent::NoRoom;
  if (isWireHeld_ && ring_ != nullptr) {
    awaitRoom();
  }
  return sent;
}

void Stream::shutdownWire() noexcept {
  ::shutdown(fd_.get(), SHUT_WR);
}

void Stream::shutdownSend() noexcept {
  if (filter_ != nullptr) {
    filter_->shutdownSend();
    return;
  }
  if (ring_ != nullptr) {
    sendDeferred();
    isShutdownDue_ = !unsent_.isEmpty();
    if (isShutdownDue_) {
      return;
    }
  }
  ::shutdown(fd_.get(), SHUT_WR);
}

void Stream::leaveTo(ByteQueue& unsent) noexcept {
  if (ring_ != nullptr) {
    // leaveRing() goes on with it.
    unsent_.adopt(unsent);
    return;
  }
  loop_.unwatch(fd_.get(), *this);
  Farewell::begin(loop_, std::move(fd_), unsent);
}

void Stream::close() noexcept {
  closeAs(true);
}

void Stream::closeAs(bool isOrderly) noexcept {
  if (filter_ != nullptr) {
    std::exchange(filter_, nullptr)->close(isOrderly && fd_.isOpen());
  }
  if (outgoing_ != nullptr) {
    outgoing_->stop();
  }
  if (incoming_ != nullptr) {
    incoming_->stop();
  }
  loop_.unqueue(*this);
  if (ring_ != nullptr && fd_.isOpen()) {
    leaveRing();
  }
  isConnecting_ = false;
  isReceiving_ = false;
  wantsRoom_ = false;
  hasInput_ = false;
  sawEnd_ = false;
  sawUrgent_ = false;
  isWireHeld_ = false;
  if (std::exchange(isGoodbyeDue_, false) && fd_.isOpen()) {
    if (ring_ == nullptr) {
      loop_.unwatch(fd_.get(), *this);
    }
    Farewell::beginGoodbye(loop_, std::move(fd_));
  }
  fd_.reset();
}

UniqueFd Stream::release() noexcept {
  SLUICE_ASSERT(filter_ == nullptr && outgoing_ == nullptr && incoming_ == nullptr);
  loop_.unqueue(*this);
  if (ring_ != nullptr) {
    ring_->release(watch_);
    ring_->release(room_);
  } else {
    loop_.unwatch(fd_.get(), *this);
  }
  UniqueFd fd = std::move(fd_);
  close();
  return fd;
}

SocketAddress Stream::localAddress() const noexcept {
  SocketAddress own;
  socklen_t length = SocketAddress::kCapacity;
  if (::getsockname(fd_.get(), own.raw(), &length) == 0) {
    own.setLength(length);
  }
  return own;
}

void Stream::abort() noexcept {
  if (fd_.isOpen()) {
    if (ring_ != nullptr) {
      sendDeferred();
      unsent_.clear(loop_.buffers());
    }
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  closeAs(false);
}

void Stream::passEnd(StreamEnd how) noexcept {
  isReceiving_ = false;
  owner_->onReceiveEnd(*this, how);
}

void Stream::end(StreamEnd how) noexcept {
  isReceiving_ = false;
  hasInput_ = false;
  wasEndTold_ = true;
  wasResetTold_ = how == StreamEnd::Reset;
  if (filter_ != nullptr) {
    filter_->onWireEnd(how);
    return;
  }
  owner_->onReceiveEnd(*this, how);
}

void Stream::finishConnect() noexcept {
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  isConnecting_ = false;
  if (ring_ != nullptr && error == 0) {
    watchEdges(kInputEvents);
  }
  owner_->onConnected(*this, error == 0 ? Errc::None : connectError(error));
}

void Stream::receive() noexcept {
  const std::span<char> scratch = loop_.scratch();
  for (int i = 0; i < kReceiveBudget; ++i) {
    const std::size_t want = std::min<std::size_t>(receiveBytes_, scratch.size());
    const ssize_t got = syscall::recv(fd_.get(), scratch.data(), want, 0);
    if (got > 0) {
      const auto size = static_cast<std::size_t>(got);
      // A ring does not tell of urgent data, so there a short receive says nothing.
      const bool isDrained = size < want && !sawEnd_ && !sawUrgent_ && ring_ == nullptr;
      if (isDrained) {
        hasInput_ = false;
      }
      if (ring_ != nullptr) {
        noteReceive(size < want);
      }
      if (filter_ != nullptr) {
        filter_->onWireReceived({scratch.data(), size});
      } else {
        owner_->onReceived(*this, {scratch.data(), size});
      }
      if (ring_ != nullptr && isReceiving_ && mayBeShot()) {
        enterShot();
        return;
      }
      if (isDrained || !isReceiving_ || outgoing_ != nullptr) {
        return;
      }
      continue;
    }
    if (got == 0) {
      end(StreamEnd::Eof);
      return;
    }
    if (errno == EAGAIN) {
      hasInput_ = false;
      return;
    }
    if (errno != EINTR) {
      end(StreamEnd::Reset);
      return;
    }
  }
  loop_.queue(*this);
}

void Stream::onRoom() noexcept {
  if (ring_ != nullptr) {
    room_ = Ring::kNone;
    if (isConnecting_) {
      finishConnect();
      return;
    }
    if (!sendUnsent()) {
      return;
    }
  }
  if (isWireHeld_) {
    filter_->onWireRoom();
    if (!fd_.isOpen() || isWireHeld_) {
      return;
    }
  }
  if (incoming_ != nullptr) {
    incoming_->run();
  } else if (wantsRoom_) {
    wantsRoom_ = false;
    if (filter_ != nullptr) {
      filter_->onWireRoom();
    } else {
      owner_->onSendRoom(*this);
    }
  }
}

void Stream::onEvents(std::uint32_t events) noexcept {
  if (!fd_.isOpen()) {
    return;
  }
  if ((events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    hasInput_ = true;
    sawUrgent_ = sawUrgent_ || (events & EPOLLPRI) != 0;
    sawEnd_ = sawEnd_ || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  }
  if (ring_ != nullptr && !workOffHeld()) {
    return;
  }
  if (isConnecting_) {
    if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) == 0) {
      return;
    }
    finishConnect();
    if (!fd_.isOpen()) {
      return;
    }
  } else if ((events & EPOLLOUT) != 0) {
    onRoom();
    if (!fd_.isOpen()) {
      return;
    }
  }
  if (filter_ != nullptr && isReceiving_ && filter_->hasHeld()) {
    filter_->resume();
    if (!fd_.isOpen() || !isReceiving_ || (filter_ != nullptr && filter_->hasHeld())) {
      return;
    }
  }
  if (!hasInput_) {
    return;
  }
  if (outgoing_ != nullptr) {
    outgoing_->run();
  } else if (isReceiving_) {
    receive();
  } else if ((events & EPOLLERR) != 0) {
    end(StreamEnd::Reset);
  }
}

} // namespace sluice::net
