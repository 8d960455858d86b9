// Clients and targets that break off, reset, dawdle and talk nonsense at random (with fixed seeds)
// through an engine that is reloaded meanwhile. Nothing is asserted about any one answer;
// afterwards nothing may be in flight, open, or left behind. Made for the sanitizers: every way in
// which a flow can die meets every other.
#include <poll.h>

#include <atomic>
#include <random>
#include <thread>

#include "test/worker/driven_engine.h"

using namespace sluice;
using namespace sluice::test;

namespace {

constexpr int kTargetThreads = 4;
constexpr int kClientThreads = 4;
constexpr int kClientsEach = 300;

using Random = std::mt19937;

bool oneIn(Random& random, unsigned n) {
  return random() % n == 0;
}

/// Waits a moment at most.
bool isReadable(const UniqueFd& fd, int ms) {
  pollfd one{.fd = fd.get(), .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, ms) > 0;
}

void sendQuietly(const UniqueFd& fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put <= 0) {
      return;
    }
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

/// Reads what comes within a moment; false when the other side has ended.
bool drain(const UniqueFd& fd, int ms, std::size_t most = 1 << 22) {
  char into[16384];
  for (std::size_t all = 0; all < most && isReadable(fd, ms);) {
    const ssize_t got = ::recv(fd.get(), into, sizeof into, MSG_DONTWAIT);
    if (got <= 0) {
      return false;
    }
    all += static_cast<std::size_t>(got);
  }
  return true;
}

void end(UniqueFd fd, Random& random) {
  if (oneIn(random, 2)) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  } else if (oneIn(random, 2)) {
    ::shutdown(fd.get(), SHUT_WR);
    drain(fd, 5);
  }
}

std::string chunked(std::string_view body) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", body.size());
  return std::string(size).append(body).append("\r\n0\r\n\r\n");
}

std::string bodyOf(Random& random) {
  static constexpr std::array<std::size_t, 6> kSizes{0, 1, 900, 40'000, 300'000, 2'000'000};
  return std::string(kSizes[random() % (oneIn(random, 8) ? 6 : 4)], 'b');
}

std::string answerOf(Random& random) {
  const std::string body = bodyOf(random);
  const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  switch (random() % 9) {
  case 0:
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body);
  case 1:
    return "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body;
  case 2:
    return "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + length + body;
  case 3:
    return "HTTP/1.1 204 No Content\r\n\r\n";
  case 4:
    return "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nfirst";
  case 5:
    return "220 mail.example ready\r\n";
  case 6:
    return "HTTP/1.1 200 OK\r\n" + length + body + "HTTP/1.1 200 too much\r\n\r\n";
  default:
    return "HTTP/1.1 200 OK\r\n" + length + body;
  }
}

std::string requestOf(Random& random) {
  const std::string body = bodyOf(random);
  switch (random() % 8) {
  case 0:
    return "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
  case 1:
    return "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(body);
  case 2:
    return "GET /c HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
  case 3:
    return "HEAD /d HTTP/1.1\r\nHost: a\r\n\r\nGET /e HTTP/1.1\r\nHost: a\r\n\r\n";
  case 4:
    return "PUT /f HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc";
  case 5:
    return "GET /g HTTP/1.0\r\n\r\n";
  case 6:
    return "nonsense\r\n\r\n";
  default:
    return "GET /h HTTP/1.1\r\nHost: a\r\n\r\n";
  }
}

/// Serves connections in its own way until told to stop.
void beTarget(const Target& target, unsigned seed, const std::atomic<bool>& isOver) {
  Random random(seed);
  while (!isOver) {
    if (!isReadable(target.listening.fd, 5)) {
      continue;
    }
    UniqueFd fd(::accept4(target.listening.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.isOpen()) {
      continue;
    }
    for (auto answers = random() % 6; answers > 0 && !isOver; --answers) {
      if (!isReadable(fd, 20) || (!oneIn(random, 6) && !drain(fd, 1))) {
        break;
      }
      std::string answer = answerOf(random);
      if (oneIn(random, 4)) {
        answer.resize(random() % (answer.size() + 1));
      }
      sendQuietly(fd, answer);
    }
    end(std::move(fd), random);
  }
}

void beClients(const std::vector<std::uint16_t>& ports, unsigned seed) {
  Random random(seed);
  for (int i = 0; i < kClientsEach; ++i) {
    const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const net::SocketAddress media = loopback(ports[2]);
    const std::string datagram(random() % 2000, 'd');
    ::sendto(udp.get(), datagram.data(), datagram.size(), 0, media.raw(), media.length());

    UniqueFd fd = connectTo(ports[random() % 2]);
    if (!fd.isOpen()) {
      continue;
    }
    for (auto requests = 1 + random() % 4; requests > 0; --requests) {
      std::string request = requestOf(random);
      if (oneIn(random, 4)) {
        request.resize(random() % (request.size() + 1));
      }
      const std::size_t cut = oneIn(random, 2) ? random() % (request.size() + 1) : request.size();
      sendQuietly(fd, std::string_view(request).substr(0, cut));
      sendQuietly(fd, std::string_view(request).substr(cut));
      if (!oneIn(random, 3) && !drain(fd, 2, oneIn(random, 4) ? 1000 : 1 << 22)) {
        break;
      }
    }
    end(std::move(fd), random);
  }
}

} // namespace

TEST("whatever clients and targets do to each other, an engine ends up with nothing in flight") {
  // A sanitizer may begin a thread of its own together with the first.
  std::thread([] {}).join();
  const Held before;
  {
    const Target one;
    const Target other;
    for (const Target* target : {&one, &other}) {
      // Two threads take from each, and the one that comes late must not wait.
      CHECK_EQ(::fcntl(target->listening.fd.get(), F_SETFL, O_NONBLOCK), 0);
    }
    Engine engine(2);
    const auto plan = [&](int round) {
      std::vector<ListenerSpec> listeners{{.name = "web", .protocol = Protocol::Http},
                                          {.name = "db"},
                                          {.name = "media", .protocol = Protocol::Udp}};
      if (round % 3 == 2) {
        listeners.push_back({.name = "more"});
      }
      return EncodedPlan(listeners, round % 4 < 2 ? one.port : other.port);
    };
    const Applied applied = engine.apply(plan(0).bytes());
    CHECK(applied.failure == FailureKind::None);

    std::atomic<bool> isOver{false};
    std::atomic<int> busy{kClientThreads};
    std::vector<std::thread> targets;
    std::vector<std::thread> clients;
    for (unsigned i = 0; i < kTargetThreads; ++i) {
      targets.emplace_back([&, i] { beTarget(i % 2 == 0 ? one : other, 100 + i, isOver); });
    }
    for (unsigned i = 0; i < kClientThreads; ++i) {
      clients.emplace_back([&, i] {
        beClients(applied.ports, 200 + i);
        --busy;
      });
    }
    std::vector<double> stats(10 * kStatsStride);
    for (int round = 1; busy > 0; ++round) {
      const Applied again = engine.apply(plan(round).bytes());
      CHECK(again.failure == FailureKind::None);
      CHECK(std::equal(applied.ports.begin(), applied.ports.end(), again.ports.begin()));
      CHECK(eventually([&] { return engine.isSettled(); }));
      CHECK(engine.snapshot(stats) > 0);
      ::usleep(10'000);
    }
    for (std::thread& client : clients) {
      client.join();
    }

    // UDP sessions idle on, so the listeners that are left say what hangs.
    const auto active = [&](std::size_t listener) {
      CHECK(engine.snapshot(stats) > 0);
      return stats[listener * kStatsStride + static_cast<std::size_t>(Counter::Active)];
    };
    CHECK(eventually([&] { return active(0) == 0.0 && active(1) == 0.0; }));
    isOver = true;
    for (std::thread& target : targets) {
      target.join();
    }
    engine.drain();
    CHECK(eventually([&] { return engine.openFlows() == 0; }));
    std::array<double, 2> states{};
    CHECK_EQ(engine.targetStates(states), 2U);
    CHECK_EQ(states[1], 0.0);
  }
  CHECK(holdsAgain(before));
}
