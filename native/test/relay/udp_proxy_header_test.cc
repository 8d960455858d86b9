#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "net/proxy_header.h"
#include "test/relay/udp_rig.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::relay;
using namespace sluice::relay::rig;

namespace {

std::string headed(const net::SocketAddress& client, const std::string& payload) {
  std::array<char, net::kMaxSentDatagramHeaderBytes> into;
  const std::string_view header = net::writeDatagramHeader(
      net::IpPort::of(client), net::IpPort::of(at("198.51.100.9", 53)), into);
  return std::string(header) + payload;
}

/// Of a datagram that begins with a header.
std::string payloadOf(const std::string& datagram, net::ProxyHeader& header) {
  CHECK(net::readDatagramHeader(datagram, header) == net::ProxyHeaderState::Done);
  return datagram.substr(header.bytes);
}

const Options kRequired{.headers = ProxyAccept::Required};

} // namespace

TEST("each datagram of a run behind a proxy goes to the session of the client that it names") {
  Udp target;
  Udp proxy;
  Rig rig({target.port()}, kRequired);
  const std::vector<int> who{1, 1, 2, 1, 3, 3, 3, 2, 2, 1};
  std::string run;
  for (std::size_t i = 0; i < who.size(); ++i) {
    run += headed(at("192.0.2." + std::to_string(who[i]), 4000), "#" + std::to_string(i));
  }
  if (!proxy.sendRun(run, static_cast<std::uint16_t>(run.size() / who.size()), rig.address())) {
    return;
  }
  // By the session's port, in the order of arrival.
  std::map<std::uint16_t, std::string> bySession;
  for (std::size_t i = 0; i < who.size(); ++i) {
    const std::string text = rig.next(target);
    bySession[target.from.port()] += text;
    target.send(text, target.from);
  }
  std::set<std::string> said;
  for (const auto& [port, text] : bySession) {
    said.insert(text);
  }
  CHECK((said == std::set<std::string>{"#0#1#3#9", "#2#7#8", "#4#5#6"}));
  for (std::size_t i = 0; i < who.size(); ++i) {
    CHECK_EQ(rig.next(proxy).substr(0, 1), "#");
  }
  CHECK_EQ(rig.relay().sessions(), 3U);
  CHECK_EQ(rig.numbers().of(Counter::BytesIn), 2 * who.size());
}

TEST("a run with a bad header in it loses that datagram alone") {
  Udp target;
  Udp proxy;
  Rig rig({target.port()}, kRequired);
  const std::string good = headed(at("192.0.2.1", 4000), "good");
  std::string bad = good;
  bad[13] = '\x13';
  if (!proxy.sendRun(good + bad + good, static_cast<std::uint16_t>(good.size()), rig.address())) {
    return;
  }
  CHECK_EQ(rig.next(target), "good");
  CHECK_EQ(rig.next(target), "good");
  CHECK_EQ(rig.numbers().of(Errc::ProxyHeaderBad), 1U);
  CHECK_EQ(rig.numbers().of(Counter::DatagramsIn), 2U);
}

TEST("more clients than sessions fit, all in one batch: each gets its datagram through") {
  Udp target;
  Udp proxy;
  Options options = kRequired;
  options.maxSessions = 2;
  Rig rig({target.port()}, options);
  constexpr int kClients = 40;
  for (int i = 0; i < kClients; ++i) {
    proxy.send(headed(at("192.0.2." + std::to_string(i), 4000), std::to_string(i)), rig.address());
  }
  std::set<std::string> got;
  for (int i = 0; i < kClients; ++i) {
    got.insert(rig.next(target));
  }
  CHECK_EQ(got.size(), static_cast<std::size_t>(kClients));
  CHECK_EQ(rig.relay().sessions(), 2U);
  CHECK_EQ(rig.numbers().of(Errc::SessionEvicted), static_cast<std::uint64_t>(kClients - 2));
}

TEST("sessions of clients that a proxy names outlive their listener, headers and all") {
  Udp target;
  Udp proxy;
  Rig rig({target.port()}, kRequired);
  proxy.send(headed(at("192.0.2.1", 4000), "one"), rig.address());
  CHECK_EQ(rig.next(target), "one");
  rig.relay().close();
  proxy.send(headed(at("192.0.2.1", 4000), "two"), rig.address());
  CHECK_EQ(rig.next(target), "two");
  proxy.send(headed(at("192.0.2.2", 4000), "nobody new"), rig.address());
  rig.until([&] { return rig.numbers().of(Errc::DatagramDropped) == 1; }, "the drop");
  target.send("answer", target.from);
  CHECK_EQ(rig.next(proxy), "answer");
}

TEST("what a datagram to a target begins with does not count, and runs are sent one by one") {
  Udp target;
  Udp client;
  Options options;
  options.sends = ProxySend::V2;
  Rig rig({target.port()}, options);
  std::string run;
  for (char c = 'a'; c <= 'z'; ++c) {
    run += std::string(100, c);
  }
  if (!client.sendRun(run + "end", 100, rig.address())) {
    return;
  }
  std::string received;
  for (int i = 0; i < 27; ++i) {
    net::ProxyHeader header;
    received += payloadOf(rig.next(target), header);
    CHECK_EQ(header.source.port, client.port());
    CHECK(header.destination.socketAddress() == rig.address());
  }
  CHECK_EQ(received, run + "end");
  CHECK_EQ(rig.numbers().of(Counter::BytesIn), run.size() + 3);
  CHECK_EQ(rig.numbers().of(Counter::DatagramsIn), 27U);
}

TEST("on a wildcard address, targets are told which address the client spoke to") {
  for (const bool isIpv6 : {false, true}) {
    Udp target;
    Udp client;
    Options options;
    options.host = isIpv6 ? "::" : "0.0.0.0";
    options.sends = ProxySend::V2;
    Rig rig({target.port()}, options);
    const std::uint16_t port = rig.address().port();
    client.send("hello", at("127.0.0.9", port));
    net::ProxyHeader header;
    CHECK_EQ(payloadOf(rig.next(target), header), "hello");
    CHECK(header.source.socketAddress() == at("127.0.0.1", client.port()));
    CHECK(header.destination.socketAddress() == at("127.0.0.9", port));
  }
}

TEST("a target that is gone: what was to be sent goes to another one, with its header") {
  Udp dead;
  Udp alive;
  const std::uint16_t gone = dead.port();
  dead.close();
  Udp proxy;
  Options options = kRequired;
  options.sends = ProxySend::V2;
  Rig rig({gone, alive.port()}, options);
  const net::SocketAddress client = at("192.0.2.1", 4000);
  std::optional<std::string> got;
  rig.until(
      [&] {
        proxy.send(headed(client, "hello"), rig.address());
        rig.settle();
        got = alive.receive();
        return got.has_value();
      },
      "the other target");
  net::ProxyHeader header;
  CHECK_EQ(payloadOf(got.value_or(""), header), "hello");
  CHECK(header.source.socketAddress() == client);
}
