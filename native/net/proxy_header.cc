#include "net/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace sluice::net {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kTextStart = "PROXY "sv;
constexpr std::string_view kSignature = "\r\n\r\n\0\r\nQUIT\n"sv;
/// With its CRLF.
constexpr std::size_t kMaxLine = 107;
constexpr std::size_t kFixedBytes = 16;

constexpr std::uint8_t kVersion2 = 2;
constexpr std::uint8_t kLocal = 0;
constexpr std::uint8_t kProxy = 1;
constexpr std::uint8_t kStream = 1;
constexpr std::uint8_t kDatagram = 2;
/// By family: unspecified, IPv4, IPv6, unix.
constexpr std::array<std::size_t, 4> kAddressBytes{0, 12, 36, 216};
constexpr std::uint8_t kInet = 1;
constexpr std::uint8_t kInet6 = 2;

constexpr std::uint8_t kCrc32c = 0x03;
constexpr std::size_t kCrcBytes = 4;
constexpr std::size_t kTlvStart = 3;

std::uint8_t byteAt(std::string_view bytes, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t read16(std::string_view bytes, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(byteAt(bytes, at) << 8 | byteAt(bytes, at + 1));
}

// --- version 1 -----------------------------------------------------------------------------------

/// Decimal, without leading zeros.
bool readPort(std::string_view text, std::uint16_t& port) noexcept {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) {
    return false;
  }
  std::uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') {
      return false;
    }
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  port = static_cast<std::uint16_t>(value);
  return value <= 0xffff;
}

bool readAddress(std::string_view text, AddressFamily family, IpPort& into) noexcept {
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof terminated) {
    return false;
  }
  std::memcpy(terminated, text.data(), text.size());
  into.family = family;
  return ::inet_pton(family == AddressFamily::Ipv4 ? AF_INET : AF_INET6, terminated,
                     into.bytes.data()) == 1;
}

/// Up to the next space, which is taken too.
std::string_view nextField(std::string_view& line) noexcept {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

/// `line`: what is between `PROXY ` and CRLF.
bool readLine(std::string_view line, ProxyHeader& header) noexcept {
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) {
    return true;
  }
  if ((!line.starts_with("TCP4 ") && !line.starts_with("TCP6 ")) ||
      std::count(line.begin(), line.end(), ' ') != 4) {
    return false;
  }
  const AddressFamily family = line[3] == '4' ? AddressFamily::Ipv4 : AddressFamily::Ipv6;
  line.remove_prefix(5);
  return readAddress(nextField(line), family, header.source) &&
         readAddress(nextField(line), family, header.destination) &&
         readPort(nextField(line), header.source.port) &&
         readPort(nextField(line), header.destination.port);
}

ProxyHeaderState readText(std::string_view input, ProxyHeader& header) noexcept {
  const std::string_view within = input.substr(0, kMaxLine);
  for (std::size_t at = kTextStart.size(); at < within.size(); ++at) {
    if (within[at] != '\r') {
      if (within[at] < ' ' || within[at] > '~') {
        return ProxyHeaderState::Bad;
      }
      continue;
    }
    if (at + 1 == within.size()) {
      break;
    }
    const std::string_view line = within.substr(kTextStart.size(), at - kTextStart.size());
    if (within[at + 1] != '\n' || !readLine(line, header)) {
      return ProxyHeaderState::Bad;
    }
    header.bytes = at + 2;
    return ProxyHeaderState::Done;
  }
  return input.size() < kMaxLine ? ProxyHeaderState::Partial : ProxyHeaderState::Bad;
}

// --- version 2 -----------------------------------------------------------------------------------

constexpr std::array<std::uint32_t, 256> kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      // RFC 9260, appendix A: the polynomial with its bits turned round.
      value = (value & 1) != 0 ? value >> 1 ^ 0x82f6'3b78 : value >> 1;
    }
    table[i] = value;
  }
  return table;
}();

/// As if the four bytes at `zeroed` were zero.
std::uint32_t crc32c(std::string_view bytes, std::size_t zeroed) noexcept {
  std::uint32_t crc = 0xffff'ffff;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const bool isZeroed = at >= zeroed && at < zeroed + kCrcBytes;
    const std::uint8_t byte = isZeroed ? std::uint8_t{0} : byteAt(bytes, at);
    crc = crc >> 8 ^ kCrcTable[(crc ^ byte) & 0xff];
  }
  return ~crc;
}

/// What comes behind the addresses fills the header exactly, and its checksum, if any, is right.
bool checkTlvs(std::string_view header, std::size_t at) noexcept {
  while (at < header.size()) {
    if (header.size() - at < kTlvStart) {
      return false;
    }
    const std::size_t size = read16(header, at + 1);
    const std::uint8_t type = byteAt(header, at);
    at += kTlvStart;
    if (header.size() - at < size) {
      return false;
    }
    if (type == kCrc32c) {
      if (size != kCrcBytes) {
        return false;
      }
      const std::uint32_t said =
          static_cast<std::uint32_t>(read16(header, at)) << 16 | read16(header, at + 2);
      if (said != crc32c(header, at)) {
        return false;
      }
    }
    at += size;
  }
  return true;
}

IpPort readIpPort(std::string_view addresses, AddressFamily family, std::size_t which) noexcept {
  const std::size_t size = family == AddressFamily::Ipv4 ? 4 : 16;
  IpPort out;
  out.family = family;
  std::memcpy(out.bytes.data(), addresses.data() + which * size, size);
  out.port = read16(addresses, 2 * size + 2 * which);
  return out;
}

/// `isDatagram`: clients that came by datagrams are told too.
ProxyHeaderState readBinary(std::string_view input, bool isDatagram, ProxyHeader& header) noexcept {
  if (input.size() > kSignature.size()) {
    const std::uint8_t versionAndCommand = byteAt(input, 12);
    if (versionAndCommand >> 4 != kVersion2 || (versionAndCommand & 0xf) > kProxy) {
      return ProxyHeaderState::Bad;
    }
  }
  if (input.size() < kFixedBytes) {
    return ProxyHeaderState::Partial;
  }
  const bool isLocal = (byteAt(input, 12) & 0xf) == kLocal;
  const std::size_t family = byteAt(input, 13) >> 4;
  const std::size_t transport = byteAt(input, 13) & 0xf;
  const std::size_t size = kFixedBytes + read16(input, 14);
  // What a header says that speaks for nobody is skipped unread.
  const bool isValid = isLocal || (family < kAddressBytes.size() && transport <= kDatagram &&
                                   size >= kFixedBytes + kAddressBytes[family]);
  if (!isValid || size > kMaxProxyHeaderBytes) {
    return ProxyHeaderState::Bad;
  }
  if (input.size() < size) {
    return ProxyHeaderState::Partial;
  }
  header.bytes = size;
  if (isLocal || family == 0) {
    return ProxyHeaderState::Done;
  }
  const std::string_view whole = input.substr(0, size);
  if (!checkTlvs(whole, kFixedBytes + kAddressBytes[family])) {
    return ProxyHeaderState::Bad;
  }
  const bool isTold = transport == kStream || (transport == kDatagram && isDatagram);
  if (isTold && (family == kInet || family == kInet6)) {
    const AddressFamily ip = family == kInet ? AddressFamily::Ipv4 : AddressFamily::Ipv6;
    header.source = readIpPort(whole.substr(kFixedBytes), ip, 0);
    header.destination = readIpPort(whole.substr(kFixedBytes), ip, 1);
  }
  return ProxyHeaderState::Done;
}

// --- writing -------------------------------------------------------------------------------------

class Writer {
 public:
  explicit Writer(std::span<char> into) noexcept : into_(into) {}

  void text(std::string_view bytes) noexcept {
    std::memcpy(into_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void byte(std::size_t value) noexcept { into_[size_++] = static_cast<char>(value); }
  void number16(std::size_t value) noexcept {
    byte(value >> 8);
    byte(value & 0xff);
  }
  void bytes(const IpPort& of) noexcept {
    for (std::size_t i = 0; i < (of.family == AddressFamily::Ipv4 ? 4 : 16); ++i) {
      byte(of.bytes[i]);
    }
  }
  void address(const IpPort& of) noexcept {
    char buffer[INET6_ADDRSTRLEN];
    const int family = of.family == AddressFamily::Ipv4 ? AF_INET : AF_INET6;
    text(::inet_ntop(family, of.bytes.data(), buffer, sizeof buffer));
  }
  void decimal(std::uint16_t value) noexcept {
    char digits[5];
    std::size_t count = 0;
    do {
      digits[count++] = static_cast<char>('0' + value % 10);
      value = static_cast<std::uint16_t>(value / 10);
    } while (value != 0);
    while (count > 0) {
      byte(static_cast<std::size_t>(digits[--count]));
    }
  }
  [[nodiscard]] std::string_view view() const noexcept { return {into_.data(), size_}; }

 private:
  std::span<char> into_;
  std::size_t size_ = 0;
};

/// RFC 4291 2.5.5.2.
IpPort mapped(const IpPort& address) noexcept {
  if (address.family != AddressFamily::Ipv4) {
    return address;
  }
  IpPort out{.family = AddressFamily::Ipv6, .port = address.port};
  out.bytes[10] = out.bytes[11] = 0xff;
  std::copy_n(address.bytes.begin(), 4, out.bytes.begin() + 12);
  return out;
}

/// What a header says: one header has one family.
struct Ends {
  Ends(const IpPort& from, const IpPort& to) noexcept
      : isKnown(from.isKnown() && to.isKnown()),
        source(from.family == to.family ? from : mapped(from)),
        destination(from.family == to.family ? to : mapped(to)) {}

  bool isKnown;
  IpPort source;
  IpPort destination;
};

void writeText(Writer& to, const Ends& ends) noexcept {
  to.text(kTextStart);
  if (!ends.isKnown) {
    to.text("UNKNOWN\r\n");
    return;
  }
  to.text(ends.source.family == AddressFamily::Ipv4 ? "TCP4 " : "TCP6 ");
  to.address(ends.source);
  to.byte(' ');
  to.address(ends.destination);
  to.byte(' ');
  to.decimal(ends.source.port);
  to.byte(' ');
  to.decimal(ends.destination.port);
  to.text("\r\n");
}

void writeBinary(Writer& to, std::uint8_t transport, const Ends& ends) noexcept {
  to.text(kSignature);
  if (!ends.isKnown) {
    to.byte(kVersion2 << 4 | kLocal);
    to.byte(0);
    to.number16(0);
    return;
  }
  const std::uint8_t family = ends.source.family == AddressFamily::Ipv4 ? kInet : kInet6;
  to.byte(kVersion2 << 4 | kProxy);
  to.byte(static_cast<std::size_t>(family << 4 | transport));
  to.number16(kAddressBytes[family]);
  to.bytes(ends.source);
  to.bytes(ends.destination);
  to.number16(ends.source.port);
  to.number16(ends.destination.port);
}

} // namespace

IpPort IpPort::of(const SocketAddress& address) noexcept {
  const std::span<const std::uint8_t> bytes = address.ipBytes();
  IpPort out;
  if (bytes.empty()) {
    return out;
  }
  out.family = bytes.size() == 4 ? AddressFamily::Ipv4 : AddressFamily::Ipv6;
  out.port = address.port();
  std::copy(bytes.begin(), bytes.end(), out.bytes.begin());
  return out;
}

ProxyHeaderState readProxyHeader(std::string_view input, ProxyHeader& header) noexcept {
  header = {};
  if (input.empty()) {
    return ProxyHeaderState::Partial;
  }
  const bool isText = input[0] == kTextStart[0];
  const std::string_view start = isText ? kTextStart : kSignature;
  const std::size_t common = std::min(start.size(), input.size());
  if (input.substr(0, common) != start.substr(0, common)) {
    return ProxyHeaderState::Absent;
  }
  if (common < start.size()) {
    return ProxyHeaderState::Partial;
  }
  return isText ? readText(input, header) : readBinary(input, false, header);
}

ProxyHeaderState readDatagramHeader(std::string_view datagram, ProxyHeader& header) noexcept {
  header = {};
  if (datagram.starts_with(kTextStart)) {
    return ProxyHeaderState::Bad;
  }
  if (!datagram.starts_with(kSignature)) {
    return ProxyHeaderState::Absent;
  }
  const ProxyHeaderState state = readBinary(datagram, true, header);
  return state == ProxyHeaderState::Partial ? ProxyHeaderState::Bad : state;
}

std::string_view writeProxyHeader(ProxySend version, const IpPort& source,
                                  const IpPort& destination,
                                  std::span<char, kMaxSentProxyHeaderBytes> into) noexcept {
  Writer to(into);
  const Ends ends(source, destination);
  if (version == ProxySend::V1) {
    writeText(to, ends);
  } else {
    writeBinary(to, kStream, ends);
  }
  return to.view();
}

std::string_view writeDatagramHeader(const IpPort& source, const IpPort& destination,
                                     std::span<char, kMaxSentDatagramHeaderBytes> into) noexcept {
  Writer to(into);
  writeBinary(to, kDatagram, Ends(source, destination));
  return to.view();
}

} // namespace sluice::net
