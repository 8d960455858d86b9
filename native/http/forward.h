// Heads as they leave us: canonical lines are copied as received, in runs; what ends at a proxy is
// left out; what the plan asks for is put in. Every function returns false (or 0) when the head did
// not fit the writer.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "http/answer.h"
#include "http/head_writer.h"
#include "http/request.h"
#include "http/response.h"
#include "plan/plan.h"

namespace sluice::http {

struct ForwardContext {
  const plan::Listener& listener;
  const plan::Route& route;
  const plan::Target& target;
  /// As text without brackets; empty for a client on a unix socket.
  std::string_view clientIp;
  /// The client's address is one of listener.trustedProxies.
  bool isTrusted = false;
  /// What the listener tells of the client, in front of the route's own edits.
  std::span<const plan::HeaderEdit> clientEdits{};
  /// In normal form, before stripPrefix and addPrefix.
  std::string_view path;
  /// Relay the request's wantsUpgrade.
  bool keepUpgrade = false;
  /// To a parent proxy: the target in absolute form, and these credentials unless empty.
  bool isToParent = false;
  std::string_view authorization{};
};

/// The request as the target gets it. Framing: as parsed, in one canonical line.
[[nodiscard]] bool writeRequestHead(HeadWriter& out, const RequestHead& head,
                                    const ForwardContext& context) noexcept;

/// How the client learns where the response's body ends.
enum class Framing : std::uint8_t {
  /// As the target framed it.
  AsIs,
  Length,
  Chunked,
  UntilClose,
  /// No body and no framing field: 1xx, 204.
  None,
};

struct ClientFraming {
  Framing kind = Framing::AsIs;
  ConnectionOption connection = ConnectionOption::Implied;
  /// For Framing::Length.
  std::uint64_t length = 0;
};

/// The response as the client gets it. A 101 gets `Connection: upgrade`; another 1xx is a head of
/// its own, without framing and without the route's edits.
[[nodiscard]] bool writeResponseHead(HeadWriter& out, const ResponseHead& head,
                                     const plan::Route& route, ClientFraming framing) noexcept;

/// One trailer line of a chunked body that is written anew.
inline void writeTrailer(HeadWriter& out, std::string_view name, std::string_view value) noexcept {
  out.appendField(name, value);
}

} // namespace sluice::http
