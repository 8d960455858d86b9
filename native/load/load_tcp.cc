// TCP load through a proxy, in one of three modes:
//   pull      streams read the pattern from an `origin` source port
//   push      streams write the pattern to an `origin` sink port, whose count is compared with ours
//   at the end pingpong  connections send a message to an echo port and wait for it, closed loop;
//   each echo is compared byte for byte
//
//   load_tcp --to 127.0.0.1:9000 --mode pingpong --connections 64 --size 100 --warmup 1 --seconds 5
//
// Begins with a check that verifies everything; while sampling, a stream verifies its first bytes
// and a pingpong all of them. Prints one JSON object. `totalBytes` and `totalMessages` count all
// work from start to end, for a caller who compares them with CPU time from start to end.
#include <sys/socket.h>

#include <cstdio>
#include <memory>
#include <vector>

#include "command_line.h"
#include "latency.h"
#include "pattern.h"
#include "sockets.h"

namespace bench {
namespace {

constexpr std::size_t kBufferBytes = 256 * 1024;
constexpr std::uint64_t kVerifiedBytes = 1024 * 1024;
constexpr std::uint64_t kStallNs = 5'000'000'000;

enum class Mode { Pull, Push, Pingpong };

struct Connection {
  int fd = -1;
  std::uint32_t number = 0;
  std::uint64_t bytes = 0; ///< moved (streams), or received of the current echo (pingpong)
  std::uint64_t sequence = 0;
  std::uint64_t sentNs = 0;
  bool isOpen = true;
};

struct Counts {
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
  std::uint64_t wrong = 0;
  std::uint64_t closed = 0;
  std::uint64_t stalled = 0;

  [[nodiscard]] std::uint64_t errors() const { return wrong + closed + stalled; }
};

[[nodiscard]] bool mayTryAgain(ssize_t result) {
  return result < 0 && (errno == EAGAIN || errno == EINTR);
}

class Load {
 public:
  Load(const sockaddr_in& target, Mode mode, std::uint32_t size)
      : pattern_(std::make_unique<Pattern>()), target_(target), mode_(mode), size_(size),
        buffer_(kBufferBytes), message_(size) {}

  /// Moves `bytes` over a connection of its own and verifies every one of them, or ends the
  /// program.
  void check(std::uint64_t bytes) {
    Connection connection;
    connection.fd = connectTo(target_, SOCK_STREAM);
    const bool isRight = mode_ == Mode::Pull   ? pullExactly(connection, bytes)
                         : mode_ == Mode::Push ? pushExactly(connection, bytes)
                                               : pingOnce(connection);
    if (!isRight) {
      fail("check: the bytes that came back are not the bytes expected");
    }
    ::close(connection.fd);
  }

  void start(std::uint32_t connections) {
    connections_.resize(connections);
    for (std::uint32_t i = 0; i < connections; ++i) {
      Connection& connection = connections_[i];
      connection.fd = connectTo(target_, SOCK_STREAM);
      connection.number = i;
      setNonBlocking(connection.fd);
      epoll_.add(connection.fd, mode_ == Mode::Push ? EPOLLOUT : EPOLLIN, &connection);
      if (mode_ == Mode::Pingpong) {
        ping(connection, nowNs());
      }
    }
  }

  void runFor(double seconds) {
    const std::uint64_t end = nowNs() + secondsToNs(seconds);
    while (nowNs() < end && counts_.closed < connections_.size()) {
      epoll_.turn(
          10, [this](void* owner, std::uint32_t) { onReady(*static_cast<Connection*>(owner)); });
    }
  }

  void finish() {
    for (Connection& connection : connections_) {
      if (mode_ == Mode::Push && connection.isOpen) {
        counts_.wrong += isSwallowed(connection) ? 0U : 1U;
      }
      if (mode_ == Mode::Pingpong && connection.isOpen && nowNs() > connection.sentNs + kStallNs) {
        ++counts_.stalled;
      }
      if (mode_ != Mode::Pingpong && connection.bytes == 0) {
        ++counts_.stalled;
      }
      ::close(connection.fd);
    }
  }

  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] Latencies& latencies() { return latencies_; }

 private:
  void onReady(Connection& connection) {
    switch (mode_) {
    case Mode::Pull:
      return onPull(connection);
    case Mode::Push:
      return onPush(connection);
    case Mode::Pingpong:
      return onEcho(connection);
    }
  }

  void onPull(Connection& connection) {
    const ssize_t length = ::recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (length <= 0) {
      return mayTryAgain(length) ? void() : onClosed(connection);
    }
    const auto got = static_cast<std::size_t>(length);
    if (connection.bytes < kVerifiedBytes &&
        !pattern_->matches(connection.bytes, std::span(buffer_).first(got))) {
      ++counts_.wrong;
    }
    connection.bytes += got;
    counts_.bytes += got;
  }

  void onPush(Connection& connection) {
    const std::span<const std::byte> data = pattern_->from(connection.bytes);
    const ssize_t sent = ::send(connection.fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      return mayTryAgain(sent) ? void() : onClosed(connection);
    }
    connection.bytes += static_cast<std::uint64_t>(sent);
    counts_.bytes += static_cast<std::uint64_t>(sent);
  }

  void onEcho(Connection& connection) {
    std::byte* at = buffer_.data();
    const ssize_t length = ::recv(connection.fd, at, buffer_.size(), 0);
    if (length <= 0) {
      return mayTryAgain(length) ? void() : onClosed(connection);
    }
    const auto got = static_cast<std::size_t>(length);
    writeMessage(*pattern_, {connection.number, 0, connection.sequence}, message_);
    if (connection.bytes + got > size_ ||
        std::memcmp(message_.data() + connection.bytes, at, got) != 0) {
      ++counts_.wrong;
      return onClosed(connection);
    }
    connection.bytes += got;
    if (connection.bytes == size_) {
      const std::uint64_t now = nowNs();
      ++counts_.messages;
      counts_.bytes += size_;
      latencies_.record(now - connection.sentNs);
      ping(connection, now);
    }
  }

  /// A message is small beside a socket buffer that is empty, so it always goes whole.
  void ping(Connection& connection, std::uint64_t now) {
    connection.bytes = 0;
    connection.sentNs = now;
    ++connection.sequence;
    writeMessage(*pattern_, {connection.number, 0, connection.sequence}, message_);
    if (::send(connection.fd, message_.data(), size_, MSG_NOSIGNAL) !=
        static_cast<ssize_t>(size_)) {
      onClosed(connection);
    }
  }

  void onClosed(Connection& connection) {
    ++counts_.closed;
    connection.isOpen = false;
    ::shutdown(connection.fd, SHUT_RDWR);
    epoll_.remove(connection.fd);
  }

  [[nodiscard]] bool pullExactly(Connection& connection, std::uint64_t bytes) {
    while (connection.bytes < bytes) {
      const ssize_t length = ::recv(connection.fd, buffer_.data(), buffer_.size(), 0);
      if (length <= 0 ||
          !pattern_->matches(connection.bytes,
                             std::span(buffer_).first(static_cast<std::size_t>(length)))) {
        return false;
      }
      connection.bytes += static_cast<std::uint64_t>(length);
    }
    counts_.bytes += connection.bytes;
    return true;
  }

  [[nodiscard]] bool pushExactly(Connection& connection, std::uint64_t bytes) {
    while (connection.bytes < bytes) {
      const std::span<const std::byte> data = pattern_->from(connection.bytes);
      const ssize_t sent = ::send(connection.fd, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) {
        return false;
      }
      connection.bytes += static_cast<std::uint64_t>(sent);
    }
    counts_.bytes += connection.bytes;
    return isSwallowed(connection);
  }

  [[nodiscard]] bool pingOnce(Connection& connection) {
    writeMessage(*pattern_, {~0U, 0, 1}, message_);
    if (::send(connection.fd, message_.data(), size_, MSG_NOSIGNAL) !=
        static_cast<ssize_t>(size_)) {
      return false;
    }
    std::vector<std::byte> echoed(size_);
    const ssize_t length = ::recv(connection.fd, echoed.data(), size_, MSG_WAITALL);
    counts_.bytes += size_;
    ++counts_.messages;
    return length == static_cast<ssize_t>(size_) && echoed == message_;
  }

  /// Half-closes and compares what the sink says it swallowed with what we sent.
  [[nodiscard]] bool isSwallowed(const Connection& connection) {
    const int flags = ::fcntl(connection.fd, F_GETFL);
    ::fcntl(connection.fd, F_SETFL, flags & ~O_NONBLOCK);
    ::shutdown(connection.fd, SHUT_WR);
    std::uint64_t answer[2] = {0, 1};
    const ssize_t length = ::recv(connection.fd, answer, sizeof answer, MSG_WAITALL);
    return length == sizeof answer && answer[0] == connection.bytes && answer[1] == 0;
  }

  std::unique_ptr<Pattern> pattern_;
  Epoll epoll_;
  sockaddr_in target_;
  Mode mode_;
  std::size_t size_;
  std::vector<std::byte> buffer_;
  std::vector<std::byte> message_;
  std::vector<Connection> connections_;
  Counts counts_;
  Latencies latencies_;
};

[[nodiscard]] Mode parseMode(const std::string& text) {
  if (text == "pull") {
    return Mode::Pull;
  }
  if (text == "push") {
    return Mode::Push;
  }
  if (text == "pingpong") {
    return Mode::Pingpong;
  }
  fail("--mode is pull, push or pingpong");
}

int run(int count, char** values) {
  CommandLine line(count, values);
  const sockaddr_in target = parseAddress(line.text("--to", ""));
  const std::string modeText = line.text("--mode", "pingpong");
  const Mode mode = parseMode(modeText);
  const bool isBulk = mode != Mode::Pingpong;
  const std::uint32_t connections = line.count("--connections", isBulk ? 2 : 64, 1, 16'384);
  const std::uint32_t size = line.count("--size", 100, kMessageHead, 65'536);
  const std::uint32_t checkMib = line.count("--check-mib", 8, 1, 1'024);
  const double warmup = line.number("--warmup", 0.5, 0, 600);
  const double seconds = line.number("--seconds", 2, 0.1, 600);
  line.refuseTheRest();
  raiseDescriptorLimit();

  Load load(target, mode, size);
  load.check(std::uint64_t{checkMib} * 1024 * 1024);
  load.start(connections);
  load.runFor(warmup);
  load.latencies().forget();
  const Counts before = load.counts();
  const std::uint64_t began = nowNs();
  load.runFor(seconds);
  const double took = static_cast<double>(nowNs() - began) / 1e9;
  const Counts after = load.counts();
  load.finish();

  const Counts& counts = load.counts();
  std::printf("{\"mode\":\"%s\",\"connections\":%u,\"size\":%u,\"seconds\":%.4f,\"bytes\":%llu,"
              "\"messages\":%llu,\"totalBytes\":%llu,\"totalMessages\":%llu,\"wrong\":%llu,"
              "\"closed\":%llu,\"stalled\":%llu,",
              modeText.c_str(), connections, size, took,
              static_cast<unsigned long long>(after.bytes - before.bytes),
              static_cast<unsigned long long>(after.messages - before.messages),
              static_cast<unsigned long long>(counts.bytes),
              static_cast<unsigned long long>(counts.messages),
              static_cast<unsigned long long>(counts.wrong),
              static_cast<unsigned long long>(counts.closed),
              static_cast<unsigned long long>(counts.stalled));
  load.latencies().printJson();
  std::printf("}\n");
  return counts.errors() == 0 ? 0 : 1;
}

} // namespace
} // namespace bench

int main(int count, char** values) {
  return bench::run(count, values);
}
