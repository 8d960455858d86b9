// What the tests of the UDP relay share: sockets, and a relay on a loop of its own.
#pragma once

#include <arpa/inet.h>
#include <netinet/udp.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "net/listen.h"
#include "relay/slabs.h"
#include "relay/udp_relay.h"
#include "test/test.h"

namespace sluice::relay::rig {

inline net::SocketAddress at(const std::string& host, std::uint16_t port) {
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
  ProxyAccept headers = ProxyAccept::Off;
  ProxySend sends = ProxySend::Off;
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

inline std::unique_ptr<net::Loop> makeLoop() {
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
    listener.proxyProtocol = options.headers;
    if (options.headers != ProxyAccept::Off) {
      listener.trustedProxies.push_back({.family = AddressFamily::Ipv4, .bytes = {127}, .bits = 8});
    }
    listener.stats = stats("media");
    plan::Pool& pool = plan->pools.emplace_back();
    pool.strategy = Strategy::RoundRobin;
    pool.targets = {0, static_cast<std::uint32_t>(targets.size())};
    pool.retries = 2;
    pool.ejectAfter = 1;
    pool.ejectMs = 10'000;
    pool.maxEjectMs = 10'000;
    pool.proxyProtocol = options.sends;
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

inline std::string filled(std::size_t size, std::uint32_t seed) {
  std::string bytes(size, 0);
  std::minstd_rand random(seed + 1);
  for (char& byte : bytes) {
    byte = static_cast<char>(random() & 0xff);
  }
  return bytes;
}

} // namespace sluice::relay::rig
