// What a client asks for in the first message of a TLS handshake, read without taking part in it
// (RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3; RFC 7301). Of an encrypted ClientHello
// (ECH) this is the outer one. Bytes in, spans out; nothing here knows OpenSSL. The same in
// TypeScript is src/engine/shared/client-hello.ts; test/vectors/client-hello.txt binds both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::tls {

/// The longest host name that is taken.
inline constexpr std::size_t kMaxServerName = 255;

/// Reads a server_name extension. `into` takes the name in lower case without a trailing dot,
/// `name` views it; it is empty when the extension names no host. False when the extension is
/// malformed, or the name is no host name.
[[nodiscard]] bool readServerName(std::string_view extension, std::span<char, kMaxServerName> into,
                                  std::string_view& name) noexcept;

/// The longest message that is taken.
inline constexpr std::size_t kMaxClientHello = 16 * 1024;
/// The most that its records may take on the wire: it may come in many.
inline constexpr std::size_t kMaxClientHelloWire = 18 * 1024;

enum class ClientHelloState : std::uint8_t {
  /// It may become a ClientHello.
  Partial,
  /// It does not begin with a record of a handshake.
  NotTls,
  Bad,
  Done,
};

struct ClientHello {
  std::array<char, kMaxServerName> nameBytes;
  std::size_t nameSize = 0;
  /// Protocols, each behind a byte with its length, in the order of preference. Views the input, or
  /// the space for fragments.
  std::string_view alpn;

  /// Lower-case, without trailing dot; empty when no name is asked for.
  [[nodiscard]] std::string_view serverName() const noexcept {
    return {nameBytes.data(), nameSize};
  }
};

/// `input`: all that the client has sent. Needs `fragments` for a message that comes in several
/// records. `hello` is set when Done.
[[nodiscard]] ClientHelloState readClientHello(std::string_view input,
                                               std::span<char, kMaxClientHello> fragments,
                                               ClientHello& hello) noexcept;

} // namespace sluice::tls
