#include "net/waker.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace sluice::net {

Waker::Waker(WakerOwner& owner) noexcept
    : owner_(owner), fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Status Waker::start(Loop& loop) noexcept {
  if (!fd_.isOpen()) {
    return Unexpected{Errc::OutOfDescriptors};
  }
  return loop.watch(fd_.get(), EPOLLIN, *this);
}

void Waker::wake() noexcept {
  ::eventfd_write(fd_.get(), 1);
}

void Waker::onEvents(std::uint32_t) noexcept {
  eventfd_t count = 0;
  ::eventfd_read(fd_.get(), &count);
  owner_.onWake();
}

} // namespace sluice::net
