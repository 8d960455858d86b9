#include "worker/engine.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>

#include "test/worker/driven_engine.h"

using namespace sluice;
using namespace sluice::test;

namespace {

/// A folder of the test's own.
struct Folder {
  Folder() {
    std::string name = "/tmp/sluice-test-XXXXXX";
    CHECK(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

bool exists(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0;
}

net::SocketAddress unixAddress(const std::string& path) {
  return net::SocketAddress::unixPath(path);
}

} // namespace

TEST("an engine relays on every worker, counts, and leaves nothing behind when it is closed") {
  const Target target;
  const Held before;
  {
    Engine engine(3);
    const Applied applied = apply(engine, {{.name = "db"}}, target);
    CHECK(applied.failure == FailureKind::None);
    CHECK_EQ(applied.ports.size(), 1U);
    std::vector<Flow> flows;
    for (int i = 0; i < 20; ++i) {
      flows.emplace_back(applied.ports[0], target);
    }
    CHECK(eventually([&] { return engine.openFlows() == 20; }));

    // One listener, one pool, one target.
    std::vector<double> stats(3 * kStatsStride);
    CHECK_EQ(engine.snapshot(std::span(stats).first(stats.size() - 1)), 0U);
    CHECK_EQ(engine.snapshot(stats), stats.size());
    CHECK_EQ(stats[static_cast<std::size_t>(Counter::Connections)], 20.0);
    CHECK_EQ(stats[static_cast<std::size_t>(Counter::BytesIn)], 80.0);
    std::array<double, 2> states{};
    CHECK_EQ(engine.targetStates(std::span(states).first(1)), 0U);
    CHECK_EQ(engine.targetStates(states), 2U);
    CHECK_EQ(states[1], 20.0);

    // Closed with everything open: both ends of every flow are told.
    engine.close();
    for (const Flow& flow : flows) {
      CHECK(hasEnded(flow.client));
      CHECK(hasEnded(flow.upstream));
    }
    CHECK_EQ(engine.openFlows(), 0U);
    CHECK(!connectTo(applied.ports[0]).isOpen());
    engine.close();
    CHECK(engine.apply(EncodedPlan({}, 1).bytes()).failure == FailureKind::Resource);
  }
  CHECK(holdsAgain(before));
}

TEST("a first plan of which one listener cannot be opened opens none and starts nothing") {
  const Target target;
  const Folder folder;
  const Held before;
  {
    Engine engine(2);
    const std::string path = folder.path + "/sluice.sock";
    const Applied applied = apply(engine,
                                  {{.name = "first"},
                                   {.name = "socket", .unixPath = path},
                                   {.name = "datagrams", .protocol = Protocol::Udp},
                                   {.name = "taken", .port = target.port}},
                                  target);
    CHECK(applied.failure == FailureKind::Listen);
    CHECK_EQ(applied.listener, 3);
    CHECK_EQ(applied.errorName, "EADDRINUSE");
    CHECK(holdsAgain(before));
    CHECK(!exists(path));

    // The same engine takes a better plan.
    const Applied better = apply(engine, {{.name = "first"}}, target);
    CHECK(better.failure == FailureKind::None);
    const Flow flow(better.ports[0], target);
  }
  CHECK(holdsAgain(before));
}

TEST("a later plan that cannot be carried out changes nothing") {
  const Target target;
  Engine engine(2);
  const Applied first = apply(engine, {{.name = "db"}}, target);
  const Flow before(first.ports[0], target);
  CHECK(eventually([&] { return engine.openFlows() == 1; }));
  const Held held;

  const Applied taken =
      apply(engine, {{.name = "other"}, {.name = "taken", .port = target.port}}, target);
  CHECK(taken.failure == FailureKind::Listen);
  const Applied unwritable =
      apply(engine, {{.name = "db"}, {.name = "logged", .accessLog = "/nowhere/log"}}, target);
  CHECK(unwritable.failure == FailureKind::Log);
  CHECK_EQ(unwritable.listener, 1);
  CHECK_EQ(unwritable.errorName, "ENOENT");
  const std::vector<std::uint8_t> garbage(100, 0x41);
  const Applied refused = engine.apply(garbage);
  CHECK(refused.failure == FailureKind::Plan);
  CHECK(!refused.detail.empty());

  CHECK(holdsAgain(held));
  send(before.client, "more");
  CHECK_EQ(receive(before.upstream, 4), "more");
  const Flow after(first.ports[0], target);
}

TEST("a reload keeps flows and sockets, opens what is new and closes what is gone") {
  const Target old;
  const Target next;
  Engine engine(2);
  const Applied first = apply(engine, {{.name = "kept"}, {.name = "gone"}}, old);
  const Flow flow(first.ports[0], old);
  const Flow orphan(first.ports[1], old);

  const Applied second = apply(engine, {{.name = "new"}, {.name = "kept"}}, next);
  CHECK(second.failure == FailureKind::None);
  CHECK_EQ(second.ports[1], first.ports[0]);
  CHECK(!connectTo(first.ports[1]).isOpen());
  for (const Flow* open : {&flow, &orphan}) {
    send(open->client, "more");
    CHECK_EQ(receive(open->upstream, 4), "more");
  }
  const Flow onNew(second.ports[0], next);
  const Flow onKept(second.ports[1], next);
}

TEST("an engine that drains accepts nobody and ends with its last flow") {
  const Target target;
  Engine engine(2);
  const Applied applied = apply(engine, {{.name = "db"}}, target);
  Flow flow(applied.ports[0], target);
  engine.drain();
  CHECK(eventually([&] { return !connectTo(applied.ports[0]).isOpen(); }));
  send(flow.client, "last");
  CHECK_EQ(receive(flow.upstream, 4), "last");
  CHECK_EQ(engine.openFlows(), 1U);
  flow.client.reset();
  CHECK(hasEnded(flow.upstream));
  flow.upstream.reset();
  CHECK(eventually([&] { return engine.openFlows() == 0; }));
}

TEST("an engine is closed in the midst of traffic without waiting for anyone") {
  const Target target;
  const Held before;
  for (int round = 0; round < 5; ++round) {
    Engine engine(2);
    const Applied applied =
        apply(engine, {{.name = "web", .protocol = Protocol::Http}, {.name = "db"}}, target);
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 30; ++i) {
      clients.push_back(connectTo(applied.ports[static_cast<std::size_t>(i % 2)]));
      send(clients.back(), i % 4 < 2 ? "GET / HTTP/1.1\r\nHost: a\r\n\r\n" : "GET / HT");
    }
    if (round % 2 == 0) {
      const UniqueFd upstream = target.accept();
      CHECK(eventually([&] { return engine.openFlows() == 30; }));
    }
    engine.close();
    for (const UniqueFd& client : clients) {
      std::string last(512, 0);
      while (::recv(client.get(), last.data(), last.size(), 0) > 0) {
      }
    }
    // What the engine had connected and the target has not taken.
    CHECK_EQ(::fcntl(target.listening.fd.get(), F_SETFL, O_NONBLOCK), 0);
    while (target.accept().isOpen()) {
    }
    CHECK_EQ(::fcntl(target.listening.fd.get(), F_SETFL, 0), 0);
  }
  CHECK(holdsAgain(before));
}

TEST("a unix socket's file comes with its listener and goes with it, by reload or close") {
  const Target target;
  const Folder folder;
  const std::string a = folder.path + "/a.sock";
  const std::string b = folder.path + "/b.sock";
  Engine engine(2);
  CHECK(apply(engine, {{.name = "a", .unixPath = a}}, target).failure == FailureKind::None);
  CHECK(connectTo(unixAddress(a)).isOpen());
  CHECK(apply(engine, {{.name = "b", .unixPath = b}}, target).failure == FailureKind::None);
  CHECK(!exists(a));
  CHECK(connectTo(unixAddress(b)).isOpen());
  engine.close();
  CHECK(!exists(b));
}

namespace {

/// In a process of its own, since a hard limit cannot be raised again.
void startWithSpareDescriptors(rlim_t spare) {
  const Target target;
  const Held before;
  UniqueFd lowest(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto taken = static_cast<rlim_t>(lowest.get());
  lowest.reset();
  const rlimit limit{.rlim_cur = taken + spare, .rlim_max = taken + spare};
  CHECK_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  Engine engine(2);
  const Applied applied = engine.apply(EncodedPlan({{.name = "db"}}, target.port).bytes());
  if (applied.failure == FailureKind::None) {
    CHECK(eventually([&] { return engine.isSettled(); }));
    CHECK(spare > 2);
  } else {
    CHECK_EQ(applied.errorName, "EMFILE");
    CHECK(spare < 100);
    CHECK(holdsAgain(before));
  }
}

} // namespace

TEST(
    "with whatever number of descriptors to spare, a first plan is carried out or leaves nothing") {
  for (const rlim_t spare : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 10U, 12U, 14U, 100U}) {
    const int failed = failures();
    const pid_t child = ::fork();
    if (child == 0) {
      startWithSpareDescriptors(spare);
      ::_exit(failures() == failed ? 0 : 1);
    }
    int status = -1;
    CHECK_EQ(::waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
  }
}
