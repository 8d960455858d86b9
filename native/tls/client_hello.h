// What a client asks for in the first message of a TLS handshake, read without taking part in it (RFC 8446, section
// 4.1.2; RFC 6066, section 3; RFC 7301). Bytes in, spans out; nothing here knows OpenSSL.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace sluice::tls {

/// The longest host name that is taken.
inline constexpr std::size_t kMaxServerName = 255;

/// `name` in lower case without a trailing dot, as a view of `into`; empty when it does not fit.
[[nodiscard]] std::string_view lowerName(std::string_view name,
                                         std::span<char, kMaxServerName> into) noexcept;

/// Reads a server_name extension. `into` takes the name in lower case without a trailing dot, `name` views it; it is empty
/// when the extension names no host. False when the extension is malformed, or the name is no host name.
[[nodiscard]] bool readServerName(std::string_view extension, std::span<char, kMaxServerName> into,
                                  std::string_view& name) noexcept;

} // namespace sluice::tls
