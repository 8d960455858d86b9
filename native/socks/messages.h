// The messages of SOCKS: version 5 (RFC 1928), its login by name and password (RFC 1929), version 4
// with its 4a, and the headers of relayed datagrams. Both sides of each: what clients of a forward
// proxy send, and what parents answer. The same in TypeScript is
// src/engine/shared/socks-messages.ts; test/vectors/socks.txt binds both.
//
// Pure: bytes in, spans of them out, and back; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::socks {

enum class State : std::uint8_t {
  /// Too little has come to tell.
  Partial,
  Bad,
  Done,
};

inline constexpr std::uint8_t kVersion5 = 5;
inline constexpr std::uint8_t kVersion4 = 4;

enum class Command : std::uint8_t { Connect = 1, Bind = 2, Associate = 3 };

/// How a client is to prove who it is.
enum class Method : std::uint8_t { None = 0, Login = 2, Unacceptable = 0xff };

/// RFC 1928, section 6.
enum class ReplyCode : std::uint8_t {
  Succeeded = 0,
  Failed = 1,
  Denied = 2,
  NetworkUnreachable = 3,
  HostUnreachable = 4,
  Refused = 5,
  CommandUnsupported = 7,
  AddressTypeUnsupported = 8,
};

/// Of version 4.
enum class Reply4Code : std::uint8_t { Granted = 90, Rejected = 91, Unidentified = 93 };

enum class AddressType : std::uint8_t {
  Ipv4,
  Ipv6,
  Name,
  /// Of a type that has no meaning to us, and so no length.
  Unknown,
};

/// A host and a port as they came. Points into the input.
struct Address {
  AddressType type = AddressType::Unknown;
  std::uint16_t port = 0;
  /// In network order: 4 for IPv4, also for an IPv4-mapped IPv6 address; 16 for IPv6. Or what is to
  /// be a name: any bytes, up to 255.
  std::string_view host;
};

/// `bytes` of each message: its length; what follows belongs to something else.
struct Greeting {
  std::size_t bytes = 0;
  /// One byte each.
  std::string_view methods;

  [[nodiscard]] bool offers(Method method) const noexcept {
    return methods.find(static_cast<char>(method)) != std::string_view::npos;
  }
};

struct Login {
  std::size_t bytes = 0;
  std::string_view name;
  std::string_view password;
};

struct Request {
  std::size_t bytes = 0;
  /// A Command, or what is none.
  std::uint8_t command = 0;
  Address address;
  /// Version 4: the user that the client says it is, unproven.
  std::string_view user;
};

/// A parent's choice of method, or what it says of a login: 0 is welcome.
struct Verdict {
  std::size_t bytes = 0;
  std::uint8_t value = 0;
};

/// A parent's answer to a request: 0 is success.
struct Reply {
  std::size_t bytes = 0;
  std::uint8_t code = 0;
  Address bound;
};

struct DatagramHeader {
  std::size_t bytes = 0;
  Address address;
};

/// The longest messages that clients send: what does not fit is bad, or not theirs.
inline constexpr std::size_t kMaxGreetingBytes = 2 + 255;
inline constexpr std::size_t kMaxLoginBytes = 3 + 255 + 255;
inline constexpr std::size_t kMaxRequestBytes = 4 + 1 + 255 + 2;
/// Of the user in a request of version 4, which has no length, and of the name behind it.
inline constexpr std::size_t kMaxUserBytes = 512;
inline constexpr std::size_t kMaxNameBytes = 255;
inline constexpr std::size_t kMaxRequest4Bytes = 8 + kMaxUserBytes + 1 + kMaxNameBytes + 1;

/// `input`: all that has arrived. The message is set when Done.
[[nodiscard]] State readGreeting(std::string_view input, Greeting& greeting) noexcept;
[[nodiscard]] State readMethod(std::string_view input, Verdict& method) noexcept;
[[nodiscard]] State readLogin(std::string_view input, Login& login) noexcept;
[[nodiscard]] State readLoginReply(std::string_view input, Verdict& status) noexcept;
[[nodiscard]] State readRequest(std::string_view input, Request& request) noexcept;
/// What is reserved in it is not looked at.
[[nodiscard]] State readReply(std::string_view input, Reply& reply) noexcept;
[[nodiscard]] State readRequest4(std::string_view input, Request& request) noexcept;
/// Whole or bad; fragments are bad. The payload follows.
[[nodiscard]] bool readDatagram(std::string_view input, DatagramHeader& header) noexcept;

// What is sent: written to the front of `into`, which is returned cut to size.

inline constexpr std::size_t kMaxReplyBytes = kMaxRequestBytes;
inline constexpr std::size_t kReply4Bytes = 8;
/// With an IPv6 address; none is sent with a name.
inline constexpr std::size_t kMaxDatagramHeaderBytes = 4 + 16 + 2;

using ReplySpace = std::span<char, kMaxReplyBytes>;

/// A choice of method, to a client.
[[nodiscard]] std::string_view writeMethod(Method method, ReplySpace into) noexcept;
[[nodiscard]] std::string_view writeLoginReply(bool isWelcome, ReplySpace into) noexcept;
/// `bound`: an address; of unknown type where there is none to tell.
[[nodiscard]] std::string_view writeReply(ReplyCode code, const Address& bound,
                                          ReplySpace into) noexcept;
/// Nobody looks at the address in an answer to CONNECT.
[[nodiscard]] std::string_view writeReply4(Reply4Code code, ReplySpace into) noexcept;
/// Goes ahead of a datagram that came from `source`, an IP address.
[[nodiscard]] std::string_view
writeDatagramHeader(const Address& source, std::span<char, kMaxDatagramHeaderBytes> into) noexcept;

/// To a parent. Offers no more than is meant.
[[nodiscard]] std::string_view writeGreeting(bool hasLogin, ReplySpace into) noexcept;
/// Both of up to 255 bytes.
[[nodiscard]] std::string_view writeLogin(std::string_view name, std::string_view password,
                                          std::span<char, kMaxLoginBytes> into) noexcept;
[[nodiscard]] std::string_view writeRequest(Command command, const Address& to,
                                            ReplySpace into) noexcept;

} // namespace sluice::socks
