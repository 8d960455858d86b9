// Relays and exchanges in a process that has run out of descriptors: what the contract suite cannot
// bring about without starving itself.
#include <thread>

#include "test/worker/driven_engine.h"

using namespace sluice;
using namespace sluice::test;

namespace {

std::uint64_t errorsOf(Engine& engine, Errc code) {
  // One listener, one pool, one target, perhaps a route: the listener comes first.
  std::vector<double> stats(4 * kStatsStride);
  const std::size_t written = engine.snapshot(stats);
  CHECK(written > 0);
  return static_cast<std::uint64_t>(stats[kCounterCount + static_cast<std::size_t>(code)]);
}

/// Up to the end of a head.
std::string receiveHead(const UniqueFd& fd) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const std::string next = receive(fd, 1);
    if (next.empty()) {
      break;
    }
    head += next;
  }
  return head;
}

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

} // namespace

TEST("a request that finds no descriptor for an upstream is answered 503, and the next one is "
     "served") {
  const Target target;
  Engine engine(1);
  const Applied applied = apply(engine, {{.name = "web", .protocol = Protocol::Http}}, target);
  const UniqueFd client = connectTo(applied.ports[0]);
  CHECK(eventually([&] { return engine.openFlows() == 1; }));
  {
    const NoDescriptors none;
    send(client, kRequest);
    const std::string head = receiveHead(client);
    CHECK(head.starts_with("HTTP/1.1 503 "));
    CHECK(head.find("error=connection_limit_reached") != std::string::npos);
    const std::size_t at = head.find("Content-Length: ");
    CHECK(at != std::string::npos);
    const auto length = std::strtoul(head.c_str() + at + 16, nullptr, 10);
    CHECK_EQ(receive(client, length).size(), length);
  }
  CHECK(eventually([&] { return errorsOf(engine, Errc::OutOfDescriptors) == 1; }));

  send(client, kRequest);
  const UniqueFd upstream = target.accept();
  CHECK(receiveHead(upstream).starts_with("GET / HTTP/1.1\r\n"));
  send(upstream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(receiveHead(client).starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK_EQ(receive(client, 2), "ok");
}

TEST("a TCP client for whose upstream there is no descriptor is told so by the end") {
  const Target target;
  Engine engine(1);
  const Applied applied = apply(engine, {{.name = "db"}}, target);
  UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  client = giveUpAfterFiveSeconds(std::move(client));
  {
    // One to spare, for the connection that is accepted.
    UniqueFd spare(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const NoDescriptors none;
    spare.reset();
    const net::SocketAddress address = loopback(applied.ports[0]);
    CHECK_EQ(::connect(client.get(), address.raw(), address.length()), 0);
    CHECK(hasEnded(client));
    CHECK(eventually([&] { return engine.openFlows() == 0; }));
  }
  CHECK(eventually([&] { return errorsOf(engine, Errc::OutOfDescriptors) > 0; }));
  const Flow flow(applied.ports[0], target);
}

TEST("bulk goes on by copying, every byte in place, when there is no descriptor for a pipe") {
  const Target target;
  const std::string sent = pattern(8 << 20);
  {
    Engine engine(1);
    const Applied applied = apply(engine, {{.name = "db"}}, target);
    const Flow flow(applied.ports[0], target);
    const NoDescriptors none;
    std::thread sender([&] { send(flow.client, sent); });
    CHECK(receive(flow.upstream, sent.size()) == sent);
    sender.join();
    std::thread answerer([&] { send(flow.upstream, sent); });
    CHECK(receive(flow.client, sent.size()) == sent);
    answerer.join();
  }
  {
    Engine engine(1);
    const Applied applied = apply(engine, {{.name = "web", .protocol = Protocol::Http}}, target);
    const UniqueFd client = connectTo(applied.ports[0]);
    send(client, kRequest);
    const UniqueFd upstream = target.accept();
    CHECK(receiveHead(upstream).starts_with("GET / HTTP/1.1\r\n"));
    const NoDescriptors none;
    std::thread answerer([&] {
      send(upstream,
           "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(sent.size()) + "\r\n\r\n" + sent);
    });
    CHECK(receiveHead(client).starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(receive(client, sent.size()) == sent);
    answerer.join();
    // The connection is in step: another request follows on both sides.
    send(client, kRequest);
    CHECK(receiveHead(upstream).starts_with("GET / HTTP/1.1\r\n"));
    send(upstream, "HTTP/1.1 204 No Content\r\n\r\n");
    CHECK(receiveHead(client).starts_with("HTTP/1.1 204 No Content\r\n"));
  }
}
