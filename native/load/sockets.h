// Socket calls of the load generators and the origin. Failures end the program: a generator that
// cannot open what it was asked to open has nothing to measure.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>

#include "load/command_line.h"

namespace sluice::load {

/// `127.0.0.1:80`: the generators speak IPv4 to literal addresses only.
[[nodiscard]] inline sockaddr_in parseAddress(const std::string& text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    fail("an address looks like 127.0.0.1:80");
  }
  const long port = std::strtol(text.c_str() + colon + 1, nullptr, 10);
  if (port < 0 || port > 65'535) {
    fail("a port is a number from 0 to 65535");
  }
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

/// As it is written.
[[nodiscard]] inline std::string nameOf(const sockaddr_in& address) {
  char host[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, &address.sin_addr, host, sizeof host);
  return std::string(host) + ":" + std::to_string(ntohs(address.sin_port));
}

[[nodiscard]] inline bool mayTryAgain(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EINTR);
}

[[nodiscard]] inline const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

inline void raiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

inline void setNonBlocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
    fail("fcntl", errno);
  }
}

inline void setNoDelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

inline void pinTo(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<std::size_t>(core), &cores);
  if (::sched_setaffinity(0, sizeof cores, &cores) != 0) {
    fail("sched_setaffinity", errno);
  }
}

/// By default the kernel may wake a sleeper 50 us late in order to spare wake-ups: too late for
/// arrivals at intended instants.
inline void wakeExactly() {
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
}

/// Thousands of connections a second use up the ports of one address, because each rests for a
/// minute after its end. On loopback there are more addresses to come from.
inline void spreadSource(int fd, const sockaddr_in& target, std::uint32_t number) {
  constexpr std::uint32_t kLoopback = 0x7f000000;
  constexpr std::uint32_t kSources = 64;
  if ((ntohl(target.sin_addr.s_addr) & 0xff000000U) != kLoopback) {
    return;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(kLoopback + 1 + number % kSources);
  // Where there is no such address, the one that the kernel takes will do.
  static_cast<void>(::bind(fd, generic(source), sizeof source));
}

/// A socket that is connected or -1, blocking, whose calls give up after `seconds`.
[[nodiscard]] inline int tryConnectTo(const sockaddr_in& address, int type, int seconds = 5) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return -1;
  }
  const timeval patience{seconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(fd, generic(address), sizeof address) != 0) {
    const int error = errno;
    ::close(fd);
    errno = error;
    return -1;
  }
  if (type == SOCK_STREAM) {
    setNoDelay(fd);
  }
  return fd;
}

/// A connected socket, blocking, whose calls give up after `seconds`.
[[nodiscard]] inline int connectTo(const sockaddr_in& address, int type, int seconds = 5) {
  const int fd = tryConnectTo(address, type, seconds);
  if (fd < 0) {
    fail("connect", errno);
  }
  return fd;
}

/// Binds (and for TCP listens on) `address`, non-blocking; fills in the port.
[[nodiscard]] inline int bindTo(sockaddr_in& address, int type) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  socklen_t length = sizeof address;
  if (fd < 0 || ::bind(fd, generic(address), sizeof address) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    fail("bind", errno);
  }
  if (type == SOCK_STREAM && ::listen(fd, 4096) != 0) {
    fail("listen", errno);
  }
  return fd;
}

class Epoll {
 public:
  Epoll() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (fd_ < 0) {
      fail("epoll_create1", errno);
    }
  }
  Epoll(const Epoll&) = delete;
  Epoll& operator=(const Epoll&) = delete;
  ~Epoll() { ::close(fd_); }

  [[nodiscard]] bool tryAdd(int fd, std::uint32_t events, void* owner) const {
    return control(EPOLL_CTL_ADD, fd, events, owner);
  }
  void add(int fd, std::uint32_t events, void* owner) const {
    if (!control(EPOLL_CTL_ADD, fd, events, owner)) {
      fail("epoll_ctl", errno);
    }
  }
  void change(int fd, std::uint32_t events, void* owner) const {
    if (!control(EPOLL_CTL_MOD, fd, events, owner)) {
      fail("epoll_ctl", errno);
    }
  }

  void remove(int fd) const { static_cast<void>(control(EPOLL_CTL_DEL, fd, 0, nullptr)); }

  /// Waits for something to happen or `timeoutNs` to pass (forever when it is negative), then calls
  /// `visit(owner, events)` for each event. Sleeps by epoll_pwait2, whose high-resolution timer
  /// costs no system call of its own and, under wakeExactly(), wakes within tens of microseconds (as
  /// `arrivalLagUs` shows for each run) without ever spinning; a kernel
  /// older than 5.11 counts in milliseconds, so there the last one is spent asking.
  template<typename Visit>
  void turn(std::int64_t timeoutNs, Visit&& visit) {
    const int count = wait(timeoutNs);
    if (count < 0 && errno != EINTR) {
      fail("epoll_wait", errno);
    }
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events_[static_cast<std::size_t>(i)];
      visit(event.data.ptr, event.events);
    }
  }

 private:
  [[nodiscard]] int wait(std::int64_t timeoutNs) {
    const auto room = static_cast<int>(events_.size());
    if (timeoutNs <= 0) {
      return ::epoll_wait(fd_, events_.data(), room, timeoutNs < 0 ? -1 : 0);
    }
#ifdef SYS_epoll_pwait2
    if (isPrecise_) {
      const timespec timeout{timeoutNs / 1'000'000'000, timeoutNs % 1'000'000'000};
      const long count =
          ::syscall(SYS_epoll_pwait2, fd_, events_.data(), room, &timeout, nullptr, 0);
      if (count >= 0 || errno != ENOSYS) {
        return static_cast<int>(count);
      }
      isPrecise_ = false;
    }
#endif
    return ::epoll_wait(fd_, events_.data(), room, static_cast<int>(timeoutNs / 1'000'000));
  }

  [[nodiscard]] bool control(int operation, int fd, std::uint32_t events, void* owner) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = owner;
    return ::epoll_ctl(fd_, operation, fd, &event) == 0;
  }

  int fd_;
  bool isPrecise_ = true;
  std::array<epoll_event, 512> events_{};
};

} // namespace sluice::load
