// The plan: the compiled, immutable, index-based form of a configuration. Mirrors src/plan/plan.ts
// field for field; the comments on meaning are there. Made by decodePlan() on the main thread,
// shared by the workers, destroyed by whoever lets go of it last.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/large_bytes.h"
#include "base/result.h"
#include "generated/codes.h"
#include "plan/address_set.h"
#include "plan/host_set.h"
#include "plan/state.h"

namespace sluice::plan {

struct Address {
  AddressFamily family = AddressFamily::Ipv4;
  std::uint16_t port = 0;
  /// Network order; the first 4 for IPv4, all 16 for IPv6.
  std::array<std::uint8_t, 16> bytes{};
  /// Unix sockets only.
  std::string path;
};

struct Range {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

struct Cidr {
  AddressFamily family = AddressFamily::Ipv4;
  std::array<std::uint8_t, 16> bytes{};
  std::uint8_t bits = 0;

  /// `client` has 4 bytes for IPv4, 16 for IPv6.
  [[nodiscard]] bool contains(std::span<const std::uint8_t> client) const noexcept;
};

struct Timeouts {
  std::uint32_t connectMs = 0;
  std::uint32_t handshakeMs = 0;
  std::uint32_t requestHeaderMs = 0;
  std::uint32_t bodyIdleMs = 0;
  std::uint32_t responseHeaderMs = 0;
  std::uint32_t keepAliveMs = 0;
  std::uint32_t idleMs = 0;
};

struct Limits {
  std::uint32_t headBytes = 0;
  std::uint32_t headerCount = 0;
  std::uint32_t targetBytes = 0;
  std::uint64_t bodyBytes = 0;
  /// CONNECT is a request, not a mistake: of forward proxies.
  bool takesConnect = false;
};

/// An index that is not there.
inline constexpr std::uint32_t kNone = 0xffff'ffff;

struct HostMatch {
  HostMatchKind kind = HostMatchKind::Any;
  std::string value;
};

struct NameRoute {
  HostMatch host;
  std::vector<std::string> alpn;
  std::uint32_t pool = 0;
};

struct Listener {
  std::string name;
  Address address;
  Protocol protocol = Protocol::Http;
  Range routes;
  /// -1 for http and forward, and for tcp listeners that have name routes alone.
  std::int32_t pool = -1;
  std::vector<NameRoute> nameRoutes;
  /// kNone: the listener does not end TLS.
  std::uint32_t serverTls = kNone;
  /// kNone: not a forward proxy.
  std::uint32_t forward = kNone;
  ProxyAccept proxyProtocol = ProxyAccept::Off;
  std::uint32_t maxConnections = 0;
  /// Empty = no access log, "-" = stdout.
  std::string accessLog;
  ForwardedMode forwarded = ForwardedMode::Replace;
  std::vector<Cidr> trustedProxies;
  SpliceMode splice = SpliceMode::Auto;
  Timeouts timeouts;
  Limits limits;
  std::uint32_t maxSessions = 0;
  std::uint32_t responses = 0;

  std::shared_ptr<EntityStats> stats;
  std::shared_ptr<ListenerState> state;

  /// Whether `client`, an address of 4 or 16 bytes, is one of trustedProxies; one of a unix socket,
  /// which has none, never.
  [[nodiscard]] bool trusts(std::span<const std::uint8_t> client) const noexcept;
};

struct Dfa {
  std::uint16_t classCount = 0;
  std::array<std::uint8_t, 256> classes{};
  std::vector<std::uint16_t> next;
  std::vector<std::uint8_t> accepting;

  [[nodiscard]] bool matches(std::string_view text) const noexcept;
};

struct HeaderEdit {
  EditOp op = EditOp::Set;
  std::string name;
  std::string value;
};

struct HeaderLine {
  std::string name;
  std::string value;
};

struct LocationPart {
  LocationPartKind part = LocationPartKind::Literal;
  std::string text;
};

struct Action {
  ActionKind kind = ActionKind::Pool;
  std::uint32_t pool = 0;
  std::uint16_t status = 0;
  std::vector<HeaderLine> headers;
  std::string body;
  std::vector<LocationPart> location;
};

struct CertificateMatch {
  CertificateMatchKind kind = CertificateMatchKind::Any;
  std::string commonName;
  std::string fingerprint;
};

struct Route {
  std::uint32_t listener = 0;
  std::string name;
  HostMatchKind hostKind = HostMatchKind::Any;
  std::string host;
  PathMatchKind pathKind = PathMatchKind::Any;
  std::string path;
  Dfa dfa;
  CertificateMatch certificate;
  Action action;
  std::string stripPrefix;
  std::string addPrefix;
  HostHeaderKind hostHeader = HostHeaderKind::Client;
  std::string hostHeaderValue;
  std::vector<HeaderEdit> requestEdits;
  std::vector<HeaderEdit> responseEdits;

  std::shared_ptr<EntityStats> stats;
};

struct Pool {
  std::string name;
  Strategy strategy = Strategy::RoundRobin;
  Range targets;
  /// What the strategy indexes; entries are positions within `targets`.
  std::vector<std::uint32_t> table;
  std::uint32_t retries = 0;
  std::uint32_t ejectAfter = 0;
  std::uint32_t ejectMs = 0;
  std::uint32_t maxEjectMs = 0;
  std::uint32_t idleMs = 0;
  std::uint32_t maxIdle = 0;
  ProxySend proxyProtocol = ProxySend::Off;
  PoolKind kind = PoolKind::Targets;
  /// What parents are logged in to with, `name:password`; empty = nothing.
  std::string login;
  /// The same as a value of Proxy-Authorization.
  std::string authorization;

  std::shared_ptr<EntityStats> stats;
  std::shared_ptr<PoolState> state;
};

struct Target {
  std::uint32_t pool = 0;
  std::string name;
  std::string authority;
  Address address;
  std::uint32_t weight = 1;
  /// kNone: plain.
  std::uint32_t clientTls = kNone;
  std::string serverName;

  std::shared_ptr<EntityStats> stats;
  std::shared_ptr<TargetState> state;
};

struct TlsTerms {
  std::uint16_t minVersion = 0;
  std::uint16_t maxVersion = 0;
  std::string ciphers;
  std::string cipherSuites;
  std::string curves;
  /// The kernel may seal what is bulky, where it offers that.
  bool kernelTls = true;

  [[nodiscard]] bool operator==(const TlsTerms& other) const noexcept = default;
};

struct Certificate {
  std::string name;
  std::string chain;
  std::string key;
  std::string ocsp;

  [[nodiscard]] bool operator==(const Certificate& other) const noexcept = default;
};

struct ServerName {
  std::string name;
  std::uint32_t identity = 0;

  [[nodiscard]] bool operator==(const ServerName& other) const noexcept = default;
};

struct CertificateHeader {
  CertificateField field = CertificateField::Verified;
  std::string name;

  [[nodiscard]] bool operator==(const CertificateHeader& other) const noexcept = default;
};

struct ServerTls {
  std::vector<Certificate> certificates;
  /// Positions in `certificates`.
  std::vector<std::vector<std::uint32_t>> identities;
  std::vector<ServerName> names;
  std::vector<ServerName> challenges;
  bool rejectsUnknownNames = false;
  TlsTerms terms;
  std::vector<std::string> alpn;
  bool sessionTickets = true;
  std::uint32_t sessionSeconds = 0;
  ClientCertificateMode clientMode = ClientCertificateMode::Off;
  std::string clientCa;
  std::string clientCrl;
  std::vector<CertificateHeader> clientHeaders;

  [[nodiscard]] bool operator==(const ServerTls& other) const noexcept = default;
};

struct ClientTls {
  bool verify = true;
  std::string ca;
  std::string crl;
  /// None or one.
  std::vector<Certificate> certificate;
  std::vector<std::string> fingerprints;
  TlsTerms terms;

  [[nodiscard]] bool operator==(const ClientTls& other) const noexcept = default;
};

/// Both ends included.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
};

[[nodiscard]] bool holds(std::span<const PortRange> ranges, std::uint16_t port) noexcept;

/// By local time.
struct TimeWindow {
  /// Bit 0 = Sunday.
  std::uint8_t days = 0;
  std::uint16_t fromMinute = 0;
  std::uint16_t toMinute = 0;
};

struct Rule {
  AddressSet clients;
  std::vector<std::string> users;
  std::vector<HostMatch> hosts;
  AddressSet blocks;
  /// Positions in the plan's lists.
  std::vector<std::uint32_t> lists;
  std::vector<PortRange> ports;
  std::vector<std::string> methods;
  PathMatchKind pathKind = PathMatchKind::Any;
  std::string path;
  std::vector<TimeWindow> times;
};

struct PagePiece {
  PagePartKind part = PagePartKind::Literal;
  std::string text;
};

struct Forward {
  std::vector<ForwardAccept> accepts;
  bool isTransparent = false;
  /// kNone: nobody is asked who they are.
  std::uint32_t users = kNone;
  std::string realm;
  /// Aligned with the routes of the listener. The last matches everything.
  std::vector<Rule> rules;
  std::vector<PortRange> connectPorts;
  std::vector<PortRange> socksPorts;
  std::vector<Cidr> privateDestinations;
  Anonymity anonymity = Anonymity::Anonymous;
  std::vector<Address> sources;
  std::vector<PagePiece> page;
  bool hasPac = false;
  std::string pac;
  std::string viaName;

  [[nodiscard]] bool doesAccept(ForwardAccept what) const noexcept;
};

/// A list of destinations that rules name.
struct List {
  std::string name;
  std::string digest;
  /// Laid out as src/plan/host-set.ts says. Shared with the plan before where it is the same.
  std::shared_ptr<const LargeBytes> hosts;
  /// Reads `hosts`.
  HostSet hostSet;
  AddressSet blocks;
};

/// 0 = unlimited.
struct User {
  std::string name;
  std::uint64_t bytesPerSecond = 0;
  std::uint32_t connections = 0;
  std::uint64_t bytesPerDay = 0;

  std::shared_ptr<UserState> state;
};

struct Users {
  std::string file;
  std::string digest;
  std::vector<User> users;
};

struct Plan {
  std::uint64_t version = 0;
  std::vector<Listener> listeners;
  std::vector<Route> routes;
  std::vector<Pool> pools;
  std::vector<Target> targets;
  std::vector<ServerTls> serverTls;
  std::vector<ClientTls> clientTls;
  std::vector<Forward> forwards;
  std::vector<List> lists;
  std::vector<Users> users;

  /// Null: the listener does not end TLS.
  [[nodiscard]] const ServerTls* serverTlsOf(const Listener& listener) const noexcept {
    return listener.serverTls == kNone ? nullptr : &serverTls[listener.serverTls];
  }
  /// Null: not a forward proxy.
  [[nodiscard]] const Forward* forwardOf(const Listener& listener) const noexcept {
    return listener.forward == kNone ? nullptr : &forwards[listener.forward];
  }
  [[nodiscard]] std::span<const Target> targetsOf(const Pool& pool) const noexcept {
    return {targets.data() + pool.targets.first, pool.targets.count};
  }
  [[nodiscard]] std::span<const Route> routesOf(const Listener& listener) const noexcept {
    return {routes.data() + listener.routes.first, listener.routes.count};
  }
  /// Doubles that a stats snapshot of this plan takes.
  [[nodiscard]] std::size_t statsLength() const noexcept {
    return (listeners.size() + routes.size() + pools.size() + targets.size()) * kStatsStride;
  }
};

} // namespace sluice::plan
