// The strict response parser (RFC 9112): what a target sends is believed no more than what a client
// sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http/head.h"
#include "plan/plan.h"

namespace sluice::http {

/// Response heads may be this large (or limits.headBytes if that is more) and have kMaxFields
/// fields.
inline constexpr std::size_t kResponseHeadBytes = 64 * 1024;

struct ResponseHead {
  std::string_view reason;
  /// Of a 101: what the target switched to; empty if it did not say.
  std::string_view upgradeProtocol;
  std::uint64_t contentLength = 0;
  /// Of `Keep-Alive: timeout=N`; 0 = none.
  std::uint32_t keepAliveTimeoutSeconds = 0;
  /// 100 to 599.
  std::uint16_t status = 0;
  std::uint8_t minorVersion = 1;
  BodyKind body = BodyKind::None;
  /// The connection may carry another response after this one.
  bool keepAlive = false;
  FieldList fields;
};

/// `isHead`: the answer to a HEAD request, which has no body whatever its fields say.
[[nodiscard]] ParseResult parseResponse(std::string_view input, const plan::Limits& limits,
                                        bool isHead, ResponseHead& out) noexcept;

} // namespace sluice::http
