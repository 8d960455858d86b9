#include "relay/udp_relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <sys/resource.h>

#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "net/listen.h"
#include "relay/slabs.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::relay;

namespace {

net::SocketAddress at(const std::string& host, std::uint16_t port) {
  std::array<std::uint8_t, 16> bytes{};
  const bool isIpv6 = host.find(':') != std::string::npos;
  ::inet_pton(isIpv6 ? AF_INET6 : AF_INET, host.c_str(), bytes.data());
  return net::SocketAddress::ip(isIpv6 ? AddressFamily::Ipv6 : AddressFamily::Ipv4, bytes, port);
}

/// A client's or target's socket; never waits.
class Udp {
 public:
  explicit Udp(const std::string& host = "127.0.0.1", std::uint16_t port = 0)
      : fd_(::socket(at(host, 0).raw()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    net::SocketAddress address = at(host, port);
    CHECK_EQ(::bind(fd_.get(), address.raw(), address.length()), 0);
    socklen_t length = net::SocketAddress::kCapacity;
    ::getsockname(fd_.get(), address.raw(), &length);
    port_ = address.port();
    const int bytes = 4 * 1024 * 1024;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

  void send(std::string_view bytes, const net::SocketAddress& to) const {
    CHECK_EQ(::sendto(fd_.get(), bytes.data(), bytes.size(), 0, to.raw(), to.length()),
             static_cast<ssize_t>(bytes.size()));
  }
  /// In one piece, which the kernel cuts into datagrams of `segment` bytes.
  [[nodiscard]] bool sendRun(std::string bytes, std::uint16_t segment,
                             const net::SocketAddress& to) const {
    const int size = segment;
    ::setsockopt(fd_.get(), IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size);
    const bool isSent =
        ::sendto(fd_.get(), bytes.data(), bytes.size(), 0, to.raw(), to.length()) > 0;
    const int off = 0;
    ::setsockopt(fd_.get(), IPPROTO_UDP, UDP_SEGMENT, &off, sizeof off);
    return isSent;
  }

  /// The next datagram that has arrived; `from` says who sent it.
  [[nodiscard]] std::optional<std::string> receive() {
    std::string bytes(70'000, 0);
    socklen_t length = net::SocketAddress::kCapacity;
    const ssize_t got = ::recvfrom(fd_.get(), bytes.data(), bytes.size(), 0, from.raw(), &length);
    if (got < 0) {
      return std::nullopt;
    }
    from.setLength(length);
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
  }

  net::SocketAddress from;

 private:
  UniqueFd fd_;
  std::uint16_t port_ = 0;
};

struct Options {
  std::string host = "127.0.0.1";
  std::uint32_t idleMs = 60'000;
  std::uint32_t maxSessions = 10'000;
  std::uint32_t responses = 0;
  std::size_t workers = 1;
  bool refusesRuns = false;
  std::uint16_t log = upstream::ActivePlan::kNoLog;
};

struct Numbers {
  double values[kStatsStride]{};
  [[nodiscard]] std::uint64_t of(Counter counter) const {
    return static_cast<std::uint64_t>(values[static_cast<std::size_t>(counter)]);
  }
  [[nodiscard]] std::uint64_t of(Errc code) const {
    return static_cast<std::uint64_t>(values[kCounterCount + static_cast<std::size_t>(code)]);
  }
};

std::unique_ptr<net::Loop> makeLoop() {
  auto loop = std::make_unique<net::Loop>();
  if (test::loopUnderTest() == test::LoopUnderTest::IoUring) {
    loop->useRing();
    CHECK_EQ(loop->ringProblem(), "");
  }
  return loop;
}

/// Nobody asks here.
class NoOutlet final : public upstream::QuestionOutlet {
 public:
  std::uint64_t ask(QuestionKind, std::string_view, std::string_view,
                    std::string_view) noexcept override {
    return 0;
  }
};

/// A relay on a loop of its own, in front of targets at the given ports.
class Rig final : public net::TimerOwner {
 public:
  Rig(const std::vector<std::uint16_t>& targets, const Options& options = {})
      : options_(options), loop_(makeLoop()), http_(std::make_unique<HttpScratch>()), log_(1 << 16),
        rng_(1), names_(outlet_), verdicts_(outlet_), tick_(*this) {
    context_ = std::unique_ptr<Context>(
        new Context{.worker = static_cast<std::uint32_t>(options.workers) - 1,
                    .loop = *loop_,
                    .pipes = pipes_,
                    .rng = rng_,
                    .log = log_,
                    .flows = flows_,
                    .slabs = slabs_,
                    .http = *http_,
                    .origins = origins_,
                    .names = names_,
                    .verdicts = verdicts_,
                    .clock = {},
                    .date = {},
                    .current = {},
                    .departures = 0});
    apply(targets, options);
    net::Listening listening = net::bindDatagram(at(options.host, 0));
    CHECK(listening.fd.isOpen());
    net::SocketAddress bound;
    socklen_t length = net::SocketAddress::kCapacity;
    ::getsockname(listening.fd.get(), bound.raw(), &length);
    port_ = bound.port();
    if (options.refusesRuns) {
      // The kernel answers a run on such a socket with EINVAL, as it does beyond the MTU.
      const int on = 1;
      ::setsockopt(listening.fd.get(), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on);
    }
    relay_ = UdpRelay::open(*context_, slot_, std::move(listening.fd));
    CHECK(relay_ != nullptr);
    onTimer(tick_);
  }
  ~Rig() {
    if (flows_.count() > 0) {
      relay_->onCut();
    }
    tick_.cancel();
    turn();
    CHECK_EQ(flows_.count(), 0U);
    loop_->finish();
  }

  /// A new plan, as a reload makes it: entities keep what outlives a plan.
  void apply(const std::vector<std::uint16_t>& targets, const Options& options) {
    auto plan = std::make_shared<plan::Plan>();
    plan->version = ++version_;
    plan::Listener& listener = plan->listeners.emplace_back();
    listener.name = "media";
    listener.protocol = Protocol::Udp;
    listener.pool = 0;
    listener.timeouts.idleMs = options.idleMs;
    listener.maxSessions = options.maxSessions;
    listener.responses = options.responses;
    listener.stats = stats("media");
    plan::Pool& pool = plan->pools.emplace_back();
    pool.strategy = Strategy::RoundRobin;
    pool.targets = {0, static_cast<std::uint32_t>(targets.size())};
    pool.retries = 2;
    pool.ejectAfter = 1;
    pool.ejectMs = 10'000;
    pool.maxEjectMs = 10'000;
    pool.stats = stats("pool");
    pool.state = poolState_;
    for (std::uint32_t i = 0; i < targets.size(); ++i) {
      pool.table.push_back(i);
      plan::Target& target = plan->targets.emplace_back();
      target.name = std::to_string(targets[i]);
      target.address.bytes = {127, 0, 0, 1};
      target.address.port = targets[i];
      target.stats = stats(target.name);
      auto& state = targetStates_[target.name];
      state = state ? state : std::make_shared<plan::TargetState>();
      target.state = state;
    }
    context_->current = pools_.activate(plan, {options.log}, {});
  }

  void turn() { loop_->turn(); }
  /// Turns the loop until `isDone`; a failure after two seconds, and sooner once one has failed.
  template<typename Claim>
  void until(Claim isDone, const char* what) {
    const std::uint64_t end = loop_->nowMs() + patienceMs_;
    while (!isDone()) {
      if (loop_->nowMs() > end) {
        test::fail(__FILE__, __LINE__, std::string("still waiting for ") + what);
        patienceMs_ = 1;
        return;
      }
      turn();
    }
  }
  [[nodiscard]] std::string next(Udp& socket, const char* what = "a datagram") {
    std::optional<std::string> got;
    until([&] { return (got = socket.receive()).has_value(); }, what);
    return got.value_or("nothing");
  }
  /// Turns often enough for anything under way on loopback to arrive.
  void settle() {
    for (int i = 0; i < 4; ++i) {
      turn();
    }
  }

  [[nodiscard]] net::SocketAddress address(const std::string& host = "127.0.0.1") const {
    return at(host, port_);
  }
  [[nodiscard]] Numbers numbers(const std::string& entity = "media") {
    Numbers numbers;
    for (const plan::StatShard& shard : stats(entity)->shards()) {
      shard.addTo(numbers.values);
    }
    return numbers;
  }
  [[nodiscard]] plan::TargetState& state(std::uint16_t target) {
    return *targetStates_.at(std::to_string(target));
  }
  [[nodiscard]] UdpRelay& relay() { return *relay_; }
  [[nodiscard]] net::Loop& loop() { return *loop_; }
  [[nodiscard]] FlowList& flows() { return flows_; }
  [[nodiscard]] ListenerSlot& slot() { return slot_; }
  [[nodiscard]] std::string logLine() {
    std::string line(65'536, 0);
    std::uint16_t tag = 0;
    std::size_t length = 0;
    line.resize(log_.pop(tag, line, length) ? length : 0);
    return line;
  }

 private:
  /// So that a turn never waits long.
  void onTimer(net::Timer&) noexcept override { loop_->arm(tick_, 4); }
  std::shared_ptr<plan::EntityStats> stats(const std::string& name) {
    auto& found = stats_[name];
    found = found ? found : std::make_shared<plan::EntityStats>(options_.workers);
    return found;
  }

  Options options_;
  std::map<std::string, std::shared_ptr<plan::EntityStats>> stats_;
  std::map<std::string, std::shared_ptr<plan::TargetState>> targetStates_;
  std::shared_ptr<plan::PoolState> poolState_ = std::make_shared<plan::PoolState>();
  std::uint64_t version_ = 0;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<HttpScratch> http_;
  net::PipePool pipes_;
  ByteRing log_;
  balance::Rng rng_;
  NoOutlet outlet_;
  upstream::Origins origins_;
  upstream::Names names_;
  upstream::Verdicts verdicts_;
  FlowList flows_;
  Slabs slabs_;
  upstream::TargetPools pools_;
  ListenerSlot slot_;
  std::unique_ptr<Context> context_;
  UdpRelay* relay_ = nullptr;
  std::uint16_t port_ = 0;
  std::uint64_t patienceMs_ = 2000;
  net::Timer tick_;
};

std::string filled(std::size_t size, std::uint32_t seed) {
  std::string bytes(size, 0);
  std::minstd_rand random(seed + 1);
  for (char& byte : bytes) {
    byte = static_cast<char>(random() & 0xff);
  }
  return bytes;
}

std::size_t openDescriptors() {
  std::size_t count = 0;
  for (int fd = 0; fd < 4096; ++fd) {
    count += ::fcntl(fd, F_GETFD) >= 0 ? 1U : 0U;
  }
  return count;
}

} // namespace

TEST("a UDP relay carries datagrams there and back and counts them") {
  Udp target;
  Udp client;
  Rig rig({target.port()});
  client.send("hello", rig.address());
  CHECK_EQ(rig.next(target), "hello");
  target.send("hi", target.from);
  CHECK_EQ(rig.next(client), "hi");
  CHECK(client.from == rig.address());
  CHECK_EQ(rig.state(target.port()).inFlight.load(), 1U);
  for (const std::string& entity :
       {std::string("media"), std::string("pool"), std::to_string(target.port())}) {
    const Numbers numbers = rig.numbers(entity);
    CHECK_EQ(numbers.of(Counter::Connections), 1U);
    CHECK_EQ(numbers.of(Counter::Active), 1U);
    CHECK_EQ(numbers.of(Counter::DatagramsIn), 1U);
    CHECK_EQ(numbers.of(Counter::DatagramsOut), 1U);
    CHECK_EQ(numbers.of(Counter::BytesIn), 5U);
    CHECK_EQ(numbers.of(Counter::BytesOut), 2U);
  }
  rig.relay().onCut();
  CHECK_EQ(rig.state(target.port()).inFlight.load(), 0U);
  CHECK_EQ(rig.numbers().of(Counter::Active), 0U);
}

TEST("a UDP session keeps its target while others are spread") {
  Udp one;
  Udp two;
  Rig rig({one.port(), two.port()});
  std::vector<Udp> clients(6);
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) {
      clients[i].send(std::to_string(i), rig.address());
      Udp& expected = i % 2 == 0 ? one : two;
      CHECK_EQ(rig.next(expected), std::to_string(i));
    }
  }
  CHECK_EQ(rig.relay().sessions(), 6U);
}

TEST("UDP replies leave from the address that was hit, on wildcard and dual-stack listeners") {
  for (const char* bound : {"0.0.0.0", "::"}) {
    Udp target;
    Udp client("0.0.0.0");
    Rig rig({target.port()}, {.host = bound});
    std::set<std::uint16_t> upstreams;
    for (const char* host : {"127.0.0.1", "127.0.0.2", "127.9.9.9", "127.0.0.1"}) {
      client.send(host, rig.address(host));
      CHECK_EQ(rig.next(target), host);
      upstreams.insert(target.from.port());
      target.send("re", target.from);
      CHECK_EQ(rig.next(client), "re");
      CHECK(client.from == rig.address(host));
    }
    CHECK_EQ(upstreams.size(), 3U);
    if (std::string_view(bound) == "::") {
      Udp six("::1");
      six.send("six", rig.address("::1"));
      CHECK_EQ(rig.next(target), "six");
      target.send("re", target.from);
      CHECK_EQ(rig.next(six), "re");
      CHECK(six.from == rig.address("::1"));
    }
  }
}

TEST("UDP datagrams of any size pass unharmed, alone and many at once") {
  Udp target;
  Udp client;
  Rig rig({target.port()});
  for (const std::size_t size : {0, 1, 1472, 2047, 2048, 2049, 9000, 65'507, 0}) {
    const std::string there = filled(size, 1);
    const std::string back = filled(size, 2);
    client.send(there, rig.address());
    CHECK(rig.next(target) == there);
    target.send(back, target.from);
    CHECK(rig.next(client) == back);
  }
  for (std::uint32_t i = 0; i < 12; ++i) {
    client.send(filled(65'507, i), rig.address());
  }
  for (std::uint32_t i = 0; i < 12; ++i) {
    CHECK(rig.next(target) == filled(65'507, i));
  }
  for (std::uint32_t i = 0; i < 12; ++i) {
    target.send(filled(65'507, i), target.from);
    CHECK(rig.next(client) == filled(65'507, i));
  }
}

TEST("bursts of mixed sizes keep their boundaries and order both ways") {
  for (const bool refusesRuns : {false, true}) {
    Udp target;
    Udp client;
    Rig rig({target.port()}, {.refusesRuns = refusesRuns});
    std::vector<std::string> sent;
    std::mt19937 random(7);
    constexpr std::size_t kSizes[] = {100, 100, 100, 1200, 37, 0, 1, 1, 2500, 2500, 100};
    for (std::uint32_t i = 0; i < 120; ++i) {
      sent.push_back(filled(kSizes[random() % std::size(kSizes)], i));
    }
    for (const std::string& bytes : sent) {
      client.send(bytes, rig.address());
    }
    for (const std::string& bytes : sent) {
      CHECK(rig.next(target) == bytes);
    }
    for (const std::string& bytes : sent) {
      target.send(bytes, target.from);
    }
    for (const std::string& bytes : sent) {
      CHECK(rig.next(client) == bytes);
    }
    CHECK_EQ(rig.numbers().of(Counter::DatagramsIn), 120U);
    CHECK_EQ(rig.numbers().of(Counter::DatagramsOut), 120U);
    CHECK_EQ(rig.numbers().of(Errc::DatagramDropped), 0U);
  }
}

TEST("runs that arrive in one piece leave with the same boundaries, whoever can cut them") {
  for (const bool refusesRuns : {false, true}) {
    Udp target;
    Udp client;
    Rig rig({target.port()}, {.refusesRuns = refusesRuns});
    struct Run {
      std::size_t bytes;
      std::uint16_t segment;
    };
    for (const Run& run : {Run{4000, 1000}, Run{4001, 1000}, Run{64, 1}, Run{65'000, 1300},
                           Run{6000, 2048}, Run{60'000, 20'000}}) {
      const std::string whole = filled(run.bytes, run.segment);
      const auto check = [&](Udp& receiver) {
        for (std::size_t from = 0; from < whole.size(); from += run.segment) {
          CHECK(rig.next(receiver) == whole.substr(from, run.segment));
        }
      };
      // Four runs of one client: more datagrams than fit one piece.
      for (int i = 0; i < 4; ++i) {
        CHECK(client.sendRun(whole, run.segment, rig.address()));
      }
      for (int i = 0; i < 4; ++i) {
        check(target);
      }
      const net::SocketAddress upstream = target.from;
      for (int i = 0; i < 4; ++i) {
        CHECK(target.sendRun(whole, run.segment, upstream));
      }
      for (int i = 0; i < 4; ++i) {
        check(client);
      }
    }
    CHECK_EQ(rig.numbers().of(Errc::DatagramDropped), 0U);
  }
}

TEST("the UDP session used least recently goes when there are too many") {
  Udp target;
  Udp a;
  Udp b;
  Udp c;
  // The bound is the process's: each of three workers holds two of six.
  Rig rig({target.port()}, {.maxSessions = 6, .workers = 3});
  std::set<std::uint16_t> upstreams;
  const auto say = [&](Udp& client) {
    client.send("x", rig.address());
    CHECK_EQ(rig.next(target), "x");
    upstreams.insert(target.from.port());
  };
  for (Udp* client : {&a, &b, &a, &c, &a}) {
    say(*client);
  }
  CHECK_EQ(upstreams.size(), 3U);
  CHECK_EQ(rig.relay().sessions(), 2U);
  CHECK_EQ(rig.numbers().of(Errc::SessionEvicted), 1U);
  CHECK_EQ(rig.state(target.port()).inFlight.load(), 2U);
  say(b);
  CHECK_EQ(upstreams.size(), 4U);
  CHECK_EQ(rig.numbers().of(Errc::SessionEvicted), 2U);
  CHECK_EQ(rig.numbers().of(Counter::Active), 2U);
}

TEST("no datagram is lost to an eviction within one batch") {
  Udp target;
  std::vector<Udp> clients(20);
  Rig rig({target.port()}, {.maxSessions = 1});
  std::multiset<std::string> expected;
  for (std::size_t i = 0; i < clients.size() * 3; ++i) {
    const std::string text = std::to_string(i);
    clients[i % clients.size()].send(text, rig.address());
    expected.insert(text);
  }
  std::multiset<std::string> got;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    got.insert(rig.next(target));
  }
  CHECK(got == expected);
  CHECK_EQ(rig.relay().sessions(), 1U);
  CHECK_EQ(rig.numbers().of(Errc::DatagramDropped), 0U);
}

TEST("a UDP session ends after the number of responses that it was told") {
  Udp target;
  Udp client;
  Rig rig({target.port()}, {.responses = 2});
  client.send("ask", rig.address());
  CHECK_EQ(rig.next(target), "ask");
  const std::uint16_t first = target.from.port();
  target.send("one", target.from);
  CHECK_EQ(rig.next(client), "one");
  CHECK_EQ(rig.relay().sessions(), 1U);
  target.send("two", target.from);
  target.send("too many", target.from);
  CHECK_EQ(rig.next(client), "two");
  CHECK_EQ(rig.relay().sessions(), 0U);
  client.send("ask", rig.address());
  CHECK_EQ(rig.next(target), "ask");
  CHECK(target.from.port() != first);
  CHECK(!client.receive().has_value());
}

TEST("an unreachable UDP target is set aside and its client goes to another one") {
  Udp target;
  Udp client;
  Udp gone;
  const std::uint16_t dead = gone.port();
  gone.close();
  Rig rig({dead, target.port()});
  client.send("lost", rig.address());
  rig.until([&] { return rig.numbers().of(Errc::TargetUnreachable) == 1; }, "the ICMP answer");
  CHECK_EQ(rig.relay().sessions(), 0U);
  CHECK_EQ(rig.numbers(std::to_string(dead)).of(Errc::TargetUnreachable), 1U);
  CHECK(!rig.state(dead).isUsable(rig.loop().nowMs()));
  for (int i = 0; i < 4; ++i) {
    client.send("again", rig.address());
    CHECK_EQ(rig.next(target), "again");
  }
  target.send("found", target.from);
  CHECK_EQ(rig.next(client), "found");
}

TEST("a burst to an unreachable UDP target leaves nothing behind, and it may come back") {
  Udp client;
  Udp gone;
  const std::uint16_t port = gone.port();
  gone.close();
  Rig rig({port});
  const std::size_t before = openDescriptors();
  for (int i = 0; i < 500; ++i) {
    client.send("anybody?", rig.address());
    if (i % 50 == 0) {
      rig.turn();
    }
  }
  rig.until([&] { return rig.numbers().of(Errc::TargetUnreachable) >= 1; }, "the ICMP answer");
  rig.until([&] { return rig.relay().sessions() == 0; }, "the session to end");
  CHECK_EQ(openDescriptors(), before);
  Udp target("127.0.0.1", port);
  // What was on its way when the target came back may still be answered by ICMP.
  for (int i = 0; i < 3; ++i) {
    client.send("hello", rig.address());
    CHECK_EQ(rig.next(target), "hello");
  }
}

TEST("a pool without a usable UDP target drops and counts") {
  Udp target;
  Udp client;
  Rig rig({target.port()});
  rig.state(target.port()).isHealthy = false;
  client.send("x", rig.address());
  rig.until([&] { return rig.numbers().of(Errc::NoTarget) == 1; }, "the count");
  CHECK_EQ(rig.relay().sessions(), 0U);
  rig.state(target.port()).isHealthy = true;
  client.send("y", rig.address());
  CHECK_EQ(rig.next(target), "y");
}

TEST("an idle UDP session ends, one in use in either direction stays") {
  Udp target;
  Udp speaker;
  Udp hearer;
  Udp idler;
  Rig rig({target.port()}, {.idleMs = 60});
  net::SocketAddress heard;
  for (Udp* client : {&idler, &hearer, &speaker}) {
    client->send("x", rig.address());
    CHECK_EQ(rig.next(target), "x");
    heard = client == &hearer ? target.from : heard;
  }
  CHECK_EQ(rig.relay().sessions(), 3U);
  const std::uint64_t end = rig.loop().nowMs() + 200;
  while (rig.loop().nowMs() < end) {
    speaker.send("x", rig.address());
    CHECK_EQ(rig.next(target), "x");
    target.send("y", heard);
    CHECK_EQ(rig.next(hearer), "y");
    rig.turn();
  }
  CHECK_EQ(rig.relay().sessions(), 2U);
  rig.until([&] { return rig.relay().sessions() == 0; }, "the sessions to end");
  CHECK_EQ(rig.numbers().of(Counter::Active), 0U);
  CHECK_EQ(rig.numbers().of(Counter::Connections), 3U);
}

TEST("thousands of UDP clients get their own sessions and answers") {
  constexpr std::size_t kClients = 3000;
  Udp target;
  Rig rig({target.port()}, {.maxSessions = 500});
  const std::size_t before = openDescriptors();
  std::size_t answered = 0;
  for (std::size_t i = 0; i < kClients; ++i) {
    Udp client("127.0.0." + std::to_string(2 + i % 200));
    client.send(std::to_string(i), rig.address());
    CHECK_EQ(rig.next(target), std::to_string(i));
    target.send(std::to_string(i), target.from);
    answered += rig.next(client) == std::to_string(i) ? 1U : 0U;
  }
  CHECK_EQ(answered, kClients);
  CHECK_EQ(rig.relay().sessions(), 500U);
  // Ports come round again, so that a client or two may find its session there.
  CHECK_EQ(rig.numbers().of(Errc::SessionEvicted), rig.numbers().of(Counter::Connections) - 500);
  CHECK(rig.numbers().of(Counter::Connections) > kClients - 100);
  rig.settle();
  CHECK(openDescriptors() <= before + 500);
  CHECK_EQ(rig.state(target.port()).inFlight.load(), 500U);
}

TEST("without descriptors the oldest UDP session makes room") {
  Udp target;
  std::vector<Udp> clients(40);
  Rig rig({target.port()});
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const UniqueFd next(::dup(target.fd()));
  rlimit tight = limit;
  tight.rlim_cur = static_cast<rlim_t>(next.get()) + 9;
  ::setrlimit(RLIMIT_NOFILE, &tight);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i].send(std::to_string(i), rig.address());
    CHECK_EQ(rig.next(target), std::to_string(i));
  }
  CHECK_EQ(rig.numbers().of(Errc::SessionEvicted), 32U);
  CHECK_EQ(rig.relay().sessions(), 8U);
  // Not even one: the datagram is dropped, the relay goes on.
  tight.rlim_cur = 3;
  ::setrlimit(RLIMIT_NOFILE, &tight);
  Udp& oldest = clients[0];
  oldest.send("x", rig.address());
  rig.until([&] { return rig.numbers().of(Errc::OutOfDescriptors) == 1; }, "the count");
  ::setrlimit(RLIMIT_NOFILE, &limit);
  oldest.send("y", rig.address());
  CHECK_EQ(rig.next(target), "y");
}

TEST("a target that never answers makes nothing grow") {
  Udp target;
  Udp client;
  Rig rig({target.port()});
  client.send("x", rig.address());
  CHECK_EQ(rig.next(target), "x");
  const std::size_t before = openDescriptors();
  for (int i = 0; i < 5000; ++i) {
    client.send(filled(1000, 1), rig.address());
    if (i % 100 == 0) {
      rig.turn();
      while (target.receive()) {
      }
    }
  }
  rig.settle();
  CHECK_EQ(rig.relay().sessions(), 1U);
  CHECK_EQ(openDescriptors(), before);
}

TEST("a reload leaves UDP sessions where they are and sends new clients by the new plan") {
  Udp before;
  Udp after;
  Udp old;
  Udp young;
  Rig rig({before.port()});
  old.send("a", rig.address());
  CHECK_EQ(rig.next(before), "a");
  rig.apply({after.port()}, {.idleMs = 40});
  old.send("b", rig.address());
  CHECK_EQ(rig.next(before), "b");
  young.send("c", rig.address());
  CHECK_EQ(rig.next(after), "c");
  before.send("d", before.from);
  CHECK_EQ(rig.next(old), "d");
  // The idle timeout is the current plan's.
  rig.until([&] { return rig.relay().sessions() == 0; }, "the sessions to end");
  old.send("e", rig.address());
  CHECK_EQ(rig.next(after), "e");
}

TEST("a closed UDP listener serves its sessions to their end and nobody new") {
  Udp target;
  Udp client;
  Udp stranger;
  Rig rig({target.port()}, {.idleMs = 80});
  client.send("a", rig.address());
  CHECK_EQ(rig.next(target), "a");
  rig.relay().close();
  rig.slot().index = 99;
  stranger.send("x", rig.address());
  client.send("b", rig.address());
  CHECK_EQ(rig.next(target), "b");
  target.send("c", target.from);
  CHECK_EQ(rig.next(client), "c");
  CHECK_EQ(rig.flows().count(), 1U);
  rig.until([&] { return rig.flows().count() == 0; }, "the relay to end");
  CHECK(!target.receive().has_value());
}

TEST("draining ends UDP sessions unless replies are owed") {
  for (const std::uint32_t responses : {0U, 1U}) {
    Udp target;
    Udp client;
    Rig rig({target.port()}, {.responses = responses});
    client.send("a", rig.address());
    CHECK_EQ(rig.next(target), "a");
    rig.relay().onDrain();
    CHECK_EQ(rig.flows().count(), responses);
    if (responses > 0) {
      target.send("b", target.from);
      CHECK_EQ(rig.next(client), "b");
      CHECK_EQ(rig.flows().count(), 0U);
    }
  }
}

TEST("errors queued on the listening UDP socket neither stop nor spin the relay") {
  Udp target;
  Udp client;
  Rig rig({target.port()});
  {
    Udp leaver;
    leaver.send("bye", rig.address());
    CHECK_EQ(rig.next(target), "bye");
  }
  for (int i = 0; i < 10; ++i) {
    target.send("too late", target.from);
  }
  rig.settle();
  client.send("x", rig.address());
  CHECK_EQ(rig.next(target), "x");
  target.send("y", target.from);
  CHECK_EQ(rig.next(client), "y");
  // Nothing is left to do: the loop sleeps until the test's own timer.
  const std::uint64_t begin = rig.loop().nowMs();
  for (int i = 0; i < 10; ++i) {
    rig.turn();
  }
  CHECK(rig.loop().nowMs() - begin >= 20);
}

TEST("a UDP session is logged when it ends") {
  Udp target;
  Udp client;
  Rig rig({target.port()}, {.log = 0});
  client.send("12345", rig.address());
  CHECK_EQ(rig.next(target), "12345");
  target.send("123", target.from);
  CHECK_EQ(rig.next(client), "123");
  rig.relay().onCut();
  const std::string line = rig.logLine();
  for (const std::string& part :
       {std::string("\"client\":\"127.0.0.1:"), std::string("\"listener\":\"media\""),
        std::string("\"bytesIn\":5"), std::string("\"bytesOut\":3"),
        "\"target\":\"" + std::to_string(target.port()) + "\""}) {
    if (line.find(part) == std::string::npos) {
      test::fail(__FILE__, __LINE__, part + " is not in " + line);
    }
  }
}

namespace {

struct Entry {
  net::DatagramPath path;
  std::uint64_t hash;
};

} // namespace

TEST("the UDP session table finds what a map finds, under churn and collisions") {
  UdpSessionTable<Entry> table;
  std::map<std::uint64_t, std::unique_ptr<Entry>> all;
  std::mt19937 random(11);
  for (int i = 0; i < 30'000; ++i) {
    const std::uint64_t id = random() % 700;
    net::DatagramPath path;
    path.words[0] = id;
    // Few hashes, so that probe sequences meet and wrap.
    const std::uint64_t hash = id % 2 == 0 ? path.hash(5) : ~(id % 13);
    const auto known = all.find(id);
    Entry* found = table.find(path, hash);
    CHECK_EQ(found, known == all.end() ? nullptr : known->second.get());
    if (known == all.end()) {
      auto entry = std::make_unique<Entry>(Entry{path, hash});
      CHECK(table.insert(*entry));
      all.emplace(id, std::move(entry));
    } else {
      table.erase(*known->second);
      all.erase(known);
    }
    CHECK_EQ(table.size(), all.size());
  }
}
