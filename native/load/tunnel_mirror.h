// The mirror of load-tcp's self-test through tunnels (load/mirror.h): proxy and origin in one. It
// takes as many bytes as CONNECT has without looking at them, says 200, and plays the origin's role
// from then on.
#pragma once

#include <string_view>

#include "load/entry.h"
#include "load/origin_tcp.h"

namespace sluice::load {

/// Owned by itself, until the socket is somebody else's.
class TunnelMirror final : public Entry {
 public:
  TunnelMirror(Shared& shared, int fd, Role role, std::size_t requestBytes)
      : shared_(shared), fd_(fd), role_(role), missingBytes_(requestBytes) {
    shared_.epoll.add(fd, EPOLLIN, this);
  }

  void onReady(std::uint32_t) override {
    const ssize_t length = ::recv(fd_, shared_.buffer.data(), missingBytes_, 0);
    if (length <= 0) {
      return mayTryAgain(length) ? void() : end();
    }
    missingBytes_ -= static_cast<std::size_t>(length);
    if (missingBytes_ > 0) {
      return;
    }
    constexpr std::string_view kAnswer = "HTTP/1.1 200 Connection established\r\n\r\n";
    if (::send(fd_, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(kAnswer.size())) {
      return end();
    }
    shared_.epoll.remove(fd_);
    new TcpConnection(shared_, fd_, role_); // deletes itself
    delete this;
  }

 private:
  ~TunnelMirror() override = default;

  void end() {
    ::close(fd_);
    delete this;
  }

  Shared& shared_;
  int fd_;
  Role role_;
  std::size_t missingBytes_;
};

} // namespace sluice::load
