// Opens many keep-alive HTTP clients that each ask once, check the answer, and then stay idle, so
// that a caller can read what an idle connection costs the proxy.
//
//   load_idle --to 127.0.0.1:8080 --path / --host example.com --step 5000 --steps 2 --body-bytes
//   100
//
// After each step prints `{"open":N,"lost":M}` (lost: closed by the proxy), at the end once more,
// and waits for a line on standard input before it goes on. Closes with a reset, so that no port
// lingers.
#include <poll.h>

#include <cstdio>
#include <string>
#include <vector>

#include "command_line.h"
#include "sockets.h"

namespace bench {
namespace {

constexpr std::size_t kLargestAnswer = 65'536;

/// Reads one answer of `bodyBytes`; true when it is a 200 with exactly that body length.
[[nodiscard]] bool isAnswered(int fd, std::size_t bodyBytes) {
  std::string answer;
  std::vector<char> buffer(kLargestAnswer);
  for (;;) {
    const std::size_t end = answer.find("\r\n\r\n");
    if (end != std::string::npos && answer.size() >= end + 4 + bodyBytes) {
      return answer.size() == end + 4 + bodyBytes && answer.starts_with("HTTP/1.1 200 ");
    }
    const ssize_t length = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (length <= 0 || answer.size() > kLargestAnswer) {
      return false;
    }
    answer.append(buffer.data(), static_cast<std::size_t>(length));
  }
}

/// An idle connection has nothing to read: whatever is readable was closed.
[[nodiscard]] std::size_t countLost(const std::vector<int>& clients) {
  std::size_t lost = 0;
  for (const int fd : clients) {
    pollfd entry{fd, POLLIN | POLLRDHUP, 0};
    lost += ::poll(&entry, 1, 0) > 0 ? 1U : 0U;
  }
  return lost;
}

int run(int count, char** values) {
  CommandLine line(count, values);
  const sockaddr_in target = parseAddress(line.text("--to", ""));
  const std::string host = line.text("--host", "bench.test");
  const std::string path = line.text("--path", "/");
  const std::uint32_t step = line.count("--step", 5'000, 1, 100'000);
  const std::uint32_t steps = line.count("--steps", 2, 1, 100);
  const std::uint32_t bodyBytes = line.count("--body-bytes", 100, 0, 32'768);
  line.refuseTheRest();
  raiseDescriptorLimit();

  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
  std::vector<int> clients;
  for (std::uint32_t i = 0; i < step * steps; ++i) {
    const int fd = connectTo(target, SOCK_STREAM);
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request.size()) ||
        !isAnswered(fd, bodyBytes)) {
      fail("a client got no answer, or not the one expected");
    }
    const linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    clients.push_back(fd);
    if ((i + 1) % step == 0) {
      std::printf("{\"open\":%zu,\"lost\":%zu}\n", clients.size(), countLost(clients));
      std::fflush(stdout);
      char answer[64];
      if (std::fgets(answer, sizeof answer, stdin) == nullptr) {
        return 0;
      }
    }
  }
  const std::size_t lost = countLost(clients);
  std::printf("{\"open\":%zu,\"lost\":%zu}\n", clients.size(), lost);
  return lost == 0 ? 0 : 1;
}

} // namespace
} // namespace bench

int main(int count, char** values) {
  return bench::run(count, values);
}
