#include "net/redirection.h"

#include <netinet/in.h>
#include <sys/socket.h>

namespace sluice::net {

namespace {

/// Of linux/netfilter_ipv4.h, and IP6T_SO_ORIGINAL_DST of the header for IPv6, which declare more
/// than C++ takes.
constexpr int kOriginalDestination = 80;

} // namespace

Redirection Redirection::of(const UniqueFd& fd) noexcept {
  Redirection out;
  SocketAddress address;
  socklen_t length = SocketAddress::kCapacity;
  if (::getsockname(fd.get(), address.raw(), &length) != 0) {
    return out;
  }
  address.setLength(length);
  out.own = IpPort::of(address);
  // An IPv4 client of an IPv6 socket has been tracked, and changed, as IPv4.
  const bool isIpv4 = out.own.family == AddressFamily::Ipv4;
  length = SocketAddress::kCapacity;
  if (out.own.isKnown() && ::getsockopt(fd.get(), isIpv4 ? SOL_IP : SOL_IPV6, kOriginalDestination,
                                        address.raw(), &length) == 0) {
    address.setLength(length);
    out.original = IpPort::of(address);
  }
  return out;
}

} // namespace sluice::net
