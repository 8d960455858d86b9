#include "relay/udp_relay.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "test/relay/udp_rig.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::relay;
using namespace sluice::relay::rig;

namespace {

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
  UdpClient client;
  std::uint64_t hash;
};

} // namespace

TEST("the UDP session table finds what a map finds, under churn and collisions") {
  UdpSessionTable<Entry> table;
  std::map<std::uint64_t, std::unique_ptr<Entry>> all;
  std::mt19937 random(11);
  for (int i = 0; i < 30'000; ++i) {
    const std::uint64_t id = random() % 700;
    UdpClient client;
    client.path.words[0] = id;
    // Few hashes, so that probe sequences meet and wrap.
    const std::uint64_t hash = id % 2 == 0 ? client.hash(5) : ~(id % 13);
    const auto known = all.find(id);
    Entry* found = table.find(client, hash);
    CHECK_EQ(found, known == all.end() ? nullptr : known->second.get());
    if (known == all.end()) {
      auto entry = std::make_unique<Entry>(Entry{client, hash});
      CHECK(table.insert(*entry));
      all.emplace(id, std::move(entry));
    } else {
      table.erase(*known->second);
      all.erase(known);
    }
    CHECK_EQ(table.size(), all.size());
  }
}
