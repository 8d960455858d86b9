#include "net/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

namespace sluice::net {

namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static_assert(sizeof(sockaddr_un) <= SocketAddress::kCapacity);
static_assert(sizeof(sockaddr_in6) <= SocketAddress::kCapacity);

} // namespace

const sockaddr* SocketAddress::raw() const noexcept {
  return reinterpret_cast<const sockaddr*>(storage_.data());
}
sockaddr* SocketAddress::raw() noexcept {
  return reinterpret_cast<sockaddr*>(storage_.data());
}

SocketAddress SocketAddress::ip(AddressFamily family, std::span<const std::uint8_t> bytes,
                                std::uint16_t port) noexcept {
  SocketAddress out;
  if (family == AddressFamily::Ipv4) {
    auto* in = reinterpret_cast<sockaddr_in*>(out.storage_.data());
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    std::memcpy(&in->sin_addr, bytes.data(), 4);
    out.length_ = sizeof(sockaddr_in);
  } else {
    auto* in6 = reinterpret_cast<sockaddr_in6*>(out.storage_.data());
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    std::memcpy(&in6->sin6_addr, bytes.data(), 16);
    out.length_ = sizeof(sockaddr_in6);
  }
  return out;
}

SocketAddress SocketAddress::unixPath(std::string_view path) noexcept {
  SocketAddress out;
  auto* un = reinterpret_cast<sockaddr_un*>(out.storage_.data());
  un->sun_family = AF_UNIX;
  if (path.size() < sizeof(un->sun_path)) {
    std::memcpy(un->sun_path, path.data(), path.size());
    out.length_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  } else {
    out.length_ = sizeof(sa_family_t);
  }
  return out;
}

AddressFamily SocketAddress::family() const noexcept {
  switch (raw()->sa_family) {
  case AF_INET:
    return AddressFamily::Ipv4;
  case AF_INET6:
    return AddressFamily::Ipv6;
  default:
    return AddressFamily::Unix;
  }
}

std::uint16_t SocketAddress::port() const noexcept {
  // sin_port and sin6_port lie at the same place.
  return family() == AddressFamily::Unix
             ? std::uint16_t{0}
             : ntohs(reinterpret_cast<const sockaddr_in*>(storage_.data())->sin_port);
}

void SocketAddress::setPort(std::uint16_t port) noexcept {
  if (family() != AddressFamily::Unix) {
    reinterpret_cast<sockaddr_in*>(storage_.data())->sin_port = htons(port);
  }
}

std::span<const std::uint8_t> SocketAddress::ipBytes() const noexcept {
  const auto* base = reinterpret_cast<const std::uint8_t*>(storage_.data());
  switch (family()) {
  case AddressFamily::Ipv4:
    return {base + offsetof(sockaddr_in, sin_addr), 4};
  case AddressFamily::Ipv6: {
    const std::uint8_t* address = base + offsetof(sockaddr_in6, sin6_addr);
    if (std::memcmp(address, kMappedPrefix.data(), kMappedPrefix.size()) == 0) {
      return {address + 12, 4};
    }
    return {address, 16};
  }
  default:
    return {};
  }
}

std::size_t SocketAddress::formatIp(std::span<char> into) const noexcept {
  const auto bytes = ipBytes();
  if (bytes.size() == 4) {
    // Done by hand: inet_ntop goes through sprintf, and this is called for every connection.
    char* at = into.data();
    for (std::size_t i = 0; i < 4; ++i) {
      const unsigned byte = bytes[i];
      if (i > 0) {
        *at++ = '.';
      }
      if (byte >= 100) {
        *at++ = static_cast<char>('0' + byte / 100);
      }
      if (byte >= 10) {
        *at++ = static_cast<char>('0' + byte / 10 % 10);
      }
      *at++ = static_cast<char>('0' + byte % 10);
    }
    return static_cast<std::size_t>(at - into.data());
  }
  if (bytes.size() == 16) {
    const char* text =
        ::inet_ntop(AF_INET6, bytes.data(), into.data(), static_cast<socklen_t>(into.size()));
    return text == nullptr ? 0 : std::strlen(text);
  }
  std::memcpy(into.data(), "unix", 4);
  return 4;
}

std::size_t SocketAddress::format(std::span<char> into) const noexcept {
  if (family() == AddressFamily::Unix) {
    return formatIp(into);
  }
  const bool isBracketed = ipBytes().size() == 16;
  std::size_t length = isBracketed ? 1 : 0;
  into[0] = '[';
  length += formatIp(into.subspan(length, 46));
  if (isBracketed) {
    into[length++] = ']';
  }
  into[length++] = ':';
  char digits[5];
  std::size_t count = 0;
  unsigned rest = port();
  do {
    digits[count++] = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  while (count > 0) {
    into[length++] = digits[--count];
  }
  return length;
}

bool SocketAddress::operator==(const SocketAddress& other) const noexcept {
  const auto mine = ipBytes();
  const auto theirs = other.ipBytes();
  return port() == other.port() && mine.size() == theirs.size() &&
         std::memcmp(mine.data(), theirs.data(), mine.size()) == 0;
}

std::size_t SocketAddress::hash() const noexcept {
  std::uint64_t h = 0x9e3779b97f4a7c15ULL ^ port();
  for (const std::uint8_t byte : ipBytes()) {
    h = (h ^ byte) * 0x100000001b3ULL;
  }
  return static_cast<std::size_t>(h ^ (h >> 29));
}

} // namespace sluice::net
