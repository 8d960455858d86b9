#include "net/listen.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace sluice::net {

namespace {

constexpr int kBacklog = 4096;
constexpr int kDatagramBufferBytes = 4 * 1024 * 1024;

Listening failed(int error) {
  struct Name {
    int error;
    const char* name;
  };
  static constexpr std::array<Name, 14> kNames{{{EADDRINUSE, "EADDRINUSE"},
                                                {EADDRNOTAVAIL, "EADDRNOTAVAIL"},
                                                {EACCES, "EACCES"},
                                                {EPERM, "EPERM"},
                                                {EMFILE, "EMFILE"},
                                                {ENFILE, "ENFILE"},
                                                {ENOENT, "ENOENT"},
                                                {ENOTDIR, "ENOTDIR"},
                                                {EISDIR, "EISDIR"},
                                                {EROFS, "EROFS"},
                                                {ENOSPC, "ENOSPC"},
                                                {EAFNOSUPPORT, "EAFNOSUPPORT"},
                                                {EINVAL, "EINVAL"},
                                                {ENOMEM, "ENOMEM"}}};
  for (const Name& known : kNames) {
    if (known.error == error) {
      return {UniqueFd(), known.name};
    }
  }
  return {UniqueFd(), "errno " + std::to_string(error)};
}

void enable(int fd, int level, int option) noexcept {
  const int on = 1;
  ::setsockopt(fd, level, option, &on, sizeof on);
}

/// Whether a unix socket file is there that nobody answers on.
bool isStale(const SocketAddress& address) noexcept {
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe.isOpen() && ::connect(probe.get(), address.raw(), address.length()) != 0 &&
         errno == ECONNREFUSED;
}

bool isUnix(const SocketAddress& address) noexcept {
  return address.family() == AddressFamily::Unix;
}

Listening open(const SocketAddress& address, int type, bool sharesPort) noexcept {
  UniqueFd fd(::socket(address.raw()->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.isOpen()) {
    return failed(errno);
  }
  if (!isUnix(address)) {
    if (type == SOCK_STREAM) {
      enable(fd.get(), SOL_SOCKET, SO_REUSEADDR);
    }
    if (sharesPort) {
      enable(fd.get(), SOL_SOCKET, SO_REUSEPORT);
    }
    if (address.family() == AddressFamily::Ipv6) {
      // [::] serves IPv4 as well, whatever the system's default.
      const int off = 0;
      ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
  }
  if (::bind(fd.get(), address.raw(), address.length()) != 0) {
    return failed(errno);
  }
  return {std::move(fd), {}};
}

} // namespace

Listening probe(SocketAddress& address, bool isStream) noexcept {
  if (isUnix(address)) {
    return {};
  }
  Listening opened = open(address, isStream ? SOCK_STREAM : SOCK_DGRAM, false);
  if (opened.fd.isOpen() && address.port() == 0) {
    SocketAddress bound;
    socklen_t length = SocketAddress::kCapacity;
    if (::getsockname(opened.fd.get(), bound.raw(), &length) == 0) {
      bound.setLength(length);
      address.setPort(bound.port());
    }
  }
  return opened;
}

Listening listenStream(const SocketAddress& address) noexcept {
  Listening opened = open(address, SOCK_STREAM, true);
  if (opened.error == "EADDRINUSE" && isUnix(address) && isStale(address)) {
    ::unlink(static_cast<const sockaddr_un*>(static_cast<const void*>(address.raw()))->sun_path);
    opened = open(address, SOCK_STREAM, true);
  }
  if (!opened.fd.isOpen()) {
    return opened;
  }
  if (!isUnix(address)) {
    // Accepted sockets inherit both, which saves two system calls a connection.
    enable(opened.fd.get(), IPPROTO_TCP, TCP_NODELAY);
    enable(opened.fd.get(), SOL_SOCKET, SO_KEEPALIVE);
  }
  if (::listen(opened.fd.get(), kBacklog) != 0) {
    return failed(errno);
  }
  return opened;
}

Listening bindDatagram(const SocketAddress& address) noexcept {
  Listening opened = open(address, SOCK_DGRAM, true);
  if (!opened.fd.isOpen()) {
    return opened;
  }
  // The address a datagram was sent to comes with it, so that the reply can leave from there.
  enable(opened.fd.get(), IPPROTO_IP, IP_PKTINFO);
  if (address.family() == AddressFamily::Ipv6) {
    enable(opened.fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO);
  }
  ::setsockopt(opened.fd.get(), SOL_SOCKET, SO_RCVBUF, &kDatagramBufferBytes, sizeof(int));
  ::setsockopt(opened.fd.get(), SOL_SOCKET, SO_SNDBUF, &kDatagramBufferBytes, sizeof(int));
  return opened;
}

Listening duplicate(const UniqueFd& fd) noexcept {
  UniqueFd copy(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.isOpen()) {
    return failed(errno);
  }
  return {std::move(copy), {}};
}

std::size_t raiseDescriptorLimit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return 0;
  }
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  return static_cast<std::size_t>(limit.rlim_cur);
}

Listening openLog(const std::string& path) noexcept {
  if (path == "-") {
    UniqueFd copy(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    return copy.isOpen() ? Listening{std::move(copy), {}} : failed(errno);
  }
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644));
  if (!fd.isOpen()) {
    return failed(errno);
  }
  return {std::move(fd), {}};
}

} // namespace sluice::net
