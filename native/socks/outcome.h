// What a client that speaks SOCKS is told of a failure: versions 5 and 4 have a code each where we
// have a name. The same in TypeScript is src/engine/shared/socks-outcome.ts; test/vectors/socks.txt
// binds both.
#pragma once

#include "generated/codes.h"
#include "socks/messages.h"

namespace sluice::socks {

[[nodiscard]] constexpr ReplyCode replyOf(Errc code) noexcept {
  switch (code) {
  case Errc::None:
    return ReplyCode::Succeeded;
  case Errc::DestinationDenied:
  case Errc::DestinationForbidden:
  case Errc::UserLimit:
  case Errc::UserQuota:
    return ReplyCode::Denied;
  case Errc::ConnectUnreachable:
    return ReplyCode::NetworkUnreachable;
  case Errc::ConnectTimeout:
  case Errc::NameNotFound:
  case Errc::NameTimeout:
    return ReplyCode::HostUnreachable;
  case Errc::ConnectRefused:
    return ReplyCode::Refused;
  default:
    return ReplyCode::Failed;
  }
}

[[nodiscard]] constexpr Reply4Code reply4Of(Errc code) noexcept {
  switch (code) {
  case Errc::None:
    return Reply4Code::Granted;
  case Errc::ProxyAuthRequired:
    return Reply4Code::Unidentified;
  default:
    return Reply4Code::Rejected;
  }
}

} // namespace sluice::socks
