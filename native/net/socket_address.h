// A kernel socket address with its length: the only place that casts between the sockaddr family.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "generated/codes.h"

namespace sluice::net {

class SocketAddress {
 public:
  SocketAddress() noexcept = default;

  /// `bytes` in network order: 4 for IPv4, 16 for IPv6.
  static SocketAddress ip(AddressFamily family, std::span<const std::uint8_t> bytes,
                          std::uint16_t port) noexcept;
  /// A path longer than the system allows gives an address that nothing can bind or connect to.
  static SocketAddress unixPath(std::string_view path) noexcept;

  [[nodiscard]] AddressFamily family() const noexcept;
  [[nodiscard]] std::uint16_t port() const noexcept;
  void setPort(std::uint16_t port) noexcept;

  /// The bytes of an IP address: 4 (also for an IPv4-mapped IPv6 address, RFC 4291 2.5.5.2) or 16;
  /// none for unix. Points into this object.
  [[nodiscard]] std::span<const std::uint8_t> ipBytes() const noexcept;
  /// The address without port as text (RFC 5952), IPv4-mapped as IPv4; "unix" for unix sockets.
  /// Returns the length written into `into`.
  std::size_t formatIp(std::span<char> into) const noexcept;

  /// The same with the port: `127.0.0.1:80`, `[::1]:80`, `unix`. `into` has room for 64 bytes.
  std::size_t format(std::span<char> into) const noexcept;

  [[nodiscard]] const sockaddr* raw() const noexcept;
  [[nodiscard]] sockaddr* raw() noexcept;
  [[nodiscard]] socklen_t length() const noexcept { return length_; }
  /// What the kernel fills in: call with raw(), then setLength().
  static constexpr socklen_t kCapacity = 112;
  void setLength(socklen_t length) noexcept { length_ = length; }

  /// Same family, address and port (IP only).
  [[nodiscard]] bool operator==(const SocketAddress& other) const noexcept;
  [[nodiscard]] std::size_t hash() const noexcept;

 private:
  alignas(8) std::array<std::byte, kCapacity> storage_{};
  socklen_t length_ = 0;
};

} // namespace sluice::net
