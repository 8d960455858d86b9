// Bulk streams of the pattern: read from a source port, or written to a sink port whose count is
// compared with ours at the end. One thread, one loop. A stream that ends early is counted and not
// opened again. Of the Transport (load/transport.h) only the beginning is used: what it leads to is
// the socket itself, as a tunnel is.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "load/clients.h"
#include "load/latency.h"
#include "load/origin_tcp.h"
#include "load/pattern.h"
#include "load/sockets.h"

namespace sluice::load {

enum class Flow { Pull, Push };

template<typename Transport>
class Streams {
 public:
  Streams(Transport& transport, const sockaddr_in& target, Flow flow, double timeoutSeconds)
      : transport_(transport), pattern_(std::make_unique<Pattern>()), target_(target), flow_(flow),
        timeoutSeconds_(timeoutSeconds), buffer_(kBufferBytes) {}

  /// Moves `bytes` over a connection of its own and verifies every one of them, or ends the
  /// program.
  void check(std::uint64_t bytes) {
    Stream stream;
    open(stream);
    const bool isRight =
        flow_ == Flow::Pull ? pullExactly(stream, bytes) : pushExactly(stream, bytes);
    if (!isRight) {
      fail("check: the bytes that came back are not the bytes expected");
    }
    ::close(stream.fd);
  }

  void start(std::uint32_t count) {
    streams_.resize(count);
    for (Stream& stream : streams_) {
      open(stream);
      setNonBlocking(stream.fd);
      stream.movedNs = nowNs();
      epoll_.add(stream.fd, flow_ == Flow::Push ? EPOLLOUT : EPOLLIN, &stream);
    }
  }

  void runFor(double seconds) {
    const std::uint64_t end = nowNs() + secondsToNs(seconds);
    for (now_ = nowNs(); now_ < end && tally_.closed < streams_.size(); now_ = nowNs()) {
      epoll_.turn(kTurnNs, [this](void* owner, std::uint32_t) {
        auto& stream = *static_cast<Stream*>(owner);
        return flow_ == Flow::Pull ? pull(stream) : push(stream);
      });
    }
  }

  void finish() {
    const std::uint64_t now = nowNs();
    for (const Stream& stream : streams_) {
      const bool isStalled =
          stream.bytes == 0 || now > stream.movedNs + secondsToNs(timeoutSeconds_);
      if (stream.isOpen && isStalled) {
        ++tally_.stalled;
      } else if (stream.isOpen && flow_ == Flow::Push && !isSwallowed(stream)) {
        ++tally_.wrong;
      }
      ::close(stream.fd);
    }
  }

  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  static constexpr std::size_t kBufferBytes = 256 * 1024;
  static constexpr std::uint64_t kVerifiedBytes = 1024 * 1024;
  static constexpr std::int64_t kTurnNs = 10'000'000;

  struct Stream {
    int fd = -1;
    bool isOpen = true;
    std::uint64_t bytes = 0;
    std::uint64_t movedNs = 0; ///< when it last did
  };

  void open(Stream& stream) {
    stream.fd = connectTo(target_, SOCK_STREAM);
    typename Transport::Link link;
    transport_.open(link, stream.fd);
    if (!transport_.begin(link, stream.fd)) {
      fail(transport_.whyNotReady().c_str());
    }
  }

  void pull(Stream& stream) {
    const ssize_t length = ::recv(stream.fd, buffer_.data(), buffer_.size(), 0);
    if (length <= 0) {
      return mayTryAgain(length) ? void() : onClosed(stream);
    }
    const auto got = static_cast<std::size_t>(length);
    if (stream.bytes < kVerifiedBytes &&
        !pattern_->matches(stream.bytes, std::span(buffer_).first(got))) {
      ++tally_.wrong;
    }
    onMoved(stream, got);
  }

  void push(Stream& stream) {
    const std::span<const std::byte> data = pattern_->from(stream.bytes);
    const ssize_t sent = ::send(stream.fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      return mayTryAgain(sent) ? void() : onClosed(stream);
    }
    onMoved(stream, static_cast<std::size_t>(sent));
  }

  void onMoved(Stream& stream, std::size_t bytes) {
    stream.bytes += bytes;
    stream.movedNs = now_;
    tally_.bytes += bytes;
  }

  void onClosed(Stream& stream) {
    ++tally_.closed;
    stream.isOpen = false;
    epoll_.remove(stream.fd);
  }

  [[nodiscard]] bool pullExactly(Stream& stream, std::uint64_t bytes) {
    while (stream.bytes < bytes) {
      const ssize_t length = ::recv(stream.fd, buffer_.data(), buffer_.size(), 0);
      if (length <= 0 || !pattern_->matches(stream.bytes, std::span(buffer_).first(
                                                              static_cast<std::size_t>(length)))) {
        return false;
      }
      onMoved(stream, static_cast<std::size_t>(length));
    }
    return true;
  }

  [[nodiscard]] bool pushExactly(Stream& stream, std::uint64_t bytes) {
    while (stream.bytes < bytes) {
      const std::span<const std::byte> data = pattern_->from(stream.bytes);
      const ssize_t sent = ::send(stream.fd, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      onMoved(stream, static_cast<std::size_t>(sent));
    }
    return isSwallowed(stream);
  }

  /// Ends the stream and compares what the sink says it swallowed with what we sent. Through a
  /// tunnel the end is said: there are proxies that close all of one when one side of it is closed.
  [[nodiscard]] static bool isSwallowed(const Stream& stream) {
    const int flags = ::fcntl(stream.fd, F_GETFL);
    ::fcntl(stream.fd, F_SETFL, flags & ~O_NONBLOCK);
    if constexpr (Transport::kNegotiates) {
      static_cast<void>(::send(stream.fd, kSinkEnd.data(), kSinkEnd.size(), MSG_NOSIGNAL));
    } else {
      ::shutdown(stream.fd, SHUT_WR);
    }
    std::uint64_t answer[2] = {0, 1};
    const ssize_t length = ::recv(stream.fd, answer, sizeof answer, MSG_WAITALL);
    return length == sizeof answer && answer[0] == stream.bytes && answer[1] == 0;
  }

  Transport& transport_;
  std::unique_ptr<Pattern> pattern_;
  Epoll epoll_;
  sockaddr_in target_;
  Flow flow_;
  double timeoutSeconds_;
  std::vector<std::byte> buffer_;
  std::vector<Stream> streams_;
  std::uint64_t now_ = 0;
  Tally tally_;
};

} // namespace sluice::load
