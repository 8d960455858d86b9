#include "socks/messages.h"

#include <algorithm>

namespace sluice::socks {

namespace {

using namespace std::string_view_literals;

constexpr std::uint8_t kLoginVersion = 1;
constexpr std::uint8_t kTypeIpv4 = 1;
constexpr std::uint8_t kTypeName = 3;
constexpr std::uint8_t kTypeIpv6 = 4;
constexpr std::string_view kMappedPrefix = "\0\0\0\0\0\0\0\0\0\0\xff\xff"sv;

std::uint8_t byteAt(std::string_view bytes, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t read16(std::string_view bytes, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(byteAt(bytes, at) << 8 | byteAt(bytes, at + 1));
}

/// Nothing has come, or it begins with `version`.
bool mayBegin(std::string_view input, std::uint8_t version) noexcept {
  return input.empty() || byteAt(input, 0) == version;
}

/// Two bytes: a version and what is said.
State readVerdict(std::string_view input, std::uint8_t version, Verdict& verdict) noexcept {
  if (!mayBegin(input, version)) {
    return State::Bad;
  }
  if (input.size() < 2) {
    return State::Partial;
  }
  verdict = {.bytes = 2, .value = byteAt(input, 1)};
  return State::Done;
}

/// Type, host and port from `at` on. The end of it; 0: not all of it is there.
std::size_t readAddress(std::string_view input, std::size_t at, Address& address) noexcept {
  if (input.size() <= at) {
    return 0;
  }
  const std::uint8_t type = byteAt(input, at);
  std::size_t start = at + 1;
  std::size_t size = 0;
  switch (type) {
  case kTypeIpv4:
    address.type = AddressType::Ipv4;
    size = 4;
    break;
  case kTypeIpv6:
    address.type = AddressType::Ipv6;
    size = 16;
    break;
  case kTypeName:
    if (input.size() <= start) {
      return 0;
    }
    address.type = AddressType::Name;
    size = byteAt(input, start++);
    break;
  default:
    address = {};
    return start;
  }
  if (input.size() < start + size + 2) {
    return 0;
  }
  address.host = input.substr(start, size);
  if (address.type == AddressType::Ipv6 && address.host.starts_with(kMappedPrefix)) {
    address.type = AddressType::Ipv4;
    address.host.remove_prefix(kMappedPrefix.size());
  }
  address.port = read16(input, start + size);
  return start + size + 2;
}

/// The text at `start` that a NUL ends, of at most `most` bytes.
State readTerminated(std::string_view input, std::size_t start, std::size_t most,
                     std::string_view& text) noexcept {
  const std::string_view within = input.substr(std::min(start, input.size()), most + 1);
  const std::size_t length = within.find('\0');
  if (length == std::string_view::npos) {
    return within.size() > most ? State::Bad : State::Partial;
  }
  text = within.substr(0, length);
  return State::Done;
}

/// Appends to bytes that are there; the caller has made sure of the room.
class Writer {
 public:
  explicit Writer(char* into) noexcept : into_(into) {}

  Writer& byte(std::uint8_t value) noexcept {
    into_[size_++] = static_cast<char>(value);
    return *this;
  }
  Writer& text(std::string_view bytes) noexcept {
    std::copy(bytes.begin(), bytes.end(), into_ + size_);
    size_ += bytes.size();
    return *this;
  }
  Writer& sized(std::string_view bytes) noexcept {
    return byte(static_cast<std::uint8_t>(bytes.size())).text(bytes);
  }
  Writer& address(const Address& address) noexcept {
    switch (address.type) {
    case AddressType::Ipv4:
      byte(kTypeIpv4).text(address.host);
      break;
    case AddressType::Ipv6:
      byte(kTypeIpv6).text(address.host);
      break;
    case AddressType::Name:
      byte(kTypeName).sized(address.host);
      break;
    case AddressType::Unknown:
      return byte(kTypeIpv4).text("\0\0\0\0\0\0"sv);
    }
    return byte(static_cast<std::uint8_t>(address.port >> 8))
        .byte(static_cast<std::uint8_t>(address.port & 0xff));
  }
  [[nodiscard]] std::string_view written() const noexcept { return {into_, size_}; }

 private:
  char* into_;
  std::size_t size_ = 0;
};

} // namespace

// --- what arrives --------------------------------------------------------------------------------

State readGreeting(std::string_view input, Greeting& greeting) noexcept {
  if (!mayBegin(input, kVersion5)) {
    return State::Bad;
  }
  if (input.size() < 2 || input.size() < 2U + byteAt(input, 1)) {
    return State::Partial;
  }
  greeting.methods = input.substr(2, byteAt(input, 1));
  greeting.bytes = 2 + greeting.methods.size();
  return State::Done;
}

State readMethod(std::string_view input, Verdict& method) noexcept {
  return readVerdict(input, kVersion5, method);
}

State readLogin(std::string_view input, Login& login) noexcept {
  if (!mayBegin(input, kLoginVersion)) {
    return State::Bad;
  }
  if (input.size() < 2 || input.size() < 3U + byteAt(input, 1)) {
    return State::Partial;
  }
  login.name = input.substr(2, byteAt(input, 1));
  const std::size_t start = 2 + login.name.size();
  const std::size_t size = byteAt(input, start);
  if (input.size() < start + 1 + size) {
    return State::Partial;
  }
  login.password = input.substr(start + 1, size);
  login.bytes = start + 1 + size;
  return State::Done;
}

State readLoginReply(std::string_view input, Verdict& status) noexcept {
  return readVerdict(input, kLoginVersion, status);
}

State readRequest(std::string_view input, Request& request) noexcept {
  if (!mayBegin(input, kVersion5) || (input.size() > 2 && input[2] != 0)) {
    return State::Bad;
  }
  const std::size_t end = readAddress(input, 3, request.address);
  if (end == 0) {
    return State::Partial;
  }
  request.bytes = end;
  request.command = byteAt(input, 1);
  request.user = {};
  return State::Done;
}

State readReply(std::string_view input, Reply& reply) noexcept {
  if (!mayBegin(input, kVersion5)) {
    return State::Bad;
  }
  const std::size_t end = readAddress(input, 3, reply.bound);
  if (end == 0) {
    return State::Partial;
  }
  reply.bytes = end;
  reply.code = byteAt(input, 1);
  return reply.bound.type == AddressType::Unknown ? State::Bad : State::Done;
}

State readRequest4(std::string_view input, Request& request) noexcept {
  constexpr std::size_t kFixed = 8;
  if (!mayBegin(input, kVersion4)) {
    return State::Bad;
  }
  if (input.size() <= kFixed) {
    return State::Partial;
  }
  State state = readTerminated(input, kFixed, kMaxUserBytes, request.user);
  if (state != State::Done) {
    return state;
  }
  request.command = byteAt(input, 1);
  request.address = {
      .type = AddressType::Ipv4, .port = read16(input, 2), .host = input.substr(4, 4)};
  request.bytes = kFixed + request.user.size() + 1;
  // 0.0.0.x: a name follows (4a).
  const bool isNamed = input.substr(4, 3) == "\0\0\0"sv && input[7] != 0;
  if (!isNamed) {
    return State::Done;
  }
  state = readTerminated(input, request.bytes, kMaxNameBytes, request.address.host);
  if (state == State::Done) {
    request.address.type = AddressType::Name;
    request.bytes += request.address.host.size() + 1;
  }
  return state;
}

bool readDatagram(std::string_view input, DatagramHeader& header) noexcept {
  if (input.size() < 4 || input.substr(0, 3) != "\0\0\0"sv) {
    return false;
  }
  header.bytes = readAddress(input, 3, header.address);
  return header.bytes != 0 && header.address.type != AddressType::Unknown;
}

// --- what is sent --------------------------------------------------------------------------------

std::string_view writeMethod(Method method, ReplySpace into) noexcept {
  return Writer(into.data()).byte(kVersion5).byte(static_cast<std::uint8_t>(method)).written();
}

std::string_view writeLoginReply(bool isWelcome, ReplySpace into) noexcept {
  return Writer(into.data()).byte(kLoginVersion).byte(isWelcome ? 0 : 1).written();
}

std::string_view writeReply(ReplyCode code, const Address& bound, ReplySpace into) noexcept {
  return Writer(into.data())
      .byte(kVersion5)
      .byte(static_cast<std::uint8_t>(code))
      .byte(0)
      .address(bound)
      .written();
}

std::string_view writeReply4(Reply4Code code, ReplySpace into) noexcept {
  return Writer(into.data())
      .byte(0)
      .byte(static_cast<std::uint8_t>(code))
      .text("\0\0\0\0\0\0"sv)
      .written();
}

std::string_view writeDatagramHeader(const Address& source,
                                     std::span<char, kMaxDatagramHeaderBytes> into) noexcept {
  return Writer(into.data()).text("\0\0\0"sv).address(source).written();
}

std::string_view writeGreeting(bool hasLogin, ReplySpace into) noexcept {
  const Method method = hasLogin ? Method::Login : Method::None;
  return Writer(into.data())
      .byte(kVersion5)
      .byte(1)
      .byte(static_cast<std::uint8_t>(method))
      .written();
}

std::string_view writeLogin(std::string_view name, std::string_view password,
                            std::span<char, kMaxLoginBytes> into) noexcept {
  return Writer(into.data()).byte(kLoginVersion).sized(name).sized(password).written();
}

std::string_view writeRequest(Command command, const Address& to, ReplySpace into) noexcept {
  return Writer(into.data())
      .byte(kVersion5)
      .byte(static_cast<std::uint8_t>(command))
      .byte(0)
      .address(to)
      .written();
}

} // namespace sluice::socks
