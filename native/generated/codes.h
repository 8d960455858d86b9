// Printed from src/contract/codes.ts by `npm run codes`. Do not edit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

enum class Side : std::uint8_t {
  None = 0,
  Client = 1,
  Upstream = 2,
  Internal = 3,
};
inline constexpr std::size_t kSideCount = 4;

enum class Retry : std::uint8_t {
  Never = 0,
  IfReused = 1,
  Always = 2,
};
inline constexpr std::size_t kRetryCount = 3;

enum class Errc : std::uint8_t {
  /// No error.
  None = 0,
  /// The request violates RFC 9112 or its framing is ambiguous.
  RequestMalformed = 1,
  /// The request head did not arrive in time.
  RequestTimeout = 2,
  /// The request body stopped arriving.
  RequestBodyTimeout = 3,
  /// The request body exceeds limits.bodyBytes.
  RequestBodyTooLarge = 4,
  /// The request target exceeds limits.targetBytes.
  RequestTargetTooLong = 5,
  /// The request head exceeds limits.headBytes or limits.headerCount.
  RequestHeadTooLarge = 6,
  /// The request uses a transfer coding other than chunked.
  RequestCodingUnknown = 7,
  /// The request names an HTTP major version other than 1.
  RequestVersionUnsupported = 8,
  /// The request has an expectation other than 100-continue.
  RequestExpectationFailed = 9,
  /// No route of the listener matches the request.
  NoRoute = 10,
  /// No target of the pool is available.
  NoTarget = 11,
  /// The target refused the connection.
  ConnectRefused = 12,
  /// The target did not accept the connection in time.
  ConnectTimeout = 13,
  /// There is no way to the target.
  ConnectUnreachable = 14,
  /// Connecting to the target failed for another reason.
  ConnectFailed = 15,
  /// The target closed the connection before it answered.
  UpstreamClosed = 16,
  /// The target reset the connection before it answered.
  UpstreamReset = 17,
  /// The response violates RFC 9112 or its framing is ambiguous.
  ResponseMalformed = 18,
  /// The response head exceeds limits.headBytes or limits.headerCount.
  ResponseHeadTooLarge = 19,
  /// The response ended before its body was complete.
  ResponseIncomplete = 20,
  /// The target did not begin its answer in time.
  ResponseTimeout = 21,
  /// The response body stopped arriving.
  ResponseBodyTimeout = 22,
  /// The target switched protocols without having been asked to.
  UpgradeFailed = 23,
  /// The client went away before its work was done.
  ClientAborted = 24,
  /// The client stopped reading its answer.
  ClientStalled = 25,
  /// Nothing moved in either direction for the idle timeout.
  IdleTimeout = 26,
  /// The listener has maxConnections open already.
  ConnectionLimit = 27,
  /// The process or the machine has no file descriptor left.
  OutOfDescriptors = 28,
  /// The kernel or the worker has no memory left for this.
  OutOfMemory = 29,
  /// No local port is left for a connection to the target.
  OutOfPorts = 30,
  /// The UDP session table was full and this least recently used session went.
  SessionEvicted = 31,
  /// ICMP said that nothing listens at the UDP target.
  TargetUnreachable = 32,
  /// A datagram could not be sent on and was dropped.
  DatagramDropped = 33,
  /// A bug in the proxy.
  Internal = 34,
  /// The TLS handshake with the client failed, or what it sent was no TLS.
  TlsHandshakeFailed = 35,
  /// The client did not finish its TLS handshake or PROXY header in time.
  HandshakeTimeout = 36,
  /// The client asked by SNI for a name that the listener does not serve.
  TlsNameUnknown = 37,
  /// The client showed no certificate where one is required, or one that does not hold.
  ClientCertificateRejected = 38,
  /// A plain HTTP request came to a listener that speaks TLS.
  PlainOnTls = 39,
  /// The request names a host that no certificate of its TLS listener is for.
  Misdirected = 40,
  /// The TLS handshake with the target failed.
  UpstreamTlsFailed = 41,
  /// The certificate of the target does not hold.
  UpstreamCertificateRejected = 42,
  /// A trusted proxy sent a malformed PROXY header, or none where one is required.
  ProxyHeaderBad = 43,
  /// The client of a forward proxy gave no user and password, or wrong ones.
  ProxyAuthRequired = 44,
  /// The client of a forward proxy asked for something that is no host and port.
  DestinationMalformed = 45,
  /// A rule denies the destination, or its port is not one of those permitted.
  DestinationDenied = 46,
  /// The destination has only addresses that are not public.
  DestinationForbidden = 47,
  /// The name of the destination has no address.
  NameNotFound = 48,
  /// No name server answered for the name of the destination.
  NameTimeout = 49,
  /// The request has come through this proxy before, or asks for the proxy itself.
  ProxyLoop = 50,
  /// The user has as many connections open as permitted.
  UserLimit = 51,
  /// The user has moved as many bytes today as permitted.
  UserQuota = 52,
  /// A parent proxy refused to connect, or did not answer as one.
  ParentRefused = 53,
  /// The client of a forward proxy began neither as HTTP nor as SOCKS, or broke off.
  SocksMalformed = 54,
};
inline constexpr std::size_t kErrcCount = 55;

enum class Protocol : std::uint8_t {
  Http = 0,
  Tcp = 1,
  Udp = 2,
  Forward = 3,
};
inline constexpr std::size_t kProtocolCount = 4;

enum class Strategy : std::uint8_t {
  RoundRobin = 0,
  Random = 1,
  LeastConnections = 2,
  IpHash = 3,
  PowerOfTwoChoices = 4,
  Maglev = 5,
};
inline constexpr std::size_t kStrategyCount = 6;

enum class ForwardedMode : std::uint8_t {
  Replace = 0,
  Append = 1,
  Off = 2,
};
inline constexpr std::size_t kForwardedModeCount = 3;

enum class SpliceMode : std::uint8_t {
  Auto = 0,
  Never = 1,
  Always = 2,
};
inline constexpr std::size_t kSpliceModeCount = 3;

enum class AddressFamily : std::uint8_t {
  Ipv4 = 0,
  Ipv6 = 1,
  Unix = 2,
};
inline constexpr std::size_t kAddressFamilyCount = 3;

enum class HostMatchKind : std::uint8_t {
  Any = 0,
  Exact = 1,
  Suffix = 2,
};
inline constexpr std::size_t kHostMatchKindCount = 3;

enum class PathMatchKind : std::uint8_t {
  Any = 0,
  Exact = 1,
  Prefix = 2,
  Regex = 3,
};
inline constexpr std::size_t kPathMatchKindCount = 4;

enum class ActionKind : std::uint8_t {
  Pool = 0,
  Respond = 1,
  Redirect = 2,
  Deny = 3,
};
inline constexpr std::size_t kActionKindCount = 4;

enum class HostHeaderKind : std::uint8_t {
  Client = 0,
  Target = 1,
  Literal = 2,
};
inline constexpr std::size_t kHostHeaderKindCount = 3;

enum class EditOp : std::uint8_t {
  Set = 0,
  Add = 1,
  Remove = 2,
};
inline constexpr std::size_t kEditOpCount = 3;

enum class LocationPartKind : std::uint8_t {
  Literal = 0,
  Scheme = 1,
  Host = 2,
  Path = 3,
  Query = 4,
  Hostname = 5,
};
inline constexpr std::size_t kLocationPartKindCount = 6;

enum class ClientCertificateMode : std::uint8_t {
  Off = 0,
  Request = 1,
  Require = 2,
};
inline constexpr std::size_t kClientCertificateModeCount = 3;

enum class CertificateField : std::uint8_t {
  Verified = 0,
  Subject = 1,
  Issuer = 2,
  Serial = 3,
  Fingerprint = 4,
  Names = 5,
  NotBefore = 6,
  NotAfter = 7,
  Certificate = 8,
};
inline constexpr std::size_t kCertificateFieldCount = 9;

enum class CertificateMatchKind : std::uint8_t {
  Any = 0,
  Verified = 1,
  None = 2,
};
inline constexpr std::size_t kCertificateMatchKindCount = 3;

enum class ProxyAccept : std::uint8_t {
  Off = 0,
  Optional = 1,
  Required = 2,
};
inline constexpr std::size_t kProxyAcceptCount = 3;

enum class ProxySend : std::uint8_t {
  Off = 0,
  V1 = 1,
  V2 = 2,
};
inline constexpr std::size_t kProxySendCount = 3;

enum class ForwardAccept : std::uint8_t {
  Http = 0,
  Socks5 = 1,
  Socks4 = 2,
};
inline constexpr std::size_t kForwardAcceptCount = 3;

enum class Anonymity : std::uint8_t {
  Transparent = 0,
  Anonymous = 1,
  Elite = 2,
};
inline constexpr std::size_t kAnonymityCount = 3;

enum class PoolKind : std::uint8_t {
  Targets = 0,
  Direct = 1,
  HttpParent = 2,
  Socks5Parent = 3,
};
inline constexpr std::size_t kPoolKindCount = 4;

enum class PagePartKind : std::uint8_t {
  Literal = 0,
  Host = 1,
  Port = 2,
  Rule = 3,
  Client = 4,
  User = 5,
  Reason = 6,
};
inline constexpr std::size_t kPagePartKindCount = 7;

enum class QuestionKind : std::uint8_t {
  Addresses = 0,
  Password = 1,
};
inline constexpr std::size_t kQuestionKindCount = 2;

enum class AddressClass : std::uint8_t {
  Public = 0,
  Loopback = 1,
  Private = 2,
  LinkLocal = 3,
  Multicast = 4,
  Reserved = 5,
};
inline constexpr std::size_t kAddressClassCount = 6;

enum class Counter : std::uint8_t {
  Connections = 0,
  Active = 1,
  Requests = 2,
  Status1xx = 3,
  Status2xx = 4,
  Status3xx = 5,
  Status4xx = 6,
  Status5xx = 7,
  BytesIn = 8,
  BytesOut = 9,
  DatagramsIn = 10,
  DatagramsOut = 11,
  Retries = 12,
  LogDropped = 13,
  TlsHandshakes = 14,
  TlsResumed = 15,
};
inline constexpr std::size_t kCounterCount = 16;

struct ErrcInfo {
  std::string_view name;
  std::string_view proxyStatus;
  std::uint16_t status;
  Side side;
  Retry retry;
  /// It says something about the target, and counts towards its ejection.
  bool isTargetFault;
};

inline constexpr std::array<ErrcInfo, kErrcCount> kErrcInfo{{
    {"none", "", 0, Side::None, Retry::Never, false},
    {"request_malformed", "http_request_error", 400, Side::Client, Retry::Never, false},
    {"request_timeout", "http_request_error", 408, Side::Client, Retry::Never, false},
    {"request_body_timeout", "http_request_error", 408, Side::Client, Retry::Never, false},
    {"request_body_too_large", "http_request_error", 413, Side::Client, Retry::Never, false},
    {"request_target_too_long", "http_request_error", 414, Side::Client, Retry::Never, false},
    {"request_head_too_large", "http_request_error", 431, Side::Client, Retry::Never, false},
    {"request_coding_unknown", "http_request_error", 501, Side::Client, Retry::Never, false},
    {"request_version_unsupported", "http_request_error", 505, Side::Client, Retry::Never, false},
    {"request_expectation_failed", "http_request_error", 417, Side::Client, Retry::Never, false},
    {"no_route", "destination_not_found", 404, Side::Client, Retry::Never, false},
    {"no_target", "destination_unavailable", 503, Side::Upstream, Retry::Never, false},
    {"connect_refused", "connection_refused", 502, Side::Upstream, Retry::Always, true},
    {"connect_timeout", "connection_timeout", 504, Side::Upstream, Retry::Always, true},
    {"connect_unreachable", "destination_ip_unroutable", 502, Side::Upstream, Retry::Always, true},
    {"connect_failed", "destination_unavailable", 502, Side::Upstream, Retry::Always, true},
    {"upstream_closed", "connection_terminated", 502, Side::Upstream, Retry::IfReused, true},
    {"upstream_reset", "connection_terminated", 502, Side::Upstream, Retry::IfReused, true},
    {"response_malformed", "http_protocol_error", 502, Side::Upstream, Retry::Never, true},
    {"response_head_too_large", "http_response_header_section_size", 502, Side::Upstream, Retry::Never, true},
    {"response_incomplete", "http_response_incomplete", 502, Side::Upstream, Retry::Never, true},
    {"response_timeout", "http_response_timeout", 504, Side::Upstream, Retry::Never, true},
    {"response_body_timeout", "connection_read_timeout", 504, Side::Upstream, Retry::Never, true},
    {"upgrade_failed", "http_upgrade_failed", 502, Side::Upstream, Retry::Never, false},
    {"client_aborted", "", 0, Side::Client, Retry::Never, false},
    {"client_stalled", "", 0, Side::Client, Retry::Never, false},
    {"idle_timeout", "", 0, Side::None, Retry::Never, false},
    {"connection_limit", "connection_limit_reached", 503, Side::Client, Retry::Never, false},
    {"out_of_descriptors", "connection_limit_reached", 503, Side::Internal, Retry::Never, false},
    {"out_of_memory", "proxy_internal_error", 503, Side::Internal, Retry::Never, false},
    {"out_of_ports", "proxy_internal_error", 503, Side::Internal, Retry::Always, false},
    {"session_evicted", "", 0, Side::Internal, Retry::Never, false},
    {"target_unreachable", "", 0, Side::Upstream, Retry::Never, true},
    {"datagram_dropped", "", 0, Side::Internal, Retry::Never, false},
    {"internal", "proxy_internal_error", 500, Side::Internal, Retry::Never, false},
    {"tls_handshake_failed", "", 0, Side::Client, Retry::Never, false},
    {"handshake_timeout", "", 0, Side::Client, Retry::Never, false},
    {"tls_name_unknown", "", 0, Side::Client, Retry::Never, false},
    {"client_certificate_rejected", "", 0, Side::Client, Retry::Never, false},
    {"plain_on_tls", "http_request_error", 400, Side::Client, Retry::Never, false},
    {"misdirected", "destination_not_found", 421, Side::Client, Retry::Never, false},
    {"upstream_tls_failed", "tls_protocol_error", 502, Side::Upstream, Retry::Always, true},
    {"upstream_certificate_rejected", "tls_certificate_error", 502, Side::Upstream, Retry::Always, true},
    {"proxy_header_bad", "", 0, Side::Client, Retry::Never, false},
    {"proxy_auth_required", "http_request_denied", 407, Side::Client, Retry::Never, false},
    {"destination_malformed", "http_request_error", 400, Side::Client, Retry::Never, false},
    {"destination_denied", "http_request_denied", 403, Side::Client, Retry::Never, false},
    {"destination_forbidden", "destination_ip_prohibited", 403, Side::Client, Retry::Never, false},
    {"name_not_found", "dns_error", 502, Side::Upstream, Retry::Never, false},
    {"name_timeout", "dns_timeout", 504, Side::Upstream, Retry::Never, false},
    {"proxy_loop", "proxy_loop_detected", 502, Side::Client, Retry::Never, false},
    {"user_limit", "connection_limit_reached", 429, Side::Client, Retry::Never, false},
    {"user_quota", "http_request_denied", 429, Side::Client, Retry::Never, false},
    {"parent_refused", "destination_unavailable", 502, Side::Upstream, Retry::Always, false},
    {"socks_malformed", "", 0, Side::Client, Retry::Never, false},
}};

[[nodiscard]] constexpr const ErrcInfo& errcInfo(Errc code) noexcept {
  return kErrcInfo[static_cast<std::size_t>(code)];
}

inline constexpr std::array<std::string_view, kStrategyCount> kStrategyNames{"round-robin", "random", "least-connections", "ip-hash", "power-of-two-choices", "maglev"};

/// Names these tables and the layout of an encoded plan.
inline constexpr std::string_view kAbi = "cede36aa";
inline constexpr std::uint32_t kPlanMagic = 1397510150;

inline constexpr unsigned kHistogramMinShift = 9;
inline constexpr unsigned kHistogramMaxShift = 37;
inline constexpr unsigned kHistogramSub = 32;
inline constexpr std::size_t kHistogramBuckets = 898;
inline constexpr std::size_t kStatsStride = 970;

} // namespace sluice
