#include "http/request.h"

#include <cstring>

#include "http/fields.h"
#include "http/scan.h"

namespace sluice::http {
namespace {

constexpr std::size_t kMaxMethod = 32;
constexpr std::string_view kVersion = "HTTP/";
/// `HTTP/1.1` and its CRLF.
constexpr std::size_t kVersionLine = 10;

constexpr ParseResult bad(Errc error) {
  return {ParseState::Bad, error, 0};
}
constexpr ParseResult malformed() {
  return bad(Errc::RequestMalformed);
}

/// Out of input: more to come, unless it would be too much.
ParseResult partial(std::string_view input, const plan::Limits& limits) {
  return input.size() >= limits.headBytes ? bad(Errc::RequestHeadTooLarge)
                                          : ParseResult{ParseState::Partial, Errc::None, 0};
}

struct MethodInfo {
  Method id;
  bool isIdempotent;
};

MethodInfo methodOf(std::string_view name) {
  switch (name.size()) {
  case 3:
    if (name == "GET") {
      return {Method::Get, true};
    }
    if (name == "PUT") {
      return {Method::Put, true};
    }
    break;
  case 4:
    if (name == "POST") {
      return {Method::Post, false};
    }
    if (name == "HEAD") {
      return {Method::Head, true};
    }
    break;
  case 5:
    if (name == "PATCH") {
      return {Method::Patch, false};
    }
    if (name == "TRACE") {
      return {Method::Trace, true};
    }
    break;
  case 6:
    if (name == "DELETE") {
      return {Method::Delete, true};
    }
    break;
  case 7:
    if (name == "OPTIONS") {
      return {Method::Options, true};
    }
    if (name == "CONNECT") {
      return {Method::Connect, false};
    }
    break;
  default:
    break;
  }
  return {Method::Other, false};
}

struct Authority {
  /// Without the colon of an empty port.
  std::string_view text;
  std::string_view host;
  std::uint32_t port = 0;
  bool hasPort = false;
};

bool isNameChar(char c) {
  // reg-name (RFC 3986 3.2.2) without escapes, which would give one host two spellings, and without
  // the comma.
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || isDigit(c) ||
         std::string_view("-._~!$&'()*+;=").find(c) != std::string_view::npos;
}

bool isIpv6Literal(std::string_view text) {
  std::size_t colons = 0;
  for (const char c : text) {
    const char lower = static_cast<char>(c | 0x20);
    if (c == ':') {
      ++colons;
    } else if (!isDigit(c) && !(lower >= 'a' && lower <= 'f') && c != '.') {
      return false;
    }
  }
  return colons >= 2 && text.size() <= 45;
}

bool parseAuthority(std::string_view text, Authority& out) {
  std::size_t hostEnd = 0;
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos || !isIpv6Literal(text.substr(1, bracket - 1))) {
      return false;
    }
    hostEnd = bracket + 1;
  } else {
    while (hostEnd < text.size() && isNameChar(text[hostEnd])) {
      ++hostEnd;
    }
  }
  if (hostEnd == 0) {
    return false;
  }
  out.host = text.substr(0, hostEnd);
  out.text = text;
  out.hasPort = false;
  if (hostEnd == text.size()) {
    return true;
  }
  if (text[hostEnd] != ':') {
    return false;
  }
  const std::string_view digits = text.substr(hostEnd + 1);
  if (digits.empty()) {
    out.text = out.host;
    return true;
  }
  std::uint32_t port = 0;
  for (const char c : digits) {
    if (!isDigit(c) || digits.size() > 5) {
      return false;
    }
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  out.port = port;
  out.hasPort = true;
  return port <= 65535;
}

struct Target {
  /// Of an absolute target; empty otherwise.
  std::string_view authority;
  std::uint32_t defaultPort = 80;
};

std::size_t schemeLength(std::string_view target, std::uint32_t& defaultPort) {
  constexpr std::string_view http = "http://";
  constexpr std::string_view https = "https://";
  if (equalsIgnoreCase(target.substr(0, http.size()), http)) {
    defaultPort = 80;
    return http.size();
  }
  if (equalsIgnoreCase(target.substr(0, https.size()), https)) {
    defaultPort = 443;
    return https.size();
  }
  return 0;
}

void splitPath(std::string_view text, RequestHead& out) {
  const std::size_t mark = text.find('?');
  out.path = text.substr(0, mark);
  out.query = mark == std::string_view::npos ? std::string_view() : text.substr(mark);
}

/// The port that a CONNECT names; 0 when it names none.
std::uint32_t portOf(std::string_view authority) {
  Authority parsed;
  return parseAuthority(authority, parsed) && parsed.hasPort ? parsed.port : 0;
}

/// The forms of RFC 9112 3.2; that of CONNECT only where there are tunnels.
bool readTarget(RequestHead& out, Target& parsed, bool takesConnect) {
  const std::string_view target = out.target;
  out.isAbsoluteForm = false;
  out.isHttpsTarget = false;
  if (out.methodId == Method::Connect) {
    parsed.authority = target;
    parsed.defaultPort = portOf(target);
    out.path = {};
    out.query = {};
    return takesConnect;
  }
  if (target.front() == '/') {
    splitPath(target, out);
    return true;
  }
  if (target == "*") {
    out.path = target;
    out.query = {};
    return out.methodId == Method::Options;
  }
  const std::size_t scheme = schemeLength(target, parsed.defaultPort);
  if (scheme == 0) {
    return false;
  }
  const std::string_view rest = target.substr(scheme);
  const std::size_t authorityEnd = rest.find_first_of("/?");
  parsed.authority = rest.substr(0, authorityEnd);
  out.isAbsoluteForm = true;
  out.isHttpsTarget = parsed.defaultPort == 443;
  if (authorityEnd == std::string_view::npos) {
    // RFC 9112 3.2.4: for OPTIONS an absolute target without path asks about the target as a whole.
    out.path = out.methodId == Method::Options ? "*" : "/";
    out.query = {};
    return true;
  }
  splitPath(rest.substr(authorityEnd), out);
  if (out.path.empty()) {
    out.path = "/";
  }
  return true;
}

bool readHost(RequestHead& out, const Target& target) {
  Field* field = out.fields.find(FieldId::Host);
  out.authority = {};
  out.host = {};
  Authority fromHost;
  if (field == nullptr) {
    if (out.minorVersion > 0) {
      return false;
    }
  } else {
    if (out.fields.hasRepeated(FieldId::Host) || !parseAuthority(field->value, fromHost)) {
      return false;
    }
    field->isCanonical = field->isCanonical && fromHost.text.size() == field->value.size();
    out.authority = fromHost.text;
    out.host = fromHost.host;
  }
  if (!out.isAbsoluteForm && out.methodId != Method::Connect) {
    return true;
  }
  Authority fromTarget;
  if (!parseAuthority(target.authority, fromTarget)) {
    return false;
  }
  if (field != nullptr) {
    const std::uint32_t portA = fromTarget.hasPort ? fromTarget.port : target.defaultPort;
    const std::uint32_t portB = fromHost.hasPort ? fromHost.port : target.defaultPort;
    if (portA != portB || !equalsIgnoreCase(fromTarget.host, fromHost.host)) {
      return false;
    }
  }
  out.authority = fromTarget.text;
  out.host = fromTarget.host;
  return true;
}

Errc readFraming(RequestHead& out) {
  const bool hasLength = out.fields.has(FieldId::ContentLength);
  out.body = BodyKind::None;
  out.contentLength = 0;
  if (out.fields.has(FieldId::TransferEncoding)) {
    if (hasLength || out.minorVersion == 0) {
      return Errc::RequestMalformed;
    }
    switch (readTransferEncoding(out.fields)) {
    case Coding::Chunked:
      out.body = BodyKind::Chunked;
      return Errc::None;
    case Coding::Unknown:
      return Errc::RequestCodingUnknown;
    case Coding::Malformed:
      return Errc::RequestMalformed;
    }
  }
  if (hasLength) {
    if (!readContentLength(out.fields, out.contentLength)) {
      return Errc::RequestMalformed;
    }
    out.body = BodyKind::Length;
  }
  return Errc::None;
}

/// Protocols that are HTTP again: whoever spoke them behind us would not be seen by the rules that
/// we keep.
bool isHiddenHttp(std::string_view protocol) {
  const std::string_view name = protocol.substr(0, protocol.find('/'));
  return equalsIgnoreCase(name, "h2c") || equalsIgnoreCase(name, "h2") ||
         equalsIgnoreCase(name, "http") || equalsIgnoreCase(name, "tls");
}

bool isProtocol(std::string_view text) {
  const std::size_t slash = text.find('/');
  return isToken(text.substr(0, slash)) &&
         (slash == std::string_view::npos || isToken(text.substr(slash + 1)));
}

/// RFC 9110 7.8 and RFC 6455 4.1: takes the first protocol that may be relayed.
void readUpgrade(RequestHead& out, const ConnectionOptions& connection) {
  out.wantsUpgrade = false;
  out.upgradeProtocol = {};
  if (!connection.hasUpgrade || out.minorVersion == 0 || out.body == BodyKind::Chunked ||
      out.contentLength != 0) {
    return;
  }
  forEachElementOf(out.fields, FieldId::Upgrade, [&](std::string_view protocol) {
    if (out.wantsUpgrade || !isProtocol(protocol) || isHiddenHttp(protocol)) {
      return;
    }
    if (equalsIgnoreCase(protocol, "websocket")) {
      const Field* version = out.fields.find(FieldId::SecWebSocketVersion);
      if (out.methodId != Method::Get || version == nullptr || version->value != "13" ||
          version->isNominated || out.fields.hasRepeated(FieldId::SecWebSocketVersion)) {
        return;
      }
    }
    out.wantsUpgrade = true;
    out.upgradeProtocol = protocol;
  });
}

bool readExpectation(RequestHead& out) {
  bool isKnown = true;
  out.expectsContinue = false;
  if (out.minorVersion == 0) {
    return true;
  }
  forEachElementOf(out.fields, FieldId::Expect, [&](std::string_view expectation) {
    isKnown = isKnown && equalsIgnoreCase(expectation, "100-continue");
    out.expectsContinue = out.body == BodyKind::Chunked || out.contentLength != 0;
  });
  return isKnown;
}

void readTe(RequestHead& out) {
  out.acceptsTrailers = false;
  if (out.minorVersion > 0) {
    forEachElementOf(out.fields, FieldId::Te, [&](std::string_view element) {
      out.acceptsTrailers = out.acceptsTrailers || equalsIgnoreCase(element, "trailers");
    });
  }
}

/// What the fields say, once all of them are there.
Errc interpret(RequestHead& out, const Target& target) {
  if (!readHost(out, target)) {
    return Errc::RequestMalformed;
  }
  if (const Errc error = readFraming(out); error != Errc::None) {
    return error;
  }
  if (out.methodId == Method::Connect &&
      (out.body == BodyKind::Chunked || out.contentLength != 0)) {
    // RFC 9110 9.3.6: what follows is the tunnel's, so a length can only mislead.
    return Errc::RequestMalformed;
  }
  const ConnectionOptions connection = applyConnection(out.fields);
  if (connection.isHostile) {
    return Errc::RequestMalformed;
  }
  out.keepAlive = !connection.hasClose && (out.minorVersion > 0 || connection.hasKeepAlive);
  readUpgrade(out, connection);
  readTe(out);
  return readExpectation(out) ? Errc::None : Errc::RequestExpectationFailed;
}

/// Judges `text`, which begins where the version should.
ParseResult parseVersion(std::string_view text) {
  const std::string_view name = text.substr(0, kVersion.size());
  if (name != kVersion.substr(0, name.size())) {
    return malformed();
  }
  constexpr std::string_view shape = "HTTP/d.d\r\n";
  for (std::size_t i = name.size(); i < shape.size() && i < text.size(); ++i) {
    if (shape[i] == 'd' ? !isDigit(text[i]) : text[i] != shape[i]) {
      return malformed();
    }
  }
  if (text.size() < kVersionLine) {
    return {ParseState::Partial, Errc::None, 0};
  }
  if (text[5] != '1') {
    return text[5] == '0' ? malformed() : bad(Errc::RequestVersionUnsupported);
  }
  return {ParseState::Done, Errc::None, 0};
}

} // namespace

ParseResult parseRequest(std::string_view input, const plan::Limits& limits,
                         RequestHead& out) noexcept {
  const std::size_t size = input.size();
  std::size_t at = 0;
  // RFC 9112 2.2: one empty line in front of a request is forgiven.
  if (input.starts_with('\r')) {
    if (size >= 2 && input[1] != '\n') {
      return malformed();
    }
    at = 2;
  }
  if (at >= size) {
    return partial(input, limits);
  }

  HeadIndex index(input);
  const std::size_t methodEnd = index.nextNonToken(at);
  if (methodEnd - at > kMaxMethod) {
    return malformed();
  }
  if (methodEnd == size) {
    return partial(input, limits);
  }
  if (input[methodEnd] != ' ' || methodEnd == at) {
    return malformed();
  }
  out.method = input.substr(at, methodEnd - at);
  const MethodInfo method = methodOf(out.method);
  out.methodId = method.id;
  out.isIdempotent = method.isIdempotent;

  const std::size_t targetBegin = methodEnd + 1;
  const std::size_t targetEnd = findTargetEnd(input, targetBegin);
  if (targetEnd - targetBegin > limits.targetBytes) {
    return bad(Errc::RequestTargetTooLong);
  }
  if (targetEnd == size) {
    return partial(input, limits);
  }
  if (input[targetEnd] != ' ' || targetEnd == targetBegin) {
    return malformed();
  }
  out.target = input.substr(targetBegin, targetEnd - targetBegin);
  Target target;
  if (!readTarget(out, target, limits.takesConnect)) {
    return malformed();
  }

  const std::size_t versionBegin = targetEnd + 1;
  const ParseResult version = parseVersion(input.substr(versionBegin));
  if (version.state != ParseState::Done) {
    return version.state == ParseState::Bad ? version : partial(input, limits);
  }
  out.minorVersion = input[versionBegin + 7] == '0' ? 0 : 1;

  out.fields.clear();
  const std::size_t maxFields = limits.headerCount < kMaxFields ? limits.headerCount : kMaxFields;
  const FieldsResult fields =
      parseFields(input, versionBegin + kVersionLine, index, maxFields, out.fields);
  switch (fields.state) {
  case FieldsState::Done:
    break;
  case FieldsState::Partial:
    return partial(input, limits);
  case FieldsState::Malformed:
    return malformed();
  case FieldsState::TooMany:
    return bad(Errc::RequestHeadTooLarge);
  }
  if (fields.end > limits.headBytes) {
    return bad(Errc::RequestHeadTooLarge);
  }
  if (const Errc error = interpret(out, target); error != Errc::None) {
    return bad(error);
  }
  return {ParseState::Done, Errc::None, static_cast<std::uint32_t>(fields.end)};
}

Errc checkUnfinishedRequest(std::string_view input, const plan::Limits& limits) noexcept {
  if (input.starts_with("\r\n")) {
    input.remove_prefix(2);
  } else if (input.starts_with('\r') && input.size() > 1) {
    return Errc::RequestMalformed;
  }
  if (!input.empty() && input.front() != '\r' && !isTokenChar(input.front())) {
    return Errc::RequestMalformed;
  }
  const std::string_view front = input.substr(0, kMaxMethod + 1);
  const std::size_t methodEnd = front.find(' ');
  if (methodEnd == std::string_view::npos) {
    if (front.size() > kMaxMethod) {
      return Errc::RequestMalformed;
    }
  } else {
    const std::size_t targetEnd = findTargetEnd(input, methodEnd + 1);
    const std::size_t targetBytes = targetEnd - methodEnd - 1;
    if (targetBytes > limits.targetBytes) {
      return Errc::RequestTargetTooLong;
    }
    if (targetEnd < input.size()) {
      if (input[targetEnd] != ' ' || targetBytes == 0) {
        return Errc::RequestMalformed;
      }
      if (const ParseResult version = parseVersion(input.substr(targetEnd + 1));
          version.state == ParseState::Bad) {
        return version.error;
      }
    }
  }
  return input.size() >= limits.headBytes ? Errc::RequestHeadTooLarge : Errc::None;
}

} // namespace sluice::http
