// What carries the bytes of a connection: here the socket itself, in load/tls_client.h TLS over it,
// in load/tunnel.h what a proxy opens to somewhere else.
//
// Transport: struct Link (of a client, for good); open(link, fd) before anything is sent;
// begin(link, fd) does what is to be done before the first byte, waiting for it; send(), receive()
// -> Step; isReady(link), whether bytes of ours can pass; hasPending(link), whether something was
// received that the socket will not wake us for; close(link) before the socket is; whyNotReady(), of
// a connection that was not; printJson(), what there is to say of it.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>

#include "load/sockets.h"

namespace sluice::load {

enum class Passage {
  Moved,     ///< some bytes, at least one
  WantRead,  ///< nothing, until the socket can be read
  WantWrite, ///< nothing, until it can be written
  Ended,     ///< the other side has said that nothing more comes
  Broken,
};

struct Step {
  Passage passage = Passage::Broken;
  std::size_t bytes = 0;
};

class PlainTransport {
 public:
  struct Link {};
  /// Whether sending may depend on receiving.
  static constexpr bool kNegotiates = false;

  static void open(Link&, int) {}
  [[nodiscard]] static bool begin(Link&, int) { return true; }
  static void close(Link&) {}
  [[nodiscard]] static bool isReady(const Link&) { return true; }
  [[nodiscard]] static bool hasPending(const Link&) { return false; }
  [[nodiscard]] static std::string whyNotReady() { return {}; }
  static void printJson() {}

  [[nodiscard]] static Step send(Link&, int fd, std::span<iovec> spans) {
    msghdr message{};
    message.msg_iov = spans.data();
    message.msg_iovlen = spans.size();
    const ssize_t sent = spans.size() == 1
                             ? ::send(fd, spans[0].iov_base, spans[0].iov_len, MSG_NOSIGNAL)
                             : ::sendmsg(fd, &message, MSG_NOSIGNAL);
    return sent >= 0           ? Step{Passage::Moved, static_cast<std::size_t>(sent)}
           : mayTryAgain(sent) ? Step{Passage::WantWrite, 0}
                               : Step{Passage::Broken, 0};
  }

  [[nodiscard]] static Step receive(Link&, int fd, std::span<std::byte> into) {
    const ssize_t length = ::recv(fd, into.data(), into.size(), 0);
    return length > 0            ? Step{Passage::Moved, static_cast<std::size_t>(length)}
           : length == 0         ? Step{Passage::Ended, 0}
           : mayTryAgain(length) ? Step{Passage::WantRead, 0}
                                 : Step{Passage::Broken, 0};
  }
};

} // namespace sluice::load
