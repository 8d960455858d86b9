// What the tests of net/ share: the far ends of real loopback connections, a loop that is turned by
// hand, and a limit on descriptors.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/listen.h"
#include "net/loop.h"
#include "net/stream.h"
#include "test/test.h"

namespace sluice::test {

inline net::SocketAddress loopback(std::uint16_t port) {
  return net::SocketAddress::ip(AddressFamily::Ipv4, std::array<std::uint8_t, 4>{127, 0, 0, 1},
                                port);
}

inline std::uint16_t portOf(const UniqueFd& fd) {
  net::SocketAddress bound;
  socklen_t length = net::SocketAddress::kCapacity;
  CHECK_EQ(::getsockname(fd.get(), bound.raw(), &length), 0);
  bound.setLength(length);
  return bound.port();
}

/// The far end of a connection: a plain socket that never waits.
class Far {
 public:
  explicit Far(UniqueFd fd) : fd_(std::move(fd)) {
    CHECK(fd_.isOpen());
    CHECK_EQ(::fcntl(fd_.get(), F_SETFL, O_NONBLOCK), 0);
  }

  void send(std::string_view bytes) const {
    CHECK_EQ(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
             static_cast<ssize_t>(bytes.size()));
  }
  void sendUrgent(char byte) const { CHECK_EQ(::send(fd_.get(), &byte, 1, MSG_OOB), 1); }
  /// As much as the kernel takes.
  std::size_t sendSome(std::string_view bytes) const {
    const ssize_t put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return put > 0 ? static_cast<std::size_t>(put) : 0;
  }
  void finish() const { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd_.reset();
  }
  /// Reads what is there; sets `hasEnded` or `wasReset` when there is an end.
  void read() {
    std::array<char, 65536> into;
    for (;;) {
      const ssize_t got = ::recv(fd_.get(), into.data(), into.size(), 0);
      if (got > 0) {
        received.append(into.data(), static_cast<std::size_t>(got));
        continue;
      }
      hasEnded = hasEnded || got == 0;
      wasReset = wasReset || (got < 0 && !isWaiting());
      return;
    }
  }

  std::string received;
  bool hasEnded = false;
  bool wasReset = false;

 private:
  /// Has merely nothing to read: a socket that was reset has no peer any more.
  [[nodiscard]] bool isWaiting() const {
    net::SocketAddress peer;
    socklen_t length = net::SocketAddress::kCapacity;
    return ::getpeername(fd_.get(), peer.raw(), &length) == 0;
  }

  UniqueFd fd_;
};

struct Connection {
  /// Non-blocking, as from accept.
  UniqueFd near;
  UniqueFd far;
};

inline Connection connectLoopback() {
  net::Listening listening = net::listenStream(loopback(0));
  CHECK(listening.fd.isOpen());
  const net::SocketAddress address = loopback(portOf(listening.fd));
  UniqueFd far(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK_EQ(::connect(far.get(), address.raw(), address.length()), 0);
  UniqueFd near(::accept4(listening.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  CHECK(near.isOpen());
  return {std::move(near), std::move(far)};
}

/// A loop that is turned until something holds.
class Turning : public net::TimerOwner {
 public:
  explicit Turning(const net::RingSizes& sizes = {})
      : loop_(std::make_unique<net::Loop>()), tick_(*this) {
    if (loopUnderTest() == LoopUnderTest::IoUring) {
      loop_->useRing(sizes);
      CHECK_EQ(loop_->ringProblem(), "");
    }
    onTimer(tick_);
  }
  ~Turning() {
    tick_.cancel();
    loop_->finish();
  }

  [[nodiscard]] net::Loop& loop() { return *loop_; }
  void turn() {
    ++turns;
    loop_->turn();
  }
  /// Everything under way on loopback arrives within a few turns.
  void settle() {
    for (int i = 0; i < 4; ++i) {
      turn();
    }
  }
  /// Fails after five seconds.
  template<typename Claim>
  void until(const char* what, Claim isDone) {
    const std::uint64_t end = loop_->nowMs() + 5000;
    while (!isDone()) {
      if (loop_->nowMs() > end) {
        fail(__FILE__, __LINE__, std::string("still waiting for ") + what);
        return;
      }
      turn();
    }
  }
  /// Turns for so long.
  void pass(std::uint64_t ms) {
    const std::uint64_t end = loop_->nowMs() + ms;
    while (loop_->nowMs() < end) {
      turn();
    }
  }

  int turns = 0;

 private:
  /// So that a turn never waits long.
  void onTimer(net::Timer&) noexcept final { loop_->arm(tick_, 4); }

  std::unique_ptr<net::Loop> loop_;
  net::Timer tick_;
};

/// Keeps what a stream said.
class Listening final : public net::StreamOwner {
 public:
  std::string received;
  std::optional<net::StreamEnd> end;
  int ends = 0;
  int rooms = 0;
  std::optional<Errc> outcome;
  /// Called with each piece, after it was kept.
  void (*onBytes)(Listening&, net::Stream&) = nullptr;
  /// The largest piece.
  std::size_t largest = 0;

 private:
  void onReceived(net::Stream& stream, std::string_view bytes) noexcept override {
    received.append(bytes);
    largest = std::max(largest, bytes.size());
    if (onBytes != nullptr) {
      onBytes(*this, stream);
    }
  }
  void onReceiveEnd(net::Stream&, net::StreamEnd how) noexcept override {
    end = how;
    ++ends;
  }
  void onSendRoom(net::Stream&) noexcept override { ++rooms; }
  void onConnected(net::Stream&, Errc code) noexcept override { outcome = code; }
};

/// While it lives the process can open no further descriptor.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    // Every number below the highest one in use is taken, so that whoever gives up a descriptor
    // gets that one back and nobody finds a gap.
    int highest = 0;
    for (int fd = 0; fd < 4096; ++fd) {
      if (::fcntl(fd, F_GETFD) >= 0) {
        highest = fd;
      }
    }
    UniqueFd filler(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    while (filler.isOpen() && filler.get() < highest) {
      fillers_.push_back(std::move(filler));
      filler = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(filler.get());
    CHECK_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
  std::vector<UniqueFd> fillers_;
};

/// Text in which a byte that is lost, doubled or moved shows.
inline std::string pattern(std::size_t size) {
  std::string text;
  text.reserve(size + 16);
  for (std::uint64_t i = 0; text.size() < size; ++i) {
    text += std::to_string(i * 2654435761U);
  }
  text.resize(size);
  return text;
}

} // namespace sluice::test
