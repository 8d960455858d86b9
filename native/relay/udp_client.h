// Whose datagrams a UDP session carries: what tells one session of a listener from another.
#pragma once

#include <cstdint>

#include "net/datagram.h"
#include "net/proxy_header.h"

namespace sluice::relay {

struct UdpClient {
  net::DatagramPath path;
  /// Whom a PROXY header names; unknown: the path's own client is spoken for by nobody else.
  net::IpPort named;

  [[nodiscard]] bool operator==(const UdpClient& other) const noexcept {
    return path == other.path && named.family == other.named.family &&
           (!named.isKnown() ||
            (named.port == other.named.port && named.bytes == other.named.bytes));
  }
  /// `seed` is secret, so that nobody can choose addresses that collide.
  [[nodiscard]] std::uint64_t hash(std::uint64_t seed) const noexcept {
    const std::uint64_t hash = path.hash(seed);
    return named.isKnown() ? net::DatagramPath::towards(named.socketAddress()).hash(hash) : hash;
  }
  [[nodiscard]] net::SocketAddress address() const noexcept {
    return named.isKnown() ? named.socketAddress() : path.client();
  }
};

} // namespace sluice::relay
