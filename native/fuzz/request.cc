// Requests: no part of a head is taken for a whole one, and what is forwarded is read strictly as
// the same request.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "http/forward.h"
#include "http/path.h"
#include "http/request.h"

using namespace sluice;
using namespace sluice::http;

namespace {

constexpr plan::Limits kLimits{
    .headBytes = 32 * 1024, .headerCount = 100, .targetBytes = 8 * 1024, .bodyBytes = 0};

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

bool endsHere(const Field& field) {
  switch (field.id) {
  case FieldId::Connection:
  case FieldId::Upgrade:
  case FieldId::KeepAlive:
  case FieldId::Te:
  case FieldId::Trailer:
  case FieldId::Proxy:
  case FieldId::ProxyConnection:
  case FieldId::ProxyAuthenticate:
  case FieldId::ProxyAuthorization:
  case FieldId::ProxyAuthenticationInfo:
  case FieldId::Http2Settings:
  case FieldId::UnderscoreTwin:
  case FieldId::XForwardedFor:
  case FieldId::XForwardedProto:
  case FieldId::XForwardedHost:
  case FieldId::XForwardedOther:
  case FieldId::XRealIp:
  case FieldId::Forwarded:
    return true;
  default:
    return field.isNominated;
  }
}

void requireSameFields(const RequestHead& sent, const RequestHead& seen) {
  std::size_t at = sent.fields.has(FieldId::Host) ? 0 : 1;
  for (const Field& field : sent.fields) {
    if (endsHere(field) || (field.id == FieldId::Expect && sent.minorVersion == 0)) {
      continue;
    }
    require(at < seen.fields.size());
    const Field& other = seen.fields[at++];
    require(field.id == other.id && equalsIgnoreCase(field.name, other.name) && other.isCanonical);
    if (field.id == FieldId::Host) {
      require(other.value == sent.authority);
    } else if (field.id == FieldId::TransferEncoding) {
      require(other.value == "chunked");
    } else if (field.id != FieldId::ContentLength) {
      require(other.value == field.value);
    }
  }
  for (; at < seen.fields.size(); ++at) {
    const FieldId id = seen.fields[at].id;
    require(id == FieldId::Te || id == FieldId::Connection || id == FieldId::Upgrade);
  }
}

void forwardAndCompare(const RequestHead& sent) {
  static std::vector<char> scratch(64 * 1024);
  static std::vector<char> buffer(128 * 1024);
  static plan::Target target;
  target.authority = "target:80";
  const plan::Route route;
  plan::Listener listener;
  listener.forwarded = ForwardedMode::Off;
  const PathResult path =
      sent.path == "*" ? PathResult{true, sent.path} : normalizePath(sent.path, scratch);
  if (!path.ok) {
    return;
  }
  HeadWriter out(buffer);
  const ForwardContext context{.listener = listener,
                               .route = route,
                               .target = target,
                               .clientIp = "192.0.2.1",
                               .path = path.path,
                               .keepUpgrade = true};
  require(writeRequestHead(out, sent, context));
  static RequestHead seen;
  plan::Limits wide = kLimits;
  wide.headBytes = 128 * 1024;
  wide.headerCount = kMaxFields;
  const ParseResult result = parseRequest(out.view(), wide, seen);
  require(result.state == ParseState::Done && result.consumed == out.size());
  require(seen.method == sent.method && seen.query == sent.query && seen.path == path.path);
  require(seen.body == sent.body && seen.contentLength == sent.contentLength);
  require(seen.wantsUpgrade == sent.wantsUpgrade && seen.upgradeProtocol == sent.upgradeProtocol);
  require(seen.minorVersion == 1 && !seen.isAbsoluteForm && seen.keepAlive);
  requireSameFields(sent, seen);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static RequestHead head;
  // RULE: libFuzzer hands over bytes as uint8_t, the parsers read char.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const ParseResult whole = parseRequest(input, kLimits, head);
  if (whole.state == ParseState::Done) {
    require(whole.consumed <= size);
    require(findHeadEnd(input, input.starts_with("\r\n") ? 2 : 0) == whole.consumed);
    forwardAndCompare(head);
    for (std::size_t part = 0; part < whole.consumed && part < 400; ++part) {
      const std::vector<char> copy(input.begin(),
                                   input.begin() + static_cast<std::ptrdiff_t>(part));
      static RequestHead unused;
      const std::string_view text(copy.data(), copy.size());
      require(parseRequest(text, kLimits, unused).state == ParseState::Partial);
      require(checkUnfinishedRequest(text, kLimits) == Errc::None);
    }
  } else if (whole.state == ParseState::Partial) {
    require(checkUnfinishedRequest(input, kLimits) == Errc::None);
  }
  return 0;
}
