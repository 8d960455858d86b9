// The system calls of the byte path without libc around them. In a program with threads libc's
// wrappers of calls that may block change the thread's cancellation state before and after each
// call, for pthread_cancel(), which we never use: that is a tenth of the user-mode time of a small
// request. Results and errno as from libc.
//
// Under a sanitizer, and on other machines, these are libc's own, so that the sanitizer sees what
// is written.
#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>

#include <fcntl.h>

namespace sluice::net::syscall {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLUICE_LIBC_CALLS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SLUICE_LIBC_CALLS 1
#endif
#endif

#if defined(__x86_64__) && !defined(SLUICE_LIBC_CALLS)

namespace detail {

/// Linux's calling convention on x86-64: arguments in rdi, rsi, rdx, r10, r8, r9; rcx and r11 are
/// lost; a result from -4095 to -1 is a negated errno.
inline long call(long number, long a, long b, long c, long d, long e, long f) noexcept {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result = number;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  if (result < 0 && result >= -4095) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return result;
}

/// An address as the kernel takes it.
inline long address(const void* pointer) noexcept {
  // RULE: a system call's arguments are registers; the kernel makes this one the pointer again.
  return reinterpret_cast<long>(pointer);
}

} // namespace detail

[[nodiscard]] inline ssize_t recv(int fd, void* bytes, std::size_t size, int flags) noexcept {
  return detail::call(SYS_recvfrom, fd, detail::address(bytes), static_cast<long>(size), flags, 0,
                      0);
}
[[nodiscard]] inline ssize_t send(int fd, const void* bytes, std::size_t size, int flags) noexcept {
  return detail::call(SYS_sendto, fd, detail::address(bytes), static_cast<long>(size), flags, 0, 0);
}
[[nodiscard]] inline ssize_t sendmsg(int fd, const msghdr* message, int flags) noexcept {
  return detail::call(SYS_sendmsg, fd, detail::address(message), flags, 0, 0, 0);
}
[[nodiscard]] inline int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
  return static_cast<int>(detail::call(SYS_recvmmsg, fd, detail::address(messages),
                                       static_cast<long>(count), flags, 0, 0));
}
[[nodiscard]] inline int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
  return static_cast<int>(detail::call(SYS_sendmmsg, fd, detail::address(messages),
                                       static_cast<long>(count), flags, 0, 0));
}
[[nodiscard]] inline ssize_t splice(int from, int to, std::size_t size, unsigned flags) noexcept {
  return detail::call(SYS_splice, from, 0, to, 0, static_cast<long>(size),
                      static_cast<long>(flags));
}
[[nodiscard]] inline int epoll_wait(int fd, epoll_event* events, int most, int timeoutMs) noexcept {
  return static_cast<int>(
      detail::call(SYS_epoll_wait, fd, detail::address(events), most, timeoutMs, 0, 0));
}

#else

[[nodiscard]] inline ssize_t recv(int fd, void* bytes, std::size_t size, int flags) noexcept {
  return ::recv(fd, bytes, size, flags);
}
[[nodiscard]] inline ssize_t send(int fd, const void* bytes, std::size_t size, int flags) noexcept {
  return ::send(fd, bytes, size, flags);
}
[[nodiscard]] inline ssize_t sendmsg(int fd, const msghdr* message, int flags) noexcept {
  return ::sendmsg(fd, message, flags);
}
[[nodiscard]] inline int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
  return ::recvmmsg(fd, messages, count, flags, nullptr);
}
[[nodiscard]] inline int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) noexcept {
  return ::sendmmsg(fd, messages, count, flags);
}
[[nodiscard]] inline ssize_t splice(int from, int to, std::size_t size, unsigned flags) noexcept {
  return ::splice(from, nullptr, to, nullptr, size, flags);
}
[[nodiscard]] inline int epoll_wait(int fd, epoll_event* events, int most, int timeoutMs) noexcept {
  return ::epoll_wait(fd, events, most, timeoutMs);
}

#endif

} // namespace sluice::net::syscall
