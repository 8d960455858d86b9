#include "net/peek.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "net/farewell.h"
#include "net/syscall.h"

namespace sluice::net {

namespace {

static_assert(Peek::kMaxBytes * 2 <= 128 * 1024);

ssize_t receive(int fd, char* into, std::size_t size, int flags) noexcept {
  ssize_t got = 0;
  do {
    got = syscall::recv(fd, into, size, flags | MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  return got;
}

} // namespace

Status Peek::start(UniqueFd fd) noexcept {
  fd_ = std::move(fd);
  // By edges: what is only looked at stays readable.
  const Status status = loop_.watch(fd_.get(), EPOLLIN | EPOLLRDHUP | EPOLLET, *this);
  if (!status) {
    fd_.reset();
    return status;
  }
  isWatched_ = true;
  return {};
}

void Peek::onEvents(std::uint32_t events) noexcept {
  if (!fd_.isOpen()) {
    return;
  }
  if ((events & EPOLLERR) != 0) {
    // What had arrived before could still be read, by nobody's wish.
    owner_.onPeekFailed();
    return;
  }
  hasEnded_ = hasEnded_ || (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
  look();
}

void Peek::look() noexcept {
  char* into = loop_.scratch().data();
  const ssize_t got = receive(fd_.get(), into, kMaxBytes, MSG_PEEK);
  if (got < 0 && errno != EAGAIN) {
    owner_.onPeekFailed();
    return;
  }
  hasEnded_ = hasEnded_ || got == 0;
  owner_.onPeeked({into, got > 0 ? static_cast<std::size_t>(got) : 0}, hasEnded_);
}

bool Peek::take(std::size_t bytes) noexcept {
  // It has been seen to be there, so that one receive takes it all.
  return receive(fd_.get(), loop_.scratch().data(), bytes, 0) == static_cast<ssize_t>(bytes);
}

UniqueFd Peek::release() noexcept {
  loop_.unqueue(*this);
  if (std::exchange(isWatched_, false)) {
    loop_.unwatch(fd_.get(), *this);
  }
  return std::move(fd_);
}

void Peek::closeWith(std::string_view lastWords) noexcept {
  while (receive(fd_.get(), loop_.scratch().data(), kMaxBytes, 0) > 0) {
  }
  ssize_t sent = 0;
  do {
    sent =
        syscall::send(fd_.get(), lastWords.data(), lastWords.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  ByteQueue rest;
  if (sent >= 0 && static_cast<std::size_t>(sent) < lastWords.size() &&
      rest.append(loop_.buffers(), lastWords.substr(static_cast<std::size_t>(sent)))) {
    Farewell::begin(loop_, release(), rest);
    return;
  }
  close();
}

void Peek::abort() noexcept {
  if (fd_.isOpen()) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  close();
}

void Peek::close() noexcept {
  if (!fd_.isOpen()) {
    return;
  }
  loop_.unqueue(*this);
  if (std::exchange(isWatched_, false)) {
    loop_.forget(*this);
  }
  fd_.reset();
}

} // namespace sluice::net
