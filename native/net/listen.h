// Opening listening sockets. Runs on the main thread, before workers take the sockets over.
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "net/socket_address.h"

namespace sluice::net {

struct Listening {
  UniqueFd fd;
  /// The system's name of what went wrong, `EADDRINUSE`; empty when `fd` is open.
  std::string error;
};

/// Whether anything else listens at `address` already. SO_REUSEPORT would let two programs of the
/// same user share a port in silence, so this is asked before the real sockets are bound; a port of
/// 0 is chosen here.
[[nodiscard]] Listening probe(SocketAddress& address, bool isStream) noexcept;

/// One more socket on `address`, sharing it with those that are there (not for unix sockets, of
/// which there is one; a stale socket file that nobody listens on is removed first).
[[nodiscard]] Listening listenStream(const SocketAddress& address) noexcept;
[[nodiscard]] Listening bindDatagram(const SocketAddress& address) noexcept;

/// Another descriptor of the same socket.
[[nodiscard]] Listening duplicate(const UniqueFd& fd) noexcept;

/// Raises the soft limit of open descriptors to the hard one. Returns the limit in force.
std::size_t raiseDescriptorLimit() noexcept;

/// Opens a log for appending. `error` as above.
[[nodiscard]] Listening openLog(const std::string& path) noexcept;

} // namespace sluice::net
