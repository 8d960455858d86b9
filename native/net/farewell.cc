#include "net/farewell.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <new>
#include <utility>

#include "net/ktls.h"

namespace sluice::net {

namespace {

constexpr std::uint32_t kWritable = static_cast<std::uint32_t>(EPOLLOUT) | EPOLLET;
constexpr std::uint64_t kPatienceMs = 30'000;

} // namespace

Farewell::Farewell(Loop& loop, UniqueFd fd, ByteQueue& unsent) noexcept
    : loop_(loop), fd_(std::move(fd)), patience_(*this) {
  unsent_.adopt(unsent);
  loop_.add(*this);
}

void Farewell::begin(Loop& loop, UniqueFd fd, ByteQueue& unsent) noexcept {
  auto* farewell = new (std::nothrow) Farewell(loop, std::move(fd), unsent);
  if (farewell == nullptr) {
    unsent.clear(loop.buffers());
    return;
  }
  farewell->wait();
}

void Farewell::beginGoodbye(Loop& loop, UniqueFd fd) noexcept {
  ByteQueue nothing;
  auto* farewell = new (std::nothrow) Farewell(loop, std::move(fd), nothing);
  if (farewell != nullptr) {
    farewell->owesCloseNotify_ = true;
    farewell->wait();
  }
}

void Farewell::wait() noexcept {
  loop_.arm(patience_, kPatienceMs);
  if (!loop_.watch(fd_.get(), kWritable, *this)) {
    end();
  }
}

void Farewell::end() noexcept {
  loop_.forget(*this);
  loop_.remove(*this);
  patience_.cancel();
  unsent_.clear(loop_.buffers());
  fd_.reset();
  loop_.dispose(*this);
}

void Farewell::onEvents(std::uint32_t) noexcept {
  if (!fd_.isOpen()) {
    return;
  }
  while (!unsent_.isEmpty()) {
    const std::string_view rest = unsent_.view();
    const ssize_t sent = ::send(fd_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      unsent_.consume(loop_.buffers(), static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
      return;
    } else if (errno != EINTR) {
      break;
    }
  }
  if (owesCloseNotify_ && sendRecord(fd_.get(), kAlertRecord, kCloseNotify) == RecordSent::NoRoom) {
    return;
  }
  end();
}

} // namespace sluice::net
