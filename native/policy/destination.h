// What clients of a forward proxy write as their destination, and the one form in which it is
// judged, resolved, logged and handed on. What has more than one reading is refused: nothing that a
// resolver might take for an address is a name. The same in TypeScript is
// src/plan/destination-host.ts; test/vectors/destination.txt binds both.
//
// Pure; any thread. Never allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "generated/codes.h"

namespace sluice::policy {

struct Destination {
  /// Of an address, network order: the first 4 for IPv4, all 16 for IPv6.
  std::array<std::uint8_t, 16> bytes{};
  std::array<char, 256> text{};
  std::uint8_t length = 0;
  /// Unix: a name.
  AddressFamily family = AddressFamily::Unix;
  /// 0 where only a host was read.
  std::uint16_t port = 0;

  /// Lower-case, without trailing dot and brackets; IPv6 as RFC 5952 writes it, IPv4-mapped as IPv4.
  [[nodiscard]] std::string_view host() const noexcept { return {text.data(), length}; }
  [[nodiscard]] bool isAddress() const noexcept { return family != AddressFamily::Unix; }
  /// 4 or 16 bytes; none for a name.
  [[nodiscard]] std::span<const std::uint8_t> address() const noexcept {
    return {bytes.data(), !isAddress() ? 0U : family == AddressFamily::Ipv4 ? 4U : 16U};
  }
};

/// Reads `example.com:443`, `192.0.2.1:443` and `[2001:db8::1]:443`. `defaultPort` is for what names
/// no port; with 0, one must be there. False: malformed, and `out` says nothing.
[[nodiscard]] bool parseDestination(std::string_view authority, std::uint16_t defaultPort,
                                    Destination& out) noexcept;

/// Reads a host that stands by itself, as SOCKS gives it: without brackets. Leaves the port alone.
[[nodiscard]] bool parseDestinationHost(std::string_view host, Destination& out) noexcept;

/// Makes `out` an address as SOCKS gives it in bytes, 4 or 16 of them; IPv4-mapped becomes IPv4.
/// Leaves the port alone.
void setDestinationAddress(std::span<const std::uint8_t> address, Destination& out) noexcept;

} // namespace sluice::policy
