#include "tls/client_hello.h"

#include <algorithm>
#include <cstring>

namespace sluice::tls {

namespace {

std::size_t read16(std::string_view bytes) noexcept {
  return static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8 |
         static_cast<unsigned char>(bytes[1]);
}

bool isNameByte(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

constexpr std::uint8_t kHandshakeRecord = 22;
constexpr std::uint8_t kMajorVersion = 3;
constexpr std::size_t kRecordHeader = 5;
constexpr std::size_t kMaxRecord = 16 * 1024;
constexpr std::uint8_t kClientHelloMessage = 1;
constexpr std::size_t kMessageHeader = 4;
constexpr std::size_t kRandomBytes = 32;
constexpr std::size_t kMaxSessionId = 32;
constexpr std::size_t kServerNameExtension = 0;
constexpr std::size_t kAlpnExtension = 16;

/// Takes fields from the front of what is left; remembers when there was too little.
class Fields {
 public:
  explicit Fields(std::string_view bytes) noexcept : rest_(bytes) {}

  [[nodiscard]] std::string_view take(std::size_t size) noexcept {
    if (size > rest_.size()) {
      isShort_ = true;
      size = rest_.size();
    }
    const std::string_view field = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return field;
  }
  [[nodiscard]] std::size_t take8() noexcept {
    const std::string_view field = take(1);
    return isShort_ ? 0 : static_cast<unsigned char>(field[0]);
  }
  [[nodiscard]] std::size_t take16() noexcept {
    const std::string_view field = take(2);
    return isShort_ ? 0 : read16(field);
  }
  [[nodiscard]] bool isEmpty() const noexcept { return rest_.empty(); }
  [[nodiscard]] bool isGood() const noexcept { return !isShort_; }

 private:
  std::string_view rest_;
  bool isShort_ = false;
};

/// A list of protocols, none of them empty; `alpn` becomes what is in it.
bool readProtocols(std::string_view extension, std::string_view& alpn) noexcept {
  Fields outer(extension);
  const std::string_view list = outer.take(outer.take16());
  if (!outer.isGood() || !outer.isEmpty() || list.empty()) {
    return false;
  }
  Fields names(list);
  while (!names.isEmpty()) {
    if (names.take(names.take8()).empty()) {
      return false;
    }
  }
  alpn = list;
  return names.isGood();
}

bool readExtensions(std::string_view extensions, ClientHello& hello) noexcept {
  Fields fields(extensions);
  bool hasName = false;
  bool hasAlpn = false;
  while (!fields.isEmpty()) {
    const std::size_t type = fields.take16();
    const std::string_view extension = fields.take(fields.take16());
    if (!fields.isGood()) {
      return false;
    }
    if (type == kServerNameExtension) {
      std::string_view name;
      if (hasName || !readServerName(extension, hello.nameBytes, name)) {
        return false;
      }
      hasName = true;
      hello.nameSize = name.size();
    } else if (type == kAlpnExtension) {
      if (hasAlpn || !readProtocols(extension, hello.alpn)) {
        return false;
      }
      hasAlpn = true;
    }
  }
  return true;
}

/// `body`: the message behind its header.
bool readBody(std::string_view body, ClientHello& hello) noexcept {
  Fields fields(body);
  const std::size_t version = fields.take16();
  static_cast<void>(fields.take(kRandomBytes));
  const std::size_t sessionId = fields.take8();
  static_cast<void>(fields.take(sessionId));
  const std::size_t ciphers = fields.take16();
  static_cast<void>(fields.take(ciphers));
  const std::size_t compressions = fields.take8();
  static_cast<void>(fields.take(compressions));
  if (!fields.isGood() || version >> 8 != kMajorVersion || sessionId > kMaxSessionId ||
      ciphers == 0 || ciphers % 2 != 0 || compressions == 0) {
    return false;
  }
  if (fields.isEmpty()) {
    // Before TLS 1.3 a client may say nothing more.
    return true;
  }
  const std::string_view extensions = fields.take(fields.take16());
  return fields.isGood() && fields.isEmpty() && readExtensions(extensions, hello);
}

} // namespace

std::string_view lowerName(std::string_view name, std::span<char, kMaxServerName> into) noexcept {
  if (name.ends_with('.')) {
    name.remove_suffix(1);
  }
  if (name.size() > into.size()) {
    return {};
  }
  std::transform(name.begin(), name.end(), into.begin(), lower);
  return {into.data(), name.size()};
}

bool readServerName(std::string_view extension, std::span<char, kMaxServerName> into,
                    std::string_view& name) noexcept {
  name = {};
  // A list of one entry: its type, 0 for a host name, and the name behind its length.
  if (extension.size() < 5 || read16(extension) != extension.size() - 2) {
    return false;
  }
  extension.remove_prefix(2);
  const std::size_t size = read16(extension.substr(1));
  if (extension[0] != 0 || size != extension.size() - 3 || size == 0) {
    return false;
  }
  extension.remove_prefix(3);
  name = lowerName(extension, into);
  const bool isGood = !name.empty() && std::all_of(name.begin(), name.end(), isNameByte);
  if (!isGood) {
    name = {};
  }
  return isGood;
}

ClientHelloState readClientHello(std::string_view input, std::span<char, kMaxClientHello> fragments,
                                 ClientHello& hello) noexcept {
  hello.nameSize = 0;
  hello.alpn = {};
  const auto byteAt = [input](std::size_t at) { return static_cast<unsigned char>(input[at]); };
  if ((!input.empty() && byteAt(0) != kHandshakeRecord) ||
      (input.size() > 1 && byteAt(1) != kMajorVersion)) {
    return ClientHelloState::NotTls;
  }
  // What has arrived of the message: in the first record, or gathered from several.
  std::string_view message;
  std::size_t at = 0;
  while (input.size() - at >= kRecordHeader) {
    const std::size_t size = read16(input.substr(at + 3));
    if (byteAt(at) != kHandshakeRecord || byteAt(at + 1) != kMajorVersion || size == 0 ||
        size > kMaxRecord) {
      return ClientHelloState::Bad;
    }
    const std::string_view fragment = input.substr(at + kRecordHeader, size);
    if (at == 0) {
      message = fragment;
    } else {
      if (message.size() + fragment.size() > fragments.size()) {
        return ClientHelloState::Bad;
      }
      if (message.data() != fragments.data()) {
        std::memcpy(fragments.data(), message.data(), message.size());
      }
      std::memcpy(fragments.data() + message.size(), fragment.data(), fragment.size());
      message = {fragments.data(), message.size() + fragment.size()};
    }
    if (!message.empty() && message[0] != kClientHelloMessage) {
      return ClientHelloState::Bad;
    }
    if (message.size() >= kMessageHeader) {
      const std::size_t whole =
          kMessageHeader + (static_cast<std::size_t>(static_cast<unsigned char>(message[1])) << 16 |
                            read16(message.substr(2)));
      if (whole > kMaxClientHello) {
        return ClientHelloState::Bad;
      }
      if (message.size() >= whole) {
        const std::string_view body = message.substr(kMessageHeader, whole - kMessageHeader);
        return readBody(body, hello) ? ClientHelloState::Done : ClientHelloState::Bad;
      }
    }
    if (fragment.size() < size) {
      break;
    }
    at += kRecordHeader + size;
  }
  return input.size() < kMaxClientHelloWire ? ClientHelloState::Partial : ClientHelloState::Bad;
}

} // namespace sluice::tls
