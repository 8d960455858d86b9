// What the origin and the mirrors of the self-tests are made of: one loop that wakes entries, and
// listeners that hand out what they accept.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <utility>
#include <vector>

#include "load/pattern.h"
#include "load/sockets.h"

namespace sluice::load {

/// Anything epoll can wake us for.
struct Entry {
  virtual void onReady(std::uint32_t events) = 0;
  virtual ~Entry() = default;
};

struct Shared {
  static constexpr std::size_t kBufferBytes = 256 * 1024;

  Pattern pattern;
  Epoll epoll;
  std::vector<std::byte> buffer = std::vector<std::byte>(kBufferBytes);

  void turn(std::int64_t timeoutNs) {
    epoll.turn(timeoutNs, [](void* owner, std::uint32_t events) {
      static_cast<Entry*>(owner)->onReady(events);
    });
  }
};

/// Calls `accept(fd)` with each connection, non-blocking.
template<typename Accept>
class Listener final : public Entry {
 public:
  Listener(Shared& shared, sockaddr_in& address, Accept accept)
      : fd_(bindTo(address, SOCK_STREAM)), spareFd_(::dup(fd_)), accept_(std::move(accept)) {
    shared.epoll.add(fd_, EPOLLIN, this);
  }

  void onReady(std::uint32_t) override {
    for (int accepted = 0; accepted < kAcceptsATurn; ++accepted) {
      const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        setNoDelay(fd);
        accept_(fd);
      } else if (errno == EMFILE || errno == ENFILE) {
        return shed();
      } else {
        return;
      }
    }
  }

 private:
  static constexpr int kAcceptsATurn = 64;

  /// Out of descriptors: the newest connection is closed rather than left to wake us for ever.
  void shed() {
    ::close(spareFd_);
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) {
      ::close(fd);
    }
    spareFd_ = ::dup(fd_);
  }

  int fd_;
  int spareFd_;
  Accept accept_;
};

} // namespace sluice::load
