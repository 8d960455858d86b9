// The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): what a proxy says, before
// anything else, of the client that it speaks for. The same in TypeScript is
// src/engine/shared/proxy-header.ts; test/vectors/proxy-header.txt binds both.
//
// Pure: bytes in, addresses out, and back; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "net/socket_address.h"

namespace sluice::net {

/// An IP address and a port, or nothing known: of a unix socket, or not said.
struct IpPort {
  /// Unix: nothing is known.
  AddressFamily family = AddressFamily::Unix;
  std::uint16_t port = 0;
  /// Network order; the first 4 for IPv4.
  std::array<std::uint8_t, 16> bytes{};

  /// IPv4-mapped addresses become IPv4.
  [[nodiscard]] static IpPort of(const SocketAddress& address) noexcept;
  [[nodiscard]] bool isKnown() const noexcept { return family != AddressFamily::Unix; }
  /// Must be known.
  [[nodiscard]] SocketAddress socketAddress() const noexcept {
    return SocketAddress::ip(family, bytes, port);
  }
};

enum class ProxyHeaderState : std::uint8_t {
  /// It may become a header.
  Partial,
  /// It begins otherwise than a header does.
  Absent,
  /// It begins like a header and is none.
  Bad,
  Done,
};

struct ProxyHeader {
  /// Its length: what follows belongs to the client.
  std::size_t bytes = 0;
  /// Unknown, both: the header speaks for the proxy itself, or of what is not a connection over IP
  /// (datagrams: of what is not IP).
  IpPort source;
  IpPort destination;
};

/// Larger ones are malformed: what is sent along with the addresses (TLVs) is small.
inline constexpr std::size_t kMaxProxyHeaderBytes = 16 * 1024;

/// `input`: all that has arrived. `header` is set when Done.
[[nodiscard]] ProxyHeaderState readProxyHeader(std::string_view input,
                                               ProxyHeader& header) noexcept;

/// The header that a datagram begins with, which is never Partial: `datagram` is all of it. Version
/// 2 alone: the first knows no datagrams. Clients that came over TCP may be spoken for, as where
/// DNS goes on as datagrams.
[[nodiscard]] ProxyHeaderState readDatagramHeader(std::string_view datagram,
                                                  ProxyHeader& header) noexcept;

/// What is ever sent.
inline constexpr std::size_t kMaxSentProxyHeaderBytes = 107;
inline constexpr std::size_t kMaxSentDatagramHeaderBytes = 52;

/// A header in `into`, not for ProxySend::Off. Says that it speaks for nobody unless both addresses
/// are known.
[[nodiscard]] std::string_view
writeProxyHeader(ProxySend version, const IpPort& source, const IpPort& destination,
                 std::span<char, kMaxSentProxyHeaderBytes> into) noexcept;

/// What a datagram begins with, in version 2.
[[nodiscard]] std::string_view
writeDatagramHeader(const IpPort& source, const IpPort& destination,
                    std::span<char, kMaxSentDatagramHeaderBytes> into) noexcept;

} // namespace sluice::net
