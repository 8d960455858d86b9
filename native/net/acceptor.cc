#include "net/acceptor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <utility>

namespace sluice::net {

namespace {

constexpr int kAcceptBudget = 64;
constexpr std::uint64_t kRestMs = 50;

/// Held by the one worker that sheds. Its reserve is nobody's for a moment; a worker that took it
/// then would keep it for as long as its clients stay, and the other could shed no more.
std::mutex shedding;
/// Written by whoever holds the mutex; relaxed: who looks too early only gets the descriptor.
std::atomic<bool> isSheddingNow{false};

UniqueFd openReserve() noexcept {
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

} // namespace

bool Acceptor::isShedding() noexcept {
  return isSheddingNow.load(std::memory_order_relaxed);
}

Status Acceptor::start(UniqueFd fd, bool isShared) noexcept {
  fd_ = std::move(fd);
  reserve_ = openReserve();
  events_ = isShared ? static_cast<std::uint32_t>(EPOLLIN) | EPOLLEXCLUSIVE
                     : static_cast<std::uint32_t>(EPOLLIN);
  return loop_.watch(fd_.get(), events_, *this);
}

void Acceptor::close() noexcept {
  rest_.cancel();
  loop_.unqueue(*this);
  if (fd_.isOpen()) {
    // Another worker may hold the same socket, so closing alone would not end the registration.
    loop_.unwatch(fd_.get(), *this);
    fd_.reset();
    // Whoever is told that the listener is closed finds it so.
    loop_.settle();
  }
  reserve_.reset();
}

void Acceptor::rest() noexcept {
  loop_.unwatch(fd_.get(), *this);
  loop_.arm(rest_, kRestMs);
}

void Acceptor::onTimer(Timer&) noexcept {
  if (!reserve_.isOpen()) {
    // Somebody was quicker when it was last given up.
    reserve_ = openReserve();
  }
  // Registered anew rather than modified: EPOLLEXCLUSIVE cannot be modified.
  if (!loop_.watch(fd_.get(), events_, *this)) {
    loop_.arm(rest_, kRestMs);
  }
}

bool Acceptor::shedOne(int error) noexcept {
  if (!reserve_.isOpen()) {
    return false;
  }
  bool isShed = false;
  {
    const std::lock_guard lock(shedding);
    isSheddingNow.store(true, std::memory_order_relaxed);
    reserve_.reset();
    // Without a descriptor accept() fails before it looks: there may be nobody to shed.
    UniqueFd newest(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    isShed = newest.isOpen();
    newest.reset();
    reserve_ = openReserve();
    isSheddingNow.store(false, std::memory_order_relaxed);
  }
  if (isShed) {
    owner_.onShed(error == EMFILE || error == ENFILE ? Errc::OutOfDescriptors : Errc::OutOfMemory);
  }
  return isShed;
}

void Acceptor::onEvents(std::uint32_t) noexcept {
  for (int i = 0; i < kAcceptBudget && fd_.isOpen(); ++i) {
    SocketAddress client;
    socklen_t length = SocketAddress::kCapacity;
    UniqueFd accepted;
    if (isShedding()) {
      errno = EMFILE;
    } else {
      accepted =
          UniqueFd(::accept4(fd_.get(), client.raw(), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    }
    if (accepted.isOpen()) {
      client.setLength(length);
      owner_.onAccepted(std::move(accepted), client);
      continue;
    }
    switch (errno) {
    case EAGAIN:
      if (!reserve_.isOpen()) {
        // Given up when there was no other, or never had: as long as there are some, one is set aside.
        reserve_ = openReserve();
      }
      return;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      if (!shedOne(errno)) {
        rest();
        return;
      }
      if (i + 1 == kAcceptBudget) {
        rest();
      }
      break;
    default:
      // The connection died before it was accepted (ECONNABORTED, EPROTO and the network errors of
      // accept(2)).
      break;
    }
  }
}

} // namespace sluice::net
