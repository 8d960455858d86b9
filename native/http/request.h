// The strict request parser (RFC 9112). What it lets pass is unambiguous to any other parser; what
// it does not, the caller answers once and closes.
#pragma once

#include <cstdint>
#include <string_view>

#include "http/head.h"
#include "plan/plan.h"

namespace sluice::http {

enum class Method : std::uint8_t {
  Get,
  Head,
  Post,
  Put,
  Delete,
  Options,
  Trace,
  Patch,
  Connect,
  Other,
};

struct RequestHead {
  std::string_view method;
  /// As received.
  std::string_view target;
  /// Raw, in front of '?'. "/" for an absolute target without path, "*" for OPTIONS *, empty for
  /// CONNECT.
  std::string_view path;
  /// With its '?', or empty.
  std::string_view query;
  /// Of an absolute target, else of Host; empty for HTTP/1.0 without either. Never holds user
  /// information.
  std::string_view authority;
  /// The authority without port, as received; an IPv6 address keeps its brackets.
  std::string_view host;
  /// What to ask the target for, when wantsUpgrade.
  std::string_view upgradeProtocol;
  std::uint64_t contentLength = 0;
  Method methodId = Method::Other;
  BodyKind body = BodyKind::None;
  /// 0, or 1 for HTTP/1.1 and above.
  std::uint8_t minorVersion = 1;
  bool isIdempotent = false;
  bool isAbsoluteForm = false;
  /// An absolute target with https://.
  bool isHttpsTarget = false;
  bool keepAlive = false;
  /// The client waits for 100 (Continue) before it sends its body.
  bool expectsContinue = false;
  /// A request to switch protocols that may be relayed (RFC 9110 7.8); otherwise Upgrade is as if
  /// absent.
  bool wantsUpgrade = false;
  /// TE lists `trailers`.
  bool acceptsTrailers = false;
  FieldList fields;
};

/// Parses a request from the front of `input`. Done: `out` describes it. Bad: what to answer.
/// Partial: the limits are kept so far and more input is needed; `out` is then unspecified.
[[nodiscard]] ParseResult parseRequest(std::string_view input, const plan::Limits& limits,
                                       RequestHead& out) noexcept;

/// For callers that wait for findHeadEnd() before they parse: whether an unfinished head is over a
/// limit or not HTTP at all already. Errc::None = wait on. Costs no more than a look at the request
/// line.
[[nodiscard]] Errc checkUnfinishedRequest(std::string_view input,
                                          const plan::Limits& limits) noexcept;

} // namespace sluice::http
