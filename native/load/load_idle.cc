// Opens many keep-alive HTTP clients that each ask once, check the answer, and then stay idle, so
// that a caller can read what an idle connection costs the proxy.
//
//   load-idle --to 127.0.0.1:8080 [--path /] [--host bench.test] [--step 5000] [--steps 2]
//             [--body-bytes 100]
//   load-idle --self-test [--mirror-core N] …     opens them against its own mirror, without --to
//
// After each step prints `{"open":N,"lost":M,…}` (lost: closed by the proxy), at the end once more,
// and waits for a line on standard input before it goes on; a self-test does not wait. Closes with
// a reset, so that no port lingers.
#include <poll.h>

#include <cstdio>
#include <string>
#include <vector>

#include "load/command_line.h"
#include "load/mirror.h"
#include "load/outcome.h"
#include "load/sockets.h"

namespace sluice::load {
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
  raiseDescriptorLimit();
  CommandLine line(count, values);
  const SelfTest selfTest = parseSelfTest(line);
  const std::string host = line.text("--host", "bench.test");
  const std::string path = line.text("--path", "/");
  const std::uint32_t step = line.count("--step", 5'000, 1, 100'000);
  const std::uint32_t steps = line.count("--steps", 2, 1, 100);
  const std::uint32_t bodyBytes = line.count("--body-bytes", 100, 0, 32'768);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
  const Canned answers{request.size(),
                       "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bodyBytes) +
                           "\r\n\r\n" + std::string(bodyBytes, '.'),
                       true};
  const Target target = findTarget(line, selfTest, [&](Shared& shared, sockaddr_in& address) {
    return listen(shared, address, [&](int fd) { // each deletes itself
      new CannedAnswers(shared, fd, answers);
    });
  });
  line.refuseTheRest();

  std::vector<int> clients;
  Sample sample(0);
  for (std::uint32_t i = 0; i < step * steps; ++i) {
    const int fd = connectTo(target.address, SOCK_STREAM);
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request.size()) ||
        !isAnswered(fd, bodyBytes)) {
      fail("a client got no answer, or not the one expected");
    }
    const linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    clients.push_back(fd);
    if ((i + 1) % step == 0 && !selfTest.isOn) {
      std::printf("{\"open\":%zu,\"lost\":%zu}\n", clients.size(), countLost(clients));
      std::fflush(stdout);
      char answer[64];
      if (std::fgets(answer, sizeof answer, stdin) == nullptr) {
        return 0;
      }
    }
  }
  sample.end(clients.size());
  const std::size_t lost = countLost(clients);
  std::printf("{\"open\":%zu,", clients.size());
  if (selfTest.isOn) {
    target.printJson(sample);
    sample.printJson();
    printCount("wrong", 0); // the first would have ended it
  }
  std::printf("\"lost\":%zu}\n", lost);
  return lost == 0 ? 0 : 1;
}

} // namespace
} // namespace sluice::load

int main(int count, char** values) {
  return sluice::load::run(count, values);
}
