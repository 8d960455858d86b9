#include "net/ktls.h"

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/unique_fd.h"
#include "net/socket_address.h"

namespace sluice::net {

namespace {

// Of kernels and C libraries younger than the headers that this may be built with.
#ifndef SOL_TLS
constexpr int SOL_TLS = 282;
#endif
#ifndef TCP_ULP
constexpr int TCP_ULP = 31;
#endif
constexpr std::uint16_t kAes128Gcm = 51;
constexpr std::uint16_t kAes256Gcm = 52;
constexpr std::uint16_t kChaCha20Poly1305 = 54;
constexpr std::uint16_t kTls12 = 0x0303;
constexpr std::uint16_t kTls13 = 0x0304;
constexpr std::size_t kSaltBytes = 4;

/// As setsockopt takes it: one form a cipher, each without gaps.
struct CryptoInfo {
  std::array<unsigned char, 64> bytes{};
  socklen_t size = 0;

  CryptoInfo() noexcept = default;
  CryptoInfo(const CryptoInfo&) = delete;
  CryptoInfo& operator=(const CryptoInfo&) = delete;
  ~CryptoInfo() { ::explicit_bzero(bytes.data(), bytes.size()); }

  void add(const void* field, std::size_t length) noexcept {
    std::memcpy(bytes.data() + size, field, length);
    size += static_cast<socklen_t>(length);
  }
};

void write(const SealKeys& keys, CryptoInfo& info) noexcept {
  const bool isAes = keys.cipher != SealCipher::ChaCha20Poly1305;
  const std::uint16_t version = keys.isTls13 ? kTls13 : kTls12;
  const std::uint16_t cipher = keys.cipher == SealCipher::Aes128Gcm   ? kAes128Gcm
                               : keys.cipher == SealCipher::Aes256Gcm ? kAes256Gcm
                                                                      : kChaCha20Poly1305;
  info.add(&version, sizeof version);
  info.add(&cipher, sizeof cipher);
  // With AES what all records have in common is called the salt, and comes behind the key.
  const std::size_t common = isAes ? kSaltBytes : 0;
  info.add(keys.iv.data() + common, keys.iv.size() - common);
  info.add(keys.key.data(), keys.keyBytes());
  info.add(keys.iv.data(), common);
  for (int shift = 56; shift >= 0; shift -= 8) {
    const auto byte = static_cast<unsigned char>(keys.sequence >> shift);
    info.add(&byte, 1);
  }
}

/// Zero, or the error's number.
int setKeys(int fd, const SealKeys& keys) noexcept {
  CryptoInfo info;
  write(keys, info);
  return ::setsockopt(fd, SOL_TLS, TLS_TX, info.bytes.data(), info.size) == 0 ? 0 : errno;
}

int attach(int fd) noexcept {
  constexpr char kName[] = "tls";
  return ::setsockopt(fd, IPPROTO_TCP, TCP_ULP, kName, sizeof kName) == 0 ? 0 : errno;
}

struct Connected {
  UniqueFd one;
  UniqueFd other;
};

/// Both ends of a connection over loopback.
Connected connectToSelf(const SocketAddress& loopback) noexcept {
  const int family = loopback.raw()->sa_family;
  const UniqueFd listener(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  UniqueFd one(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SocketAddress bound = loopback;
  socklen_t length = SocketAddress::kCapacity;
  if (!listener.isOpen() || !one.isOpen() ||
      ::bind(listener.get(), loopback.raw(), loopback.length()) != 0 ||
      ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), bound.raw(), &length) != 0) {
    return {};
  }
  bound.setLength(length);
  if (::connect(one.get(), bound.raw(), bound.length()) != 0) {
    return {};
  }
  UniqueFd other(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return {std::move(one), std::move(other)};
}

Connected connectToSelf() noexcept {
  Connected made = connectToSelf(
      SocketAddress::ip(AddressFamily::Ipv4, std::array<std::uint8_t, 4>{127, 0, 0, 1}, 0));
  if (made.other.isOpen()) {
    return made;
  }
  std::array<std::uint8_t, 16> own{};
  own.back() = 1;
  return connectToSelf(SocketAddress::ip(AddressFamily::Ipv6, own, 0));
}

std::string problemOf(int error) {
  switch (error) {
  case ENOENT:
    return "the kernel has no module tls, or it is not loaded (modprobe tls)";
  case ENOPROTOOPT:
    return "the kernel knows no protocols above TCP";
  default:
    return "the kernel refused it: " + std::generic_category().message(error);
  }
}

} // namespace

SealKeys::~SealKeys() {
  ::explicit_bzero(key.data(), key.size());
  ::explicit_bzero(iv.data(), iv.size());
}

KernelTls probeKernelTls() {
  KernelTls found;
  int error = 0;
  for (std::size_t i = 0; i < kSealCipherCount; ++i) {
    const Connected made = connectToSelf();
    if (!made.other.isOpen()) {
      found.problem = "no connection over loopback to try it with";
      return found;
    }
    if (const int refused = attach(made.one.get()); refused != 0) {
      found.problem = problemOf(refused);
      return found;
    }
    SealKeys keys;
    keys.cipher = static_cast<SealCipher>(i);
    if (const int refused = setKeys(made.one.get(), keys); refused != 0) {
      error = refused;
      continue;
    }
    found.takes[i] = true;
    found.takesNewKeys = setKeys(made.one.get(), keys) == 0;
  }
  if (std::find(found.takes.begin(), found.takes.end(), true) == found.takes.end()) {
    found.problem = problemOf(error);
  }
  return found;
}

bool sealInKernel(int fd, const SealKeys& keys) noexcept {
  return attach(fd) == 0 && setKeys(fd, keys) == 0;
}

bool replaceSealKeys(int fd, const SealKeys& keys) noexcept {
  return setKeys(fd, keys) == 0;
}

RecordSent sendRecord(int fd, std::uint8_t type, std::string_view content) noexcept {
  iovec part{const_cast<char*>(content.data()), content.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof type)> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_TLS;
  header->cmsg_type = TLS_SET_RECORD_TYPE;
  header->cmsg_len = CMSG_LEN(sizeof type);
  std::memcpy(CMSG_DATA(header), &type, sizeof type);
  for (;;) {
    const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == static_cast<ssize_t>(content.size())) {
      return RecordSent::Done;
    }
    if (sent >= 0 || (errno != EINTR && errno != EAGAIN && errno != ENOMEM)) {
      return RecordSent::Failed;
    }
    if (errno != EINTR) {
      return RecordSent::NoRoom;
    }
  }
}

} // namespace sluice::net
