// Where a connection was going before netfilter changed its destination (REDIRECT, DNAT): what a
// transparent listener goes by.
#pragma once

#include "base/unique_fd.h"
#include "net/proxy_header.h"

namespace sluice::net {

/// Of an accepted connection.
struct Redirection {
  /// What the connection came to in the end: the listener.
  IpPort own;
  /// Where the client meant it to go. Unknown where netfilter knows nothing of the connection; the
  /// same as `own` where it knows it and has left it alone.
  IpPort original;

  [[nodiscard]] static Redirection of(const UniqueFd& fd) noexcept;
  /// The connection came straight to the listener.
  [[nodiscard]] bool isStraight() const noexcept {
    return original.family == own.family && original.port == own.port &&
           original.bytes == own.bytes;
  }
};

} // namespace sluice::net
