// The target behind the proxies of a TCP or UDP comparison: one process, one epoll loop.
//   tcp echo    sends back what arrives
//   tcp source  sends the pattern for as long as the client stays; stops when the client
//   half-closes tcp sink    swallows the pattern; when the client half-closes, answers with two
//   little-endian 64-bit
//               numbers (bytes swallowed, 1 if the checked beginning was wrong), then closes
//   udp echo    sends each datagram back, in batches
//
//   origin [--host 127.0.0.1] [--echo 0] [--source 0] [--sink 0] [--udp 0]
//
// Prints its ports as one line of JSON, then runs until it is killed or its standard input ends.
#include <csignal>
#include <cstdio>
#include <memory>
#include <vector>

#include "command_line.h"
#include "pattern.h"
#include "sockets.h"

namespace bench {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::uint64_t kCheckedBytes = 1024 * 1024;
constexpr std::size_t kBatch = 64;
constexpr std::size_t kLargestDatagram = 65'535;
constexpr int kUdpBufferBytes = 4 * 1024 * 1024;

enum class Role { Echo, Source, Sink };

/// Anything epoll can wake us for.
struct Entry {
  virtual void onReady(std::uint32_t events) = 0;
  virtual ~Entry() = default;
};

struct Shared {
  Pattern pattern;
  Epoll epoll;
  std::vector<std::byte> buffer = std::vector<std::byte>(kBufferBytes);
};

/// Owned by itself: deletes itself once its socket is closed.
class Connection final : public Entry {
 public:
  Connection(Shared& shared, int fd, Role role) : shared_(shared), fd_(fd), role_(role) {
    setNoDelay(fd);
    shared_.epoll.add(fd, role == Role::Source ? EPOLLIN | EPOLLOUT : EPOLLIN, this);
  }

  void onReady(std::uint32_t events) override {
    bool isOpen = (events & (EPOLLERR | EPOLLHUP)) == 0;
    if (isOpen && (events & EPOLLOUT) != 0) {
      isOpen = role_ == Role::Source ? sendPattern() : sendPending();
    }
    if (isOpen && (events & EPOLLIN) != 0) {
      isOpen = receive();
    }
    if (!isOpen) {
      ::close(fd_);
      delete this;
    }
  }

 private:
  [[nodiscard]] static bool mayTryAgain(ssize_t result) {
    return result < 0 && (errno == EAGAIN || errno == EINTR);
  }

  [[nodiscard]] bool receive() {
    const ssize_t length = ::recv(fd_, shared_.buffer.data(), shared_.buffer.size(), 0);
    if (length <= 0) {
      return mayTryAgain(length) || (length == 0 && onEnd());
    }
    const std::span<const std::byte> data(shared_.buffer.data(), static_cast<std::size_t>(length));
    if (role_ == Role::Echo) {
      return echo(data);
    }
    if (role_ == Role::Sink && bytes_ < kCheckedBytes && !shared_.pattern.matches(bytes_, data)) {
      isWrong_ = true;
    }
    bytes_ += role_ == Role::Sink ? data.size() : 0;
    return true;
  }

  [[nodiscard]] bool echo(std::span<const std::byte> data) {
    const ssize_t sent = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0 && !mayTryAgain(sent)) {
      return false;
    }
    const std::size_t done = sent > 0 ? static_cast<std::size_t>(sent) : 0;
    if (done < data.size()) {
      pending_.assign(data.begin() + static_cast<std::ptrdiff_t>(done), data.end());
      shared_.epoll.change(fd_, EPOLLOUT, this);
    }
    return true;
  }

  [[nodiscard]] bool sendPending() {
    const ssize_t sent = ::send(fd_, pending_.data(), pending_.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      return mayTryAgain(sent);
    }
    pending_.erase(pending_.begin(), pending_.begin() + sent);
    if (pending_.empty()) {
      shared_.epoll.change(fd_, EPOLLIN, this);
    }
    return true;
  }

  [[nodiscard]] bool sendPattern() {
    const std::span<const std::byte> data = shared_.pattern.from(bytes_);
    const ssize_t sent = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
    bytes_ += sent > 0 ? static_cast<std::uint64_t>(sent) : 0;
    return sent >= 0 || mayTryAgain(sent);
  }

  /// The client is done. Returns whether the connection stays open: it never does.
  [[nodiscard]] bool onEnd() const {
    if (role_ == Role::Sink) {
      const std::uint64_t answer[2] = {bytes_, isWrong_ ? 1U : 0U};
      static_cast<void>(::send(fd_, answer, sizeof answer, MSG_NOSIGNAL));
    }
    return false;
  }

  Shared& shared_;
  int fd_;
  Role role_;
  bool isWrong_ = false;
  std::uint64_t bytes_ = 0;
  std::vector<std::byte> pending_;
};

class Listener final : public Entry {
 public:
  Listener(Shared& shared, sockaddr_in& address, Role role)
      : shared_(shared), fd_(bindTo(address, SOCK_STREAM)), role_(role) {
    shared_.epoll.add(fd_, EPOLLIN, this);
  }

  void onReady(std::uint32_t) override {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      new Connection(shared_, fd, role_); // deletes itself
    }
  }

 private:
  Shared& shared_;
  int fd_;
  Role role_;
};

class UdpEcho final : public Entry {
 public:
  UdpEcho(Shared& shared, sockaddr_in& address)
      : fd_(bindTo(address, SOCK_DGRAM)), bytes_(kBatch * kLargestDatagram) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kUdpBufferBytes, sizeof kUdpBufferBytes);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &kUdpBufferBytes, sizeof kUdpBufferBytes);
    shared.epoll.add(fd_, EPOLLIN, this);
  }

  void onReady(std::uint32_t) override {
    for (std::size_t i = 0; i < kBatch; ++i) {
      spans_[i] = {bytes_.data() + i * kLargestDatagram, kLargestDatagram};
      headers_[i] = {};
      headers_[i].msg_hdr.msg_name = &clients_[i];
      headers_[i].msg_hdr.msg_namelen = sizeof clients_[i];
      headers_[i].msg_hdr.msg_iov = &spans_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
    const int count = ::recvmmsg(fd_, headers_.data(), kBatch, MSG_DONTWAIT, nullptr);
    for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
      spans_[i].iov_len = headers_[i].msg_len;
    }
    for (int sent = 0; sent < count;) {
      const int done = ::sendmmsg(fd_, &headers_[static_cast<std::size_t>(sent)],
                                  static_cast<unsigned>(count - sent), 0);
      sent += done > 0 ? done : 1; // one that cannot be sent is lost, as on a wire
    }
  }

 private:
  int fd_;
  std::vector<std::byte> bytes_;
  std::array<sockaddr_in, kBatch> clients_{};
  std::array<iovec, kBatch> spans_{};
  std::array<mmsghdr, kBatch> headers_{};
};

/// Whoever started us holds the other end of our standard input: when that ends, so do we.
class Parent final : public Entry {
 public:
  explicit Parent(Shared& shared) {
    // Files and /dev/null cannot be waited for; a pipe can, and a terminal is left to the shell.
    if (::isatty(STDIN_FILENO) == 0) {
      static_cast<void>(shared.epoll.tryAdd(STDIN_FILENO, EPOLLIN, this));
    }
  }

  void onReady(std::uint32_t) override {
    char bytes[64];
    if (::read(STDIN_FILENO, bytes, sizeof bytes) <= 0) {
      std::exit(0);
    }
  }
};

int run(int count, char** values) {
  CommandLine line(count, values);
  const std::string host = line.text("--host", "127.0.0.1");
  const auto address = [&](const char* name) {
    return parseAddress(host + ":" + line.text(name, "0"));
  };
  sockaddr_in echo = address("--echo");
  sockaddr_in source = address("--source");
  sockaddr_in sink = address("--sink");
  sockaddr_in udp = address("--udp");
  line.refuseTheRest();
  raiseDescriptorLimit();

  const auto shared = std::make_unique<Shared>();
  Listener echoListener(*shared, echo, Role::Echo);
  Listener sourceListener(*shared, source, Role::Source);
  Listener sinkListener(*shared, sink, Role::Sink);
  UdpEcho udpEcho(*shared, udp);
  Parent parent(*shared);
  std::printf("{\"echo\":%u,\"source\":%u,\"sink\":%u,\"udp\":%u}\n", ntohs(echo.sin_port),
              ntohs(source.sin_port), ntohs(sink.sin_port), ntohs(udp.sin_port));
  std::fflush(stdout);
  for (;;) {
    shared->epoll.turn(
        -1, [](void* owner, std::uint32_t events) { static_cast<Entry*>(owner)->onReady(events); });
  }
}

} // namespace
} // namespace bench

int main(int count, char** values) {
  return bench::run(count, values);
}
