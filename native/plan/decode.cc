#include "plan/decode.h"

#include <cstring>
#include <limits>
#include <utility>

namespace sluice::plan {

namespace {

/// Reads values in order; once anything is wrong it yields zeros and keeps the first problem.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  template<typename T>
  T number() {
    T value{};
    if (take(sizeof value)) {
      std::memcpy(&value, bytes_.data() + at_ - sizeof value, sizeof value);
    }
    return value;
  }
  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }

  template<typename Enum>
  Enum code(std::size_t count, const char* what) {
    const std::uint8_t value = u8();
    require(value < count, what);
    return isGood() ? static_cast<Enum>(value) : Enum{};
  }

  std::string text() {
    const std::span<const std::uint8_t> read = bytes();
    return {read.begin(), read.end()};
  }

  /// In place.
  std::span<const std::uint8_t> bytes() {
    const std::uint32_t length = u32();
    if (!take(length)) {
      return {};
    }
    return bytes_.subspan(at_ - length, length);
  }

  void raw(std::span<std::uint8_t> into) {
    if (take(into.size())) {
      std::memcpy(into.data(), bytes_.data() + at_ - into.size(), into.size());
    }
  }

  /// A count of items that take at least `itemBytes` each, so that a lie cannot reserve memory.
  std::uint32_t count(std::size_t itemBytes) {
    const std::uint32_t value = u32();
    require(value <= (bytes_.size() - at_) / itemBytes, "a count exceeds what follows");
    return isGood() ? value : 0;
  }

  void require(bool condition, const char* what) {
    if (!condition && problem_.empty()) {
      problem_ = std::string(what) + " at byte " + std::to_string(at_);
    }
  }
  [[nodiscard]] bool isGood() const { return problem_.empty(); }
  [[nodiscard]] bool isAtEnd() const { return at_ == bytes_.size(); }
  [[nodiscard]] std::string problem() { return std::move(problem_); }

 private:
  bool take(std::size_t n) {
    require(n <= bytes_.size() - at_, "the plan ends too early");
    if (!isGood()) {
      return false;
    }
    at_ += n;
    return true;
  }

  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  std::string problem_;
};

template<typename T, typename Read>
std::vector<T> list(Reader& in, std::size_t itemBytes, Read read) {
  std::vector<T> items;
  const std::uint32_t count = in.count(itemBytes);
  items.reserve(count);
  for (std::uint32_t i = 0; i < count && in.isGood(); ++i) {
    items.push_back(read(in));
  }
  return items;
}

Address readAddress(Reader& in) {
  Address out;
  out.family = in.code<AddressFamily>(kAddressFamilyCount, "unknown address family");
  out.port = in.u16();
  if (out.family == AddressFamily::Unix) {
    out.path = in.text();
    in.require(!out.path.empty(), "an empty socket path");
  } else {
    in.raw({out.bytes.data(), out.family == AddressFamily::Ipv4 ? 4U : 16U});
  }
  return out;
}

Range readRange(Reader& in) {
  const std::uint32_t first = in.u32();
  return {first, in.u32()};
}

Cidr readCidr(Reader& in) {
  Cidr out;
  out.family = in.code<AddressFamily>(kAddressFamilyCount, "unknown address family");
  in.require(out.family != AddressFamily::Unix, "a CIDR of unix sockets");
  in.raw({out.bytes.data(), out.family == AddressFamily::Ipv4 ? 4U : 16U});
  out.bits = in.u8();
  in.require(out.bits <= (out.family == AddressFamily::Ipv4 ? 32 : 128), "a CIDR too long");
  return out;
}

AddressSet readAddressSet(Reader& in) {
  return AddressSet(list<Cidr>(in, 6, readCidr));
}

HostMatch readHost(Reader& in) {
  const auto kind = in.code<HostMatchKind>(kHostMatchKindCount, "unknown host match");
  return {kind, in.text()};
}

std::vector<std::string> readTexts(Reader& in) {
  return list<std::string>(in, 4, [](Reader& r) { return r.text(); });
}

NameRoute readNameRoute(Reader& in) {
  NameRoute out;
  out.host = readHost(in);
  out.alpn = readTexts(in);
  out.pool = in.u32();
  return out;
}

Listener readListener(Reader& in) {
  Listener out;
  out.name = in.text();
  out.address = readAddress(in);
  out.protocol = in.code<Protocol>(kProtocolCount, "unknown protocol");
  out.routes = readRange(in);
  const std::uint32_t pool = in.u32();
  out.pool =
      pool == std::numeric_limits<std::uint32_t>::max() ? -1 : static_cast<std::int32_t>(pool);
  out.nameRoutes = list<NameRoute>(in, 13, readNameRoute);
  out.serverTls = in.u32();
  out.forward = in.u32();
  out.proxyProtocol = in.code<ProxyAccept>(kProxyAcceptCount, "unknown proxyProtocol");
  out.maxConnections = in.u32();
  out.accessLog = in.text();
  out.forwarded = in.code<ForwardedMode>(kForwardedModeCount, "unknown forwarded mode");
  out.trustedProxies = list<Cidr>(in, 6, readCidr);
  out.splice = in.code<SpliceMode>(kSpliceModeCount, "unknown splice mode");
  Timeouts& t = out.timeouts;
  for (std::uint32_t* value : {&t.connectMs, &t.handshakeMs, &t.requestHeaderMs, &t.bodyIdleMs,
                               &t.responseHeaderMs, &t.keepAliveMs, &t.idleMs}) {
    *value = in.u32();
    in.require(*value > 0, "a timeout of zero");
  }
  out.limits.headBytes = in.u32();
  out.limits.headerCount = in.u32();
  out.limits.targetBytes = in.u32();
  out.limits.bodyBytes = in.u64();
  out.limits.takesConnect = out.protocol == Protocol::Forward;
  out.maxSessions = in.u32();
  out.responses = in.u32();
  return out;
}

HeaderEdit readEdit(Reader& in) {
  const auto op = in.code<EditOp>(kEditOpCount, "unknown edit");
  std::string name = in.text();
  return {op, std::move(name), in.text()};
}

Dfa readDfa(Reader& in) {
  Dfa out;
  out.classCount = in.u16();
  in.raw(out.classes);
  out.next = list<std::uint16_t>(in, 2, [](Reader& r) { return r.u16(); });
  out.accepting = list<std::uint8_t>(in, 1, [](Reader& r) { return r.u8(); });
  const std::size_t states = out.accepting.size();
  in.require(out.classCount > 0 && states >= 2 && out.next.size() == states * out.classCount,
             "a transition table of the wrong size");
  for (const std::uint8_t value : out.classes) {
    in.require(value < out.classCount, "a byte class out of range");
  }
  for (const std::uint16_t state : out.next) {
    in.require(state < states, "a transition out of range");
  }
  return out;
}

Action readAction(Reader& in) {
  Action out;
  out.kind = in.code<ActionKind>(kActionKindCount, "unknown action");
  switch (out.kind) {
  case ActionKind::Pool:
    out.pool = in.u32();
    break;
  case ActionKind::Respond:
    out.status = in.u16();
    out.headers = list<HeaderLine>(in, 8, [](Reader& r) {
      std::string name = r.text();
      return HeaderLine{std::move(name), r.text()};
    });
    out.body = in.text();
    break;
  case ActionKind::Deny:
    break;
  case ActionKind::Redirect:
    out.status = in.u16();
    out.location = list<LocationPart>(in, 5, [](Reader& r) {
      const auto part = r.code<LocationPartKind>(kLocationPartKindCount, "unknown location part");
      return LocationPart{part, r.text()};
    });
    break;
  }
  in.require(out.kind == ActionKind::Pool || out.kind == ActionKind::Deny ||
                 (out.status >= 200 && out.status <= 599),
             "a status out of range");
  return out;
}

Route readRoute(Reader& in, StateRegistry& registry) {
  Route out;
  out.listener = in.u32();
  out.stats = registry.stats("route/" + in.text());
  out.name = in.text();
  out.hostKind = in.code<HostMatchKind>(kHostMatchKindCount, "unknown host match");
  out.host = in.text();
  out.pathKind = in.code<PathMatchKind>(kPathMatchKindCount, "unknown path match");
  out.path = in.text();
  if (out.pathKind == PathMatchKind::Regex) {
    out.dfa = readDfa(in);
  }
  out.certificate.kind =
      in.code<CertificateMatchKind>(kCertificateMatchKindCount, "unknown certificate match");
  out.certificate.commonName = in.text();
  out.certificate.fingerprint = in.text();
  out.action = readAction(in);
  out.stripPrefix = in.text();
  out.addPrefix = in.text();
  out.hostHeader = in.code<HostHeaderKind>(kHostHeaderKindCount, "unknown hostHeader");
  out.hostHeaderValue = in.text();
  out.requestEdits = list<HeaderEdit>(in, 9, readEdit);
  out.responseEdits = list<HeaderEdit>(in, 9, readEdit);
  return out;
}

/// Basic credentials (RFC 7617).
std::string authorizationOf(std::string_view login) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (login.empty()) {
    return {};
  }
  std::string out = "Basic ";
  for (std::size_t at = 0; at < login.size(); at += 3) {
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto byte = at + i < login.size() ? static_cast<unsigned char>(login[at + i]) : 0U;
      group = group << 8 | byte;
    }
    for (std::size_t i = 0; i < 4; ++i) {
      const bool isPadding = at + i > login.size();
      out += isPadding ? '=' : kDigits[group >> (18 - 6 * i) & 63];
    }
  }
  return out;
}

Pool readPool(Reader& in, StateRegistry& registry) {
  Pool out;
  out.name = in.text();
  out.strategy = in.code<Strategy>(kStrategyCount, "unknown strategy");
  out.targets = readRange(in);
  out.table = list<std::uint32_t>(in, 4, [](Reader& r) { return r.u32(); });
  out.retries = in.u32();
  out.ejectAfter = in.u32();
  out.ejectMs = in.u32();
  out.maxEjectMs = in.u32();
  out.idleMs = in.u32();
  out.maxIdle = in.u32();
  out.proxyProtocol = in.code<ProxySend>(kProxySendCount, "unknown proxyProtocol");
  out.kind = in.code<PoolKind>(kPoolKindCount, "unknown kind of pool");
  out.login = in.text();
  out.authorization = authorizationOf(out.login);
  out.stats = registry.stats("pool/" + out.name);
  out.state = registry.pool(out.name);
  return out;
}

Target readTarget(Reader& in) {
  Target out;
  out.pool = in.u32();
  out.name = in.text();
  out.authority = in.text();
  out.address = readAddress(in);
  out.weight = in.u32();
  out.clientTls = in.u32();
  out.serverName = in.text();
  return out;
}

TlsTerms readTerms(Reader& in) {
  TlsTerms out;
  out.minVersion = in.u16();
  out.maxVersion = in.u16();
  in.require(out.minVersion >= 0x0301 && out.minVersion <= out.maxVersion &&
                 out.maxVersion <= 0x0304,
             "TLS versions out of range");
  out.ciphers = in.text();
  out.cipherSuites = in.text();
  out.curves = in.text();
  out.kernelTls = in.u8() != 0;
  return out;
}

Certificate readCertificate(Reader& in) {
  Certificate out;
  out.name = in.text();
  out.chain = in.text();
  out.key = in.text();
  out.ocsp = in.text();
  return out;
}

ServerName readServerName(Reader& in) {
  std::string name = in.text();
  return {std::move(name), in.u32()};
}

ServerTls readServerTls(Reader& in) {
  ServerTls out;
  out.certificates = list<Certificate>(in, 16, readCertificate);
  out.identities = list<std::vector<std::uint32_t>>(in, 4, [](Reader& r) {
    return list<std::uint32_t>(r, 4, [](Reader& inner) { return inner.u32(); });
  });
  out.names = list<ServerName>(in, 8, readServerName);
  out.challenges = list<ServerName>(in, 8, readServerName);
  out.rejectsUnknownNames = in.u8() != 0;
  out.terms = readTerms(in);
  out.alpn = readTexts(in);
  for (const std::string& name : out.alpn) {
    in.require(!name.empty() && name.size() <= 255, "a protocol's name out of range");
  }
  out.sessionTickets = in.u8() != 0;
  out.sessionSeconds = in.u32();
  out.clientMode =
      in.code<ClientCertificateMode>(kClientCertificateModeCount, "unknown client mode");
  out.clientCa = in.text();
  out.clientCrl = in.text();
  out.clientHeaders = list<CertificateHeader>(in, 5, [](Reader& r) {
    const auto field =
        r.code<CertificateField>(kCertificateFieldCount, "unknown certificate field");
    return CertificateHeader{field, r.text()};
  });
  return out;
}

ClientTls readClientTls(Reader& in) {
  ClientTls out;
  out.verify = in.u8() != 0;
  out.ca = in.text();
  out.crl = in.text();
  out.certificate = list<Certificate>(in, 16, readCertificate);
  out.fingerprints = readTexts(in);
  for (const std::string& digits : out.fingerprints) {
    in.require(digits.size() == 64, "a fingerprint of the wrong size");
  }
  out.terms = readTerms(in);
  return out;
}

std::vector<PortRange> readPorts(Reader& in) {
  return list<PortRange>(in, 4, [](Reader& r) {
    const std::uint16_t first = r.u16();
    return PortRange{first, r.u16()};
  });
}

Rule readRule(Reader& in) {
  Rule out;
  out.clients = readAddressSet(in);
  out.users = readTexts(in);
  out.hosts = list<HostMatch>(in, 5, readHost);
  out.blocks = readAddressSet(in);
  out.lists = list<std::uint32_t>(in, 4, [](Reader& r) { return r.u32(); });
  out.ports = readPorts(in);
  out.methods = readTexts(in);
  out.pathKind = in.code<PathMatchKind>(kPathMatchKindCount, "unknown path match");
  out.path = in.text();
  in.require(out.pathKind != PathMatchKind::Regex, "a rule with a regular expression");
  out.times = list<TimeWindow>(in, 5, [](Reader& r) {
    const std::uint8_t days = r.u8();
    const std::uint16_t from = r.u16();
    const TimeWindow window{days, from, r.u16()};
    r.require(window.fromMinute < 1440 && window.toMinute >= 1 && window.toMinute <= 1440,
              "a time of day out of range");
    return window;
  });
  return out;
}

Forward readForward(Reader& in) {
  Forward out;
  out.accepts = list<ForwardAccept>(in, 1, [](Reader& r) {
    return r.code<ForwardAccept>(kForwardAcceptCount, "unknown protocol of clients");
  });
  out.isTransparent = in.u8() != 0;
  out.users = in.u32();
  out.realm = in.text();
  out.rules = list<Rule>(in, 37, readRule);
  out.connectPorts = readPorts(in);
  out.socksPorts = readPorts(in);
  out.privateDestinations = list<Cidr>(in, 6, readCidr);
  out.anonymity = in.code<Anonymity>(kAnonymityCount, "unknown anonymity");
  out.sources = list<Address>(in, 7, readAddress);
  out.page = list<PagePiece>(in, 5, [](Reader& r) {
    const auto part = r.code<PagePartKind>(kPagePartKindCount, "unknown part of a page");
    return PagePiece{part, r.text()};
  });
  out.hasPac = in.u8() != 0;
  out.pac = in.text();
  out.viaName = in.text();
  return out;
}

List readList(Reader& in, StateRegistry& registry) {
  List out;
  out.name = in.text();
  out.digest = in.text();
  const std::span<const std::uint8_t> hosts = in.bytes();
  in.require(HostSet::isSound(hosts), "a list out of shape");
  if (in.isGood()) {
    out.hosts = registry.list(out.digest, hosts);
    out.hostSet = HostSet(*out.hosts);
  }
  out.blocks = readAddressSet(in);
  return out;
}

Users readUsers(Reader& in, StateRegistry& registry) {
  Users out;
  out.file = in.text();
  out.digest = in.text();
  out.users = list<User>(in, 24, [&](Reader& r) {
    User user;
    user.name = r.text();
    user.bytesPerSecond = r.u64();
    user.connections = r.u32();
    user.bytesPerDay = r.u64();
    user.state = registry.user(out.file + '\n' + user.name);
    return user;
  });
  return out;
}

bool fits(const Range& range, std::size_t size) noexcept {
  return range.first <= size && range.count <= size - range.first;
}

void checkServerTls(Reader& in, const ServerTls& tls) {
  in.require(!tls.identities.empty(), "TLS without a certificate");
  for (const std::vector<std::uint32_t>& members : tls.identities) {
    in.require(!members.empty(), "an identity without a certificate");
    for (const std::uint32_t member : members) {
      in.require(member < tls.certificates.size(), "an identity's certificate out of range");
    }
  }
  for (const std::vector<ServerName>* names : {&tls.names, &tls.challenges}) {
    for (const ServerName& name : *names) {
      in.require(name.identity < tls.identities.size(), "a name's identity out of range");
    }
  }
  in.require(tls.clientMode == ClientCertificateMode::Off || !tls.clientCa.empty(),
             "client certificates without CAs");
}

bool matchesEverything(const Rule& rule) noexcept {
  return rule.clients.empty() && rule.users.empty() && rule.hosts.empty() && rule.blocks.empty() &&
         rule.lists.empty() && rule.ports.empty() && rule.methods.empty() &&
         rule.pathKind == PathMatchKind::Any && rule.times.empty();
}

void checkForward(Reader& in, const Plan& plan, const Forward& forward) {
  in.require(!forward.rules.empty() && matchesEverything(forward.rules.back()),
             "rules that do not end with one for everything");
  in.require(forward.users == kNone || forward.users < plan.users.size(),
             "a forward proxy's users out of range");
  for (const Rule& rule : forward.rules) {
    for (const std::uint32_t at : rule.lists) {
      in.require(at < plan.lists.size(), "a rule's list out of range");
    }
  }
}

void checkForwardListener(Reader& in, const Plan& plan, const Listener& listener) {
  const bool isForward = listener.protocol == Protocol::Forward;
  in.require(isForward == (listener.forward != kNone) &&
                 (!isForward || listener.forward < plan.forwards.size()),
             "a listener's forward proxy out of range");
  if (in.isGood() && isForward) {
    in.require(plan.forwards[listener.forward].rules.size() == listener.routes.count,
               "rules that are not the listener's routes");
  }
}

/// Every reference from one table into another.
void checkReferences(Reader& in, const Plan& plan) {
  for (const Listener& listener : plan.listeners) {
    in.require(fits(listener.routes, plan.routes.size()), "a listener's routes out of range");
    checkForwardListener(in, plan, listener);
    const bool isHttp =
        listener.protocol == Protocol::Http || listener.protocol == Protocol::Forward;
    const bool needsPool = !isHttp && listener.nameRoutes.empty();
    in.require(isHttp ? listener.pool < 0 : listener.pool >= 0 || !needsPool,
               "a listener's pool does not suit its protocol");
    in.require(listener.nameRoutes.empty() || listener.protocol == Protocol::Tcp,
               "routes by name of a listener that is not tcp");
    for (const NameRoute& route : listener.nameRoutes) {
      in.require(route.pool < plan.pools.size(), "a name route's pool out of range");
    }
    in.require(listener.serverTls == kNone || (listener.serverTls < plan.serverTls.size() &&
                                               listener.protocol != Protocol::Udp),
               "a listener's TLS out of range");
    in.require(listener.pool < 0 || static_cast<std::size_t>(listener.pool) < plan.pools.size(),
               "a listener's pool out of range");
  }
  for (const Forward& forward : plan.forwards) {
    checkForward(in, plan, forward);
  }
  for (const Route& route : plan.routes) {
    in.require(route.listener < plan.listeners.size(), "a route's listener out of range");
    if (!in.isGood()) {
      return;
    }
    const bool isRule = plan.listeners[route.listener].protocol == Protocol::Forward;
    in.require(isRule
                   ? route.action.kind == ActionKind::Pool || route.action.kind == ActionKind::Deny
                   : route.action.kind != ActionKind::Deny,
               "a route's action does not suit its listener");
    in.require(route.action.kind != ActionKind::Pool || route.action.pool < plan.pools.size(),
               "a route's pool out of range");
  }
  for (const Pool& pool : plan.pools) {
    in.require(fits(pool.targets, plan.targets.size()) && pool.targets.count > 0,
               "a pool's targets out of range");
    for (const std::uint32_t entry : pool.table) {
      in.require(entry < pool.targets.count, "a strategy table's entry out of range");
    }
    in.require(!pool.table.empty() || pool.strategy == Strategy::LeastConnections,
               "a pool without its strategy's table");
  }
  for (const Target& target : plan.targets) {
    in.require(target.pool < plan.pools.size(), "a target's pool out of range");
    in.require(target.weight > 0, "a target without weight");
    in.require(target.clientTls == kNone || target.clientTls < plan.clientTls.size(),
               "a target's TLS out of range");
  }
  for (const ServerTls& tls : plan.serverTls) {
    checkServerTls(in, tls);
  }
  for (const ClientTls& tls : plan.clientTls) {
    in.require(tls.certificate.size() <= 1, "more than one client certificate");
    in.require(!tls.verify || !tls.ca.empty(), "verification without CAs");
  }
}

} // namespace

Decoded decodePlan(std::span<const std::uint8_t> bytes, StateRegistry& registry) {
  Reader in(bytes);
  auto plan = std::make_shared<Plan>();
  in.require(in.u32() == kPlanMagic, "not a plan of this version");
  plan->version = in.u64();
  plan->listeners = list<Listener>(in, 64, readListener);
  plan->routes = list<Route>(in, 40, [&](Reader& r) { return readRoute(r, registry); });
  plan->pools = list<Pool>(in, 40, [&](Reader& r) { return readPool(r, registry); });
  plan->targets = list<Target>(in, 20, readTarget);
  plan->serverTls = list<ServerTls>(in, 40, readServerTls);
  plan->clientTls = list<ClientTls>(in, 20, readClientTls);
  plan->forwards = list<Forward>(in, 40, readForward);
  plan->lists = list<List>(in, 16, [&](Reader& r) { return readList(r, registry); });
  plan->users = list<Users>(in, 12, [&](Reader& r) { return readUsers(r, registry); });
  in.require(in.isAtEnd(), "bytes after the plan");
  if (in.isGood()) {
    checkReferences(in, *plan);
  }
  if (!in.isGood()) {
    // The plan first: it holds what is to be forgotten.
    plan.reset();
    registry.prune();
    return {nullptr, in.problem()};
  }
  for (Listener& listener : plan->listeners) {
    listener.stats = registry.stats("listener/" + listener.name);
    listener.state = registry.listener(listener.name);
  }
  for (Target& target : plan->targets) {
    const std::string key = plan->pools[target.pool].name + "/" + target.name;
    target.stats = registry.stats("target/" + key);
    target.state = registry.target(key);
  }
  return {std::move(plan), {}};
}

} // namespace sluice::plan
