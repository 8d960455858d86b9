#include "plan/decode.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "test/test.h"

using namespace sluice;
using namespace sluice::plan;

namespace {

using Bytes = std::vector<std::uint8_t>;

/// A plan that the TypeScript encoder wrote (scripts/print-plan-seeds.ts).
Bytes seed(const std::string& name) {
  std::ifstream file("native/fuzz/corpus/plan/" + name, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  CHECK(!bytes.empty());
  return bytes;
}

const std::vector<std::string> kSeeds{"small", "sockets", "full", "tls", "forward"};

std::string problemOf(const Bytes& bytes) {
  StateRegistry registry(1);
  Decoded decoded = decodePlan(bytes, registry);
  CHECK_EQ(decoded.plan == nullptr, !decoded.problem.empty());
  return decoded.problem;
}

/// Where `text` stands in `bytes`.
std::size_t find(const Bytes& bytes, std::string_view text) {
  const auto at = std::search(bytes.begin(), bytes.end(), text.begin(), text.end());
  CHECK(at != bytes.end());
  return static_cast<std::size_t>(at - bytes.begin());
}

void put(Bytes& bytes, std::size_t at, std::uint32_t value) {
  const bool isWithin = at + sizeof value <= bytes.size();
  CHECK(isWithin);
  if (!isWithin) {
    return;
  }
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

} // namespace

TEST("a plan of HTTP routes comes out as the encoder put it in") {
  StateRegistry registry(2);
  const Decoded decoded = decodePlan(seed("full"), registry);
  CHECK_EQ(decoded.problem, "");
  if (!decoded.plan) {
    return;
  }
  const Plan& plan = *decoded.plan;
  CHECK_EQ(plan.version, 1U);
  CHECK_EQ(plan.listeners.size(), 1U);
  CHECK_EQ(plan.routes.size(), 4U);
  CHECK_EQ(plan.pools.size(), 2U);
  CHECK_EQ(plan.targets.size(), 4U);

  const Listener& web = plan.listeners[0];
  CHECK_EQ(web.name, "web");
  CHECK(web.protocol == Protocol::Http);
  CHECK_EQ(web.address.port, 8080);
  CHECK_EQ(web.pool, -1);
  CHECK_EQ(web.maxConnections, 1000U);
  CHECK_EQ(web.accessLog, "/var/log/sluice.log");
  CHECK(web.forwarded == ForwardedMode::Append);
  CHECK(web.splice == SpliceMode::Never);
  CHECK_EQ(web.timeouts.connectMs, 1000U);
  CHECK_EQ(web.timeouts.requestHeaderMs, 2000U);
  CHECK_EQ(web.timeouts.bodyIdleMs, 3000U);
  CHECK_EQ(web.timeouts.keepAliveMs, 4000U);
  CHECK_EQ(web.limits.headBytes, 16U * 1024);
  CHECK_EQ(web.limits.headerCount, 50U);
  CHECK_EQ(web.limits.targetBytes, 4096U);
  CHECK_EQ(web.limits.bodyBytes, std::uint64_t{8} << 30);
  CHECK_EQ(web.trustedProxies.size(), 2U);
  CHECK(web.trustedProxies[0].contains(std::array<std::uint8_t, 4>{10, 1, 2, 3}));
  CHECK(!web.trustedProxies[0].contains(std::array<std::uint8_t, 4>{11, 1, 2, 3}));
  CHECK_EQ(web.trustedProxies[1].bits, 128);
  CHECK_EQ(plan.routesOf(web).size(), 4U);

  const Route& api = plan.routes[0];
  CHECK_EQ(api.name, "api");
  CHECK(api.hostKind == HostMatchKind::Suffix);
  CHECK_EQ(api.host, ".example.com");
  CHECK(api.pathKind == PathMatchKind::Prefix);
  CHECK_EQ(api.path, "/api");
  CHECK_EQ(api.stripPrefix, "/api");
  CHECK_EQ(api.addPrefix, "/v1");
  CHECK(api.hostHeader == HostHeaderKind::Target);
  CHECK_EQ(api.requestEdits.size(), 2U);
  CHECK_EQ(api.responseEdits.size(), 1U);
  CHECK(api.responseEdits[0].op == EditOp::Add);
  CHECK_EQ(api.responseEdits[0].name, "Via");
  CHECK_EQ(api.responseEdits[0].value, "sluice");

  CHECK(plan.routes[1].pathKind == PathMatchKind::Regex);
  CHECK(plan.routes[1].dfa.matches("/u/42"));
  CHECK(!plan.routes[1].dfa.matches("/u/4x"));
  CHECK(plan.routes[2].action.kind == ActionKind::Respond);
  CHECK_EQ(plan.routes[2].action.status, 200);
  CHECK_EQ(plan.routes[2].action.body, "ok\n");
  CHECK(plan.routes[3].action.kind == ActionKind::Redirect);
  CHECK_EQ(plan.routes[3].action.status, 308);
  CHECK_EQ(plan.routes[3].action.location.size(), 4U);

  const Pool& pool = plan.pools[api.action.pool];
  CHECK_EQ(pool.name, "api");
  CHECK(pool.strategy == Strategy::LeastConnections);
  CHECK_EQ(plan.targetsOf(pool).size(), 2U);
  CHECK_EQ(plan.targetsOf(pool)[0].weight, 3U);
  CHECK_EQ(plan.targetsOf(pool)[0].authority, "127.0.0.1:3000");
  CHECK_EQ(plan.targets[0].stats->shards().size(), 2U);
}

TEST("a plan of TCP and UDP on every family of address comes out whole") {
  StateRegistry registry(1);
  const Decoded decoded = decodePlan(seed("sockets"), registry);
  CHECK_EQ(decoded.problem, "");
  if (!decoded.plan) {
    return;
  }
  const Plan& plan = *decoded.plan;
  CHECK(plan.listeners[0].address.family == AddressFamily::Unix);
  CHECK_EQ(plan.listeners[0].address.path, "/run/sluice.sock");
  CHECK(plan.listeners[1].address.family == AddressFamily::Ipv6);
  CHECK_EQ(plan.listeners[1].address.bytes[15], 1);
  CHECK_EQ(plan.listeners[1].timeouts.idleMs, 30'000U);
  CHECK_EQ(plan.listeners[1].maxSessions, 7U);
  CHECK_EQ(plan.listeners[1].responses, 2U);
  CHECK(plan.pools[1].strategy == Strategy::PowerOfTwoChoices);
  CHECK(!plan.pools[1].table.empty());
  CHECK_EQ(plan.targets[0].address.path, "/run/a.sock");
  CHECK_EQ(plan.targets[1].address.bytes[0], 0x20);
}

TEST("a plan of TLS comes out as the encoder put it in") {
  StateRegistry registry(1);
  const Decoded decoded = decodePlan(seed("tls"), registry);
  CHECK_EQ(decoded.problem, "");
  if (!decoded.plan) {
    return;
  }
  const Plan& plan = *decoded.plan;
  const Listener& site = plan.listeners[0];
  CHECK(site.protocol == Protocol::Http);
  CHECK(site.proxyProtocol == ProxyAccept::Required);
  CHECK_EQ(site.timeouts.handshakeMs, 8000U);
  const ServerTls* server = plan.serverTlsOf(site);
  if (server == nullptr) {
    CHECK(false);
    return;
  }
  CHECK_EQ(server->certificates.size(), 3U);
  CHECK_EQ(server->certificates[0].name, "/ec.pem");
  CHECK_EQ(server->certificates[0].chain, "chain of /ec.pem");
  CHECK_EQ(server->certificates[0].key, "key of /ec.pem");
  CHECK_EQ(server->certificates[0].ocsp.size(), 5U);
  CHECK(server->certificates[1].ocsp.empty());
  // Both types of key side by side, the one that has the wildcard alone, and the other site.
  const std::vector<std::vector<std::uint32_t>> identities{{0, 1}, {0}, {2}};
  CHECK(server->identities == identities);
  CHECK_EQ(server->names.size(), 3U);
  CHECK_EQ(server->names[0].name, "example.com");
  CHECK_EQ(server->names[0].identity, 0U);
  CHECK_EQ(server->names[1].name, "*.example.com");
  CHECK_EQ(server->names[1].identity, 1U);
  CHECK_EQ(server->names[2].identity, 2U);
  CHECK(server->challenges.empty());
  CHECK(server->rejectsUnknownNames);
  CHECK_EQ(server->terms.minVersion, 0x0303);
  CHECK_EQ(server->terms.maxVersion, 0x0304);
  CHECK_EQ(server->terms.curves, "X25519:P-256:P-384");
  CHECK(server->terms.kernelTls);
  CHECK_EQ(server->alpn.size(), 1U);
  CHECK_EQ(server->alpn[0], "http/1.1");
  CHECK(server->sessionTickets);
  CHECK_EQ(server->sessionSeconds, 3600U);
  CHECK(server->clientMode == ClientCertificateMode::Request);
  CHECK_EQ(server->clientCa, "PEM of /ca.pem");
  CHECK_EQ(server->clientCrl, "PEM of /ca.crl");
  CHECK_EQ(server->clientHeaders.size(), 2U);
  CHECK_EQ(server->clientHeaders[0].name, "X-Client-Subject");

  const Listener& pass = plan.listeners[1];
  CHECK(plan.serverTlsOf(pass) == nullptr);
  CHECK_EQ(pass.pool, -1);
  CHECK_EQ(pass.nameRoutes.size(), 2U);
  CHECK(pass.nameRoutes[0].host.kind == HostMatchKind::Suffix);
  CHECK_EQ(pass.nameRoutes[0].alpn.size(), 2U);
  CHECK_EQ(pass.nameRoutes[1].pool, 1U);

  CHECK(plan.pools[1].proxyProtocol == ProxySend::V2);
  CHECK_EQ(plan.clientTls.size(), 1U);
  const ClientTls& client = plan.clientTls[0];
  CHECK(client.verify);
  CHECK_EQ(client.ca, "PEM of /ca.pem");
  CHECK_EQ(client.certificate.size(), 1U);
  CHECK_EQ(client.certificate[0].key, "key of /us.pem");
  CHECK_EQ(client.fingerprints.size(), 1U);
  CHECK_EQ(client.terms.minVersion, 0x0304);
  CHECK_EQ(plan.targets[0].serverName, "inner.example.com");
}

TEST("a plan that ends too early, anywhere, is refused") {
  for (const std::string& name : kSeeds) {
    const Bytes whole = seed(name);
    for (std::size_t length = 0; length < whole.size(); length += length < 2048 ? 1 : 97) {
      // A copy of its own, so that reading beyond the end is seen.
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      if (problemOf(cut).empty()) {
        test::fail(__FILE__, __LINE__, name + " passes with " + std::to_string(length) + " bytes");
        return;
      }
    }
    Bytes longer = whole;
    longer.push_back(0);
    CHECK(problemOf(longer).starts_with("bytes after the plan"));
  }
}

TEST("any byte of a plan may be wrong without harm") {
  for (const std::string& name : kSeeds) {
    Bytes bytes = seed(name);
    StateRegistry registry(1);
    for (std::size_t i = 0; i < bytes.size(); i += i < 2048 ? 1 : 97) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ flip);
        const Decoded decoded = decodePlan(bytes, registry);
        bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ flip);
        if (!decoded.plan) {
          continue;
        }
        for (const Pool& pool : decoded.plan->pools) {
          CHECK(decoded.plan->targetsOf(pool).back().weight > 0);
        }
        for (const Listener& listener : decoded.plan->listeners) {
          CHECK(decoded.plan->routesOf(listener).size() <= decoded.plan->routes.size());
        }
      }
    }
  }
}

TEST("a plan of another version, or that refers to what it does not have, is refused by name") {
  Bytes bytes = seed("small");
  Bytes broken = bytes;
  ++broken[0];
  CHECK(problemOf(broken).starts_with("not a plan of this version"));

  // The count of listeners.
  broken = bytes;
  put(broken, 12, 0x1000'0000);
  CHECK(problemOf(broken).starts_with("a count exceeds what follows"));

  // Behind the listener's address (family, port, 4 bytes) and protocol: routes (two numbers), the
  // pool.
  const std::size_t address = find(bytes, "db") + 2;
  const std::size_t routes = address + 1 + 2 + 4 + 1;
  broken = bytes;
  put(broken, routes + 8, 1);
  CHECK(problemOf(broken).starts_with("a listener's pool out of range"));
  broken = bytes;
  put(broken, routes + 8, 0xffff'ffff);
  CHECK(problemOf(broken).starts_with("a listener's pool does not suit its protocol"));
  broken = bytes;
  put(broken, routes, 1);
  put(broken, routes + 4, 0xffff'ffff);
  CHECK(problemOf(broken).starts_with("a listener's routes out of range"));
  broken = bytes;
  broken[address] = 9;
  CHECK(problemOf(broken).starts_with("unknown address family"));
}

TEST("a plan keeps the state of entities that outlive it, and a refused one leaves none behind") {
  StateRegistry registry(1);
  const Decoded first = decodePlan(seed("small"), registry);
  const Decoded second = decodePlan(seed("small"), registry);
  if (!first.plan || !second.plan) {
    CHECK(false);
    return;
  }
  CHECK_EQ(first.plan->targets[0].state, second.plan->targets[0].state);
  CHECK_EQ(first.plan->listeners[0].stats, second.plan->listeners[0].stats);

  StateRegistry fresh(1);
  Bytes longer = seed("full");
  longer.push_back(0);
  CHECK(decodePlan(longer, fresh).plan == nullptr);
  CHECK_EQ(fresh.size(), 0U);
}

TEST("a forward proxy comes out as the encoder put it in") {
  StateRegistry registry(1);
  const Decoded decoded = decodePlan(seed("forward"), registry);
  CHECK_EQ(decoded.problem, "");
  if (!decoded.plan) {
    return;
  }
  const Plan& plan = *decoded.plan;
  const Listener& listener = plan.listeners[0];
  const Forward* forward = plan.forwardOf(listener);
  CHECK(forward != nullptr && listener.protocol == Protocol::Forward && listener.pool < 0);
  CHECK(listener.limits.takesConnect);
  CHECK(forward->doesAccept(ForwardAccept::Socks5) && !forward->doesAccept(ForwardAccept::Socks4));
  CHECK_EQ(forward->realm, "Office");
  CHECK_EQ(forward->viaName, "sluice-seed");
  CHECK(forward->hasPac && forward->pac.empty() && !forward->isTransparent);
  CHECK(forward->anonymity == Anonymity::Elite);
  CHECK(holds(forward->connectPorts, 443) && !holds(forward->connectPorts, 444));
  CHECK(holds(forward->socksPorts, 65535));
  CHECK_EQ(forward->sources.size(), 2U);
  CHECK(forward->page.size() > 2);

  // deny, night, the parents', and the default.
  CHECK_EQ(forward->rules.size(), 4U);
  CHECK_EQ(listener.routes.count, 4U);
  const std::span<const Route> routes = plan.routesOf(listener);
  CHECK_EQ(forward->rules[0].hosts[0].value, ".facebook.com");
  CHECK_EQ(forward->rules[0].blocks.size(), 1U);
  const Rule& night = forward->rules[1];
  CHECK_EQ(routes[1].name, "night");
  CHECK(routes[1].action.kind == ActionKind::Deny);
  CHECK_EQ(night.clients.size(), 1U);
  CHECK_EQ(night.users[0], "ann");
  CHECK_EQ(night.lists[0], 0U);
  CHECK_EQ(night.ports[1].last, 8099);
  CHECK_EQ(night.methods[0], "GET");
  CHECK(night.pathKind == PathMatchKind::Prefix && night.path == "/x");
  CHECK_EQ(int{night.times[0].days}, 3);
  CHECK_EQ(night.times[0].fromMinute, 22 * 60);
  CHECK_EQ(night.times[0].toMinute, 6 * 60);
  const Pool& parents = plan.pools[routes[2].action.pool];
  CHECK(parents.kind == PoolKind::Socks5Parent);
  CHECK_EQ(parents.login, "us:pw");
  CHECK_EQ(parents.authorization, "Basic dXM6cHc=");
  CHECK(routes[3].action.kind == ActionKind::Deny);

  CHECK_EQ(plan.lists[0].name, "ads");
  CHECK(!plan.lists[0].hosts->empty());
  const Users& users = plan.users[forward->users];
  CHECK_EQ(users.file, "/users.txt");
  CHECK_EQ(users.users[0].bytesPerSecond, 1024U * 1024);
  CHECK_EQ(users.users[0].connections, 0U);
  CHECK_EQ(users.users[1].connections, 8U);

  // What users have used, and lists that stay the same, outlive the plan.
  const Decoded next = decodePlan(seed("forward"), registry);
  CHECK_EQ(next.plan->users[0].users[0].state, users.users[0].state);
  CHECK_EQ(next.plan->lists[0].hosts, plan.lists[0].hosts);
}

TEST("a list whose set of hosts is out of shape is refused") {
  // Four letters that every set of hosts begins with.
  const Bytes bytes = seed("forward");
  const std::size_t set = find(bytes, "SHS3");
  Bytes broken = bytes;
  broken[set] ^= 1;
  CHECK(problemOf(broken).starts_with("a list out of shape"));
  // The count of its names.
  broken = bytes;
  put(broken, set + 4, 7);
  CHECK(problemOf(broken).starts_with("a list out of shape"));
}
