// An engine in this process, its clients and its targets, as plain sockets that wait up to five
// seconds.
#pragma once

#include <sys/time.h>

#include <string>
#include <vector>

#include "test/held.h"
#include "test/net/loopback.h"
#include "test/worker/encoded_plan.h"
#include "worker/engine.h"

namespace sluice::test {

using worker::Applied;
using worker::FailureKind;

/// On the loop under test.
class Engine : public worker::Engine {
 public:
  explicit Engine(std::uint32_t workers)
      : worker::Engine(workers, loopUnderTest() == LoopUnderTest::IoUring
                                    ? worker::LoopWish::IoUring
                                    : worker::LoopWish::Epoll) {}
};

inline UniqueFd giveUpAfterFiveSeconds(UniqueFd fd) {
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

/// A socket that waits; not open when nobody listens.
inline UniqueFd connectTo(const net::SocketAddress& address) {
  UniqueFd fd(::socket(address.raw()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), address.raw(), address.length()) != 0) {
    fd.reset();
  }
  return giveUpAfterFiveSeconds(std::move(fd));
}
inline UniqueFd connectTo(std::uint16_t port) {
  return connectTo(loopback(port));
}

inline void send(const UniqueFd& fd, std::string_view bytes) {
  CHECK_EQ(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
           static_cast<ssize_t>(bytes.size()));
}

/// So many bytes, or fewer when the other side ends first.
inline std::string receive(const UniqueFd& fd, std::size_t size) {
  std::string bytes(size, 0);
  const ssize_t got = ::recv(fd.get(), bytes.data(), size, MSG_WAITALL);
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

/// True when the other side has ended the connection, whatever way.
inline bool hasEnded(const UniqueFd& fd) {
  return receive(fd, 1).empty();
}

struct Target {
  Target() : listening(net::listenStream(loopback(0))), port(portOf(listening.fd)) {
    listening.fd = giveUpAfterFiveSeconds(std::move(listening.fd));
    // Waits, unlike a listener of ours.
    CHECK_EQ(::fcntl(listening.fd.get(), F_SETFL, 0), 0);
  }
  UniqueFd accept() const {
    return giveUpAfterFiveSeconds(
        UniqueFd(::accept4(listening.fd.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  net::Listening listening;
  std::uint16_t port;
};

inline Applied apply(Engine& engine, const std::vector<ListenerSpec>& listeners,
                     const Target& target) {
  const EncodedPlan plan(listeners, target.port);
  Applied applied = engine.apply(plan.bytes());
  CHECK(eventually([&] { return engine.isSettled(); }));
  return applied;
}

/// A connection through the engine, both ends.
struct Flow {
  Flow(std::uint16_t port, const Target& target) : client(connectTo(port)) {
    CHECK(client.isOpen());
    send(client, "ping");
    upstream = target.accept();
    CHECK_EQ(receive(upstream, 4), "ping");
    send(upstream, "pong");
    CHECK_EQ(receive(client, 4), "pong");
  }
  UniqueFd client;
  UniqueFd upstream;
};

} // namespace sluice::test
