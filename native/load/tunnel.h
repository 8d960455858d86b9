// Tunnels that a forward proxy opens (load/transport.h): a connection begins with CONNECT, and once
// that was answered with 200 it carries the bytes of the origin. Nothing of ours is sent before the
// answer has come, as browsers do it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "load/latency.h"
#include "load/transport.h"

namespace sluice::load {

class TunnelTransport {
 public:
  struct Link {
    bool isReady = false;
    std::size_t sentBytes = 0; ///< of CONNECT
    std::string answer;        ///< the beginning of its head
  };
  static constexpr bool kNegotiates = true;

  /// `origin` as CONNECT names it: `127.0.0.1:80`.
  explicit TunnelTransport(const std::string& origin)
      : request_("CONNECT " + origin + " HTTP/1.1\r\nHost: " + origin + "\r\n\r\n") {}

  [[nodiscard]] std::size_t requestBytes() const { return request_.size(); }

  static void open(Link& link, int) { close(link); }

  /// On a socket that still waits. Bytes of the origin's that follow the answer stay in the socket.
  [[nodiscard]] bool begin(Link& link, int fd) {
    while (link.sentBytes < request_.size()) {
      const std::string_view rest = std::string_view(request_).substr(link.sentBytes);
      const ssize_t sent = ::send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent < 0) {
        return refuse("the proxy ended the connection");
      }
      link.sentBytes += static_cast<std::size_t>(sent);
    }
    while (!link.answer.ends_with("\r\n\r\n")) {
      char byte = 0;
      if (::recv(fd, &byte, 1, 0) != 1) {
        return refuse("CONNECT was not answered");
      }
      link.answer += byte;
      if (link.answer.size() > kLargestAnswer) {
        return refuse(kEndless);
      }
    }
    return judge(link);
  }

  static void close(Link& link) {
    link.isReady = false;
    link.sentBytes = 0;
    link.answer.clear();
  }

  [[nodiscard]] static bool isReady(const Link& link) { return link.isReady; }
  [[nodiscard]] static bool hasPending(const Link&) { return false; }

  [[nodiscard]] Step send(Link& link, int fd, std::span<iovec> spans) {
    if (!link.isReady) {
      const Step step = negotiate(link, fd);
      if (!link.isReady) {
        return step;
      }
    }
    return PlainTransport::send(plain_, fd, spans);
  }

  [[nodiscard]] Step receive(Link& link, int fd, std::span<std::byte> into) {
    return link.isReady ? PlainTransport::receive(plain_, fd, into) : Step{Passage::WantRead, 0};
  }

  [[nodiscard]] const std::string& whyNotReady() const { return problem_; }

  /// `"tunnels":…,` of a JSON object.
  void printJson() const {
    std::printf("\"tunnels\":%llu,", static_cast<unsigned long long>(tunnels_));
  }

 private:
  static constexpr std::size_t kLargestAnswer = 16 * 1024;
  static constexpr const char* kEndless = "the head of the answer to CONNECT is endless";

  [[nodiscard]] Step negotiate(Link& link, int fd) {
    while (link.sentBytes < request_.size()) {
      // RULE: iovec has no form for what is only read.
      iovec rest{const_cast<char*>(request_.data()) + link.sentBytes,
                 request_.size() - link.sentBytes};
      const Step step = PlainTransport::send(plain_, fd, std::span(&rest, 1));
      if (step.passage != Passage::Moved) {
        return step;
      }
      link.sentBytes += step.bytes;
    }
    char bytes[1'024];
    const Step step = PlainTransport::receive(plain_, fd, std::as_writable_bytes(std::span(bytes)));
    if (step.passage != Passage::Moved) {
      if (step.passage != Passage::WantRead) {
        static_cast<void>(refuse("CONNECT was not answered"));
      }
      return step;
    }
    link.answer.append(bytes, step.bytes);
    const std::size_t end = link.answer.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (link.answer.size() <= kLargestAnswer) {
        return {Passage::WantRead, 0};
      }
      static_cast<void>(refuse(kEndless));
      return {Passage::Ended, 0};
    }
    if (judge(link) && link.answer.size() > end + 4) {
      link.isReady = refuse("bytes came through a tunnel before any were sent");
    }
    return {Passage::Ended, 0}; // unless the link is ready
  }

  [[nodiscard]] bool judge(Link& link) {
    const std::string_view line = std::string_view(link.answer).substr(0, link.answer.find("\r\n"));
    link.isReady = line.starts_with("HTTP/1.1 200 ") || line.starts_with("HTTP/1.0 200 ");
    if (!link.isReady) {
      return refuse("CONNECT was answered with '" + std::string(line) + "'");
    }
    ++tunnels_;
    return true;
  }

  [[nodiscard]] bool refuse(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  std::string request_;
  std::string problem_;
  std::uint64_t tunnels_ = 0;
  PlainTransport::Link plain_; ///< it holds nothing
};

} // namespace sluice::load
