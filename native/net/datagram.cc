#include "net/datagram.h"

#include <netinet/udp.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "net/syscall.h"

namespace sluice::net {

namespace {

constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
/// What a target may send at once before it is read; the kernel grants what its own limit allows.
constexpr int kUpstreamBufferBytes = 1024 * 1024;

bool turn(int fd, int level, int option, int value) noexcept {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/// The errors by which the kernel reports ICMP answers and routes that lead nowhere.
bool isUnreachable(int error) noexcept {
  return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
         error == EHOSTDOWN || error == ENETDOWN;
}

/// The next datagram would fare no better.
bool isFull(int error) noexcept {
  return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

/// What the kernel says to a piece that it cannot cut: no checksum offload, or datagrams beyond the
/// MTU.
bool isAboutRun(int error) noexcept {
  return error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP;
}

/// Of a socket that could not be opened.
Errc whyNot(int error) noexcept {
  switch (error) {
  case EMFILE:
  case ENFILE:
    return Errc::OutOfDescriptors;
  case ENOBUFS:
  case ENOMEM:
    return Errc::OutOfMemory;
  case EAGAIN:
  case EADDRINUSE:
  case EADDRNOTAVAIL:
    return Errc::OutOfPorts;
  case ENETUNREACH:
  case EHOSTUNREACH:
  case ENETDOWN:
  case EHOSTDOWN:
    return Errc::ConnectUnreachable;
  default:
    return Errc::ConnectFailed;
  }
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t tailWord(sa_family_t family, in_port_t port, std::uint32_t scope) noexcept {
  return std::uint64_t{scope} << 32 | std::uint64_t{ntohs(port)} << 16 | family;
}

AddressFamily familyOf(std::uint64_t tail) noexcept {
  return static_cast<sa_family_t>(tail) == AF_INET ? AddressFamily::Ipv4 : AddressFamily::Ipv6;
}

/// Appends a control message at `at` of the control bytes; returns where the next one goes.
template<typename T>
std::size_t putControl(std::byte* control, std::size_t at, int level, int type,
                       const T& value) noexcept {
  cmsghdr head{};
  head.cmsg_level = level;
  head.cmsg_type = type;
  head.cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(control + at, &head, sizeof head);
  std::memcpy(control + at + CMSG_LEN(0), &value, sizeof value);
  return at + CMSG_SPACE(sizeof value);
}

/// Calls `visit(level, type, data)` for each control message that was received.
template<typename Visit>
void forEachControl(const msghdr& header, Visit visit) noexcept {
  const auto* bytes = static_cast<const std::byte*>(header.msg_control);
  std::size_t at = 0;
  while (at + sizeof(cmsghdr) <= header.msg_controllen) {
    cmsghdr head{};
    std::memcpy(&head, bytes + at, sizeof head);
    if (head.cmsg_len < sizeof head || head.cmsg_len > header.msg_controllen - at) {
      return;
    }
    visit(head.cmsg_level, head.cmsg_type, bytes + at + CMSG_LEN(0));
    at += CMSG_ALIGN(head.cmsg_len);
  }
}

} // namespace

std::uint64_t DatagramPath::hash(std::uint64_t seed) const noexcept {
  constexpr std::uint64_t kA = 0xa0761d6478bd642fULL;
  constexpr std::uint64_t kB = 0xe7037ed1a0b428dbULL;
  const std::uint64_t client = mix(words[0] ^ seed ^ kA, words[4] ^ kB ^ (seed << 1));
  return mix(client ^ words[2] ^ seed, mix(words[1] ^ kB, words[3] ^ seed ^ kA) ^ kA);
}

std::uint16_t DatagramPath::port() const noexcept {
  return static_cast<std::uint16_t>(words[4] >> 16);
}

SocketAddress DatagramPath::client() const noexcept {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), words.data(), bytes.size());
  return SocketAddress::ip(familyOf(words[4]), bytes, port());
}

SocketAddress DatagramPath::local(std::uint16_t port) const noexcept {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &words[2], bytes.size());
  return SocketAddress::ip(familyOf(words[4]), bytes, port);
}

DatagramPath DatagramPath::towards(const SocketAddress& remote) noexcept {
  DatagramPath path;
  if (remote.family() == AddressFamily::Ipv6) {
    sockaddr_in6 name{};
    std::memcpy(&name, remote.raw(), sizeof name);
    std::memcpy(path.words.data(), &name.sin6_addr, 16);
    path.words[4] = tailWord(AF_INET6, name.sin6_port, name.sin6_scope_id);
  } else {
    sockaddr_in name{};
    std::memcpy(&name, remote.raw(), sizeof name);
    path.words[0] = name.sin_addr.s_addr;
    path.words[4] = tailWord(AF_INET, name.sin_port, 0);
  }
  return path;
}

DatagramTraits prepareDatagrams(int fd, bool wantsRuns) noexcept {
  DatagramTraits traits;
  socklen_t length = SocketAddress::kCapacity;
  if (::getsockname(fd, traits.local.raw(), &length) == 0) {
    traits.local.setLength(length);
    const auto bytes = traits.local.ipBytes();
    traits.isIpv6 = traits.local.family() == AddressFamily::Ipv6;
    traits.isWildcard =
        std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
  }
  // An IPv6 socket reports IPv4 destinations in mapped form too, so one kind of report is enough; a
  // socket with one address needs none.
  if (traits.isIpv6 || !traits.isWildcard) {
    turn(fd, IPPROTO_IP, IP_PKTINFO, 0);
  }
  if (traits.isIpv6 && !traits.isWildcard) {
    turn(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 0);
  }
  traits.canSegment = wantsRuns && turn(fd, IPPROTO_UDP, UDP_SEGMENT, 0);
  if (wantsRuns) {
    turn(fd, IPPROTO_UDP, UDP_GRO, 1);
  }
  return traits;
}

Result<UniqueFd> connectDatagrams(const SocketAddress& target, bool wantsRuns) noexcept {
  UniqueFd fd(::socket(target.raw()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.isOpen() && ::connect(fd.get(), target.raw(), target.length()) == 0) {
    turn(fd.get(), SOL_SOCKET, SO_RCVBUF, kUpstreamBufferBytes);
    if (wantsRuns) {
      turn(fd.get(), IPPROTO_UDP, UDP_GRO, 1);
    }
    return fd;
  }
  return Unexpected{whyNot(errno)};
}

Result<UniqueFd> openDatagrams(SocketAddress& local) noexcept {
  UniqueFd fd(::socket(local.raw()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.isOpen()) {
    return Unexpected{whyNot(errno)};
  }
  if (local.family() == AddressFamily::Ipv6) {
    turn(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  if (::bind(fd.get(), local.raw(), local.length()) != 0) {
    return Unexpected{whyNot(errno)};
  }
  socklen_t length = SocketAddress::kCapacity;
  if (::getsockname(fd.get(), local.raw(), &length) != 0) {
    return Unexpected{whyNot(errno)};
  }
  local.setLength(length);
  turn(fd.get(), SOL_SOCKET, SO_RCVBUF, kUpstreamBufferBytes);
  return fd;
}

std::uint64_t secretWord() noexcept {
  std::uint64_t word = 0;
  return ::getrandom(&word, sizeof word, GRND_NONBLOCK) == sizeof word ? word : 0;
}

void clearDatagramError(int fd) noexcept {
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
}

DatagramInbox::DatagramInbox(const DatagramTraits* traits, std::unique_ptr<char[]> bytes) noexcept
    : hasPaths_(traits != nullptr), traits_(traits != nullptr ? *traits : DatagramTraits{}),
      bytes_(std::move(bytes)) {
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    spans_[slot] = {bytes_.get() + slot * kStride + kHeadroom, kLargestBytes};
    msghdr& header = headers_[slot].msg_hdr;
    header.msg_iov = &spans_[slot];
    header.msg_iovlen = 1;
    header.msg_control = controls_[slot].data();
    header.msg_name = hasPaths_ ? &names_[slot] : nullptr;
    ready(static_cast<std::uint32_t>(slot));
  }
}

std::unique_ptr<DatagramInbox> DatagramInbox::make(const DatagramTraits* traits) noexcept {
  std::unique_ptr<char[]> bytes(new (std::nothrow) char[kSlots * kStride]);
  if (!bytes) {
    return nullptr;
  }
  return std::unique_ptr<DatagramInbox>(new (std::nothrow) DatagramInbox(traits, std::move(bytes)));
}

void DatagramInbox::ready(std::uint32_t slot) noexcept {
  msghdr& header = headers_[slot].msg_hdr;
  header.msg_namelen = hasPaths_ ? sizeof(sockaddr_in6) : 0;
  header.msg_controllen = kControlBytes;
}

Received DatagramInbox::receive(int fd, std::uint32_t first, std::uint32_t count) noexcept {
  for (std::uint32_t slot = first; slot < first + count && used_ >> slot != 0; ++slot) {
    if ((used_ >> slot & 1) != 0) {
      ready(slot);
      used_ &= ~(std::uint64_t{1} << slot);
    }
  }
  int received = 0;
  do {
    received = syscall::recvmmsg(fd, &headers_[first], count, MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  if (received < 0) {
    return {.count = 0,
            .isDrained = !isUnreachable(errno),
            .failure = isUnreachable(errno) ? Errc::TargetUnreachable : Errc::None};
  }
  const auto arrived = static_cast<std::uint32_t>(received);
  for (std::uint32_t slot = first; slot < first + arrived; ++slot) {
    used_ |= std::uint64_t{1} << slot;
  }
  return {.count = arrived, .isDrained = arrived < count, .failure = Errc::None};
}

Parcel DatagramInbox::parcel(std::uint32_t slot) const noexcept {
  const mmsghdr& received = headers_[slot];
  Parcel parcel{.data = static_cast<char*>(spans_[slot].iov_base),
                .size = received.msg_len,
                .segment = 0,
                .isTruncated = (received.msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0};
  forEachControl(received.msg_hdr, [&](int level, int type, const std::byte* data) {
    if (level == IPPROTO_UDP && type == UDP_GRO) {
      int segment = 0;
      std::memcpy(&segment, data, sizeof segment);
      const auto size = static_cast<std::uint32_t>(segment);
      parcel.segment = segment > 0 && size < parcel.size ? size : 0;
    }
  });
  return parcel;
}

DatagramPath DatagramInbox::path(std::uint32_t slot) const noexcept {
  DatagramPath path;
  const msghdr& header = headers_[slot].msg_hdr;
  if (traits_.isIpv6) {
    const sockaddr_in6& name = names_[slot];
    std::memcpy(path.words.data(), &name.sin6_addr, 16);
    path.words[4] = tailWord(AF_INET6, name.sin6_port, name.sin6_scope_id);
  } else {
    sockaddr_in name{};
    std::memcpy(&name, &names_[slot], sizeof name);
    path.words[0] = name.sin_addr.s_addr;
    path.words[4] = tailWord(AF_INET, name.sin_port, 0);
  }
  if (traits_.isWildcard) {
    forEachControl(header, [&](int level, int type, const std::byte* data) {
      if (level == IPPROTO_IP && type == IP_PKTINFO) {
        in_pktinfo info{};
        std::memcpy(&info, data, sizeof info);
        // Not ipi_addr: a broadcast address could not be replied from.
        path.words[2] = info.ipi_spec_dst.s_addr;
      } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
        in6_pktinfo info{};
        std::memcpy(&info, data, sizeof info);
        std::memcpy(&path.words[2], &info.ipi6_addr, 16);
      }
    });
  }
  return path;
}

DatagramOutbox::DatagramOutbox(const DatagramTraits* traits, bool canSegment) noexcept
    : isConnected_(traits == nullptr), traits_(traits != nullptr ? *traits : DatagramTraits{}),
      segmentLimit_(canSegment ? kMaxRunBytes : 0) {}

std::unique_ptr<DatagramOutbox> DatagramOutbox::make(const DatagramTraits* traits,
                                                     bool canSegment) noexcept {
  return std::unique_ptr<DatagramOutbox>(new (std::nothrow) DatagramOutbox(traits, canSegment));
}

std::uint32_t DatagramOutbox::roomInLast(const Parcel& rest,
                                         const DatagramPath* to) const noexcept {
  if (isEmpty()) {
    return 0;
  }
  const Message& last = messages_[count_ - 1];
  const std::uint32_t size = rest.firstSize();
  if (!last.isOpen || last.segment > segmentLimit_ || size == 0 || size > last.segment ||
      spanCount_ == kSpans || (to != nullptr && !(last.path == *to))) {
    return 0;
  }
  const std::uint32_t room =
      std::min(kMaxRun - last.datagrams, (kMaxRunBytes - last.bytes) / last.segment);
  // A shorter datagram ends the run.
  return size == last.segment ? room : std::min(room, 1U);
}

void DatagramOutbox::open(std::uint32_t segment, const DatagramPath* to) noexcept {
  Message& message = messages_[count_++];
  message = {};
  message.firstSpan = spanCount_;
  message.segment = segment;
  if (to != nullptr) {
    message.path = *to;
  }
}

/// Moves the beginning of `rest` into the last message.
void DatagramOutbox::append(Parcel& rest, std::uint32_t bytes, std::uint32_t datagrams) noexcept {
  Message& message = messages_[count_ - 1];
  iovec* last = message.spans > 0 ? &spans_[spanCount_ - 1] : nullptr;
  if (last != nullptr && static_cast<char*>(last->iov_base) + last->iov_len == rest.data) {
    last->iov_len += bytes;
  } else if (bytes > 0) {
    spans_[spanCount_++] = {rest.data, bytes};
    ++message.spans;
  }
  rest.data += bytes;
  rest.size -= bytes;
  message.bytes += bytes;
  message.datagrams += datagrams;
  message.isOpen = message.segment > 0 && message.bytes == message.datagrams * message.segment;
}

bool DatagramOutbox::add(Parcel& rest, const DatagramPath* to) noexcept {
  do {
    const std::uint32_t room = roomInLast(rest, to);
    if (room > 0) {
      const std::uint32_t datagrams = std::min(room, rest.datagrams());
      append(rest, std::min(rest.size, datagrams * messages_[count_ - 1].segment), datagrams);
      continue;
    }
    if (count_ == kMessages || spanCount_ == kSpans) {
      return false;
    }
    const std::uint32_t size = rest.firstSize();
    open(size, to);
    append(rest, size, 1);
  } while (rest.size > 0);
  return true;
}

bool DatagramOutbox::addBehind(std::string_view header, Parcel& rest) noexcept {
  do {
    if (count_ == kMessages || spanCount_ + 2 > kSpans) {
      return false;
    }
    open(0, nullptr);
    // RULE: iovec serves reading too, and so has no const.
    spans_[spanCount_++] = {const_cast<char*>(header.data()), header.size()};
    messages_[count_ - 1].spans = 1;
    append(rest, rest.firstSize(), 1);
  } while (rest.size > 0);
  return true;
}

void DatagramOutbox::finish(std::uint32_t number) noexcept {
  const Message& message = messages_[number];
  msghdr& header = headers_[number].msg_hdr;
  header.msg_iov = &spans_[message.firstSpan];
  header.msg_iovlen = message.spans;
  std::byte* control = controls_[number].data();
  std::size_t used = 0;
  if (!isConnected_) {
    const auto& words = message.path.words;
    const auto port = htons(message.path.port());
    header.msg_name = &names_[number];
    // Only the address is asked for, not the interface: that would go past the routing table.
    // Link-local clients have theirs in the name.
    if (traits_.isIpv6) {
      sockaddr_in6& name = names_[number];
      name.sin6_family = AF_INET6;
      name.sin6_port = port;
      name.sin6_scope_id = static_cast<std::uint32_t>(words[4] >> 32);
      std::memcpy(&name.sin6_addr, words.data(), 16);
      header.msg_namelen = sizeof(sockaddr_in6);
      if ((words[2] | words[3]) != 0) {
        in6_pktinfo info{};
        std::memcpy(&info.ipi6_addr, &words[2], 16);
        used = putControl(control, used, IPPROTO_IPV6, IPV6_PKTINFO, info);
      }
    } else {
      sockaddr_in name{};
      name.sin_family = AF_INET;
      name.sin_port = port;
      name.sin_addr.s_addr = static_cast<in_addr_t>(words[0]);
      std::memcpy(&names_[number], &name, sizeof name);
      header.msg_namelen = sizeof(sockaddr_in);
      if (words[2] != 0) {
        in_pktinfo info{};
        info.ipi_spec_dst.s_addr = static_cast<in_addr_t>(words[2]);
        used = putControl(control, used, IPPROTO_IP, IP_PKTINFO, info);
      }
    }
  }
  if (message.datagrams > 1) {
    used = putControl(control, used, IPPROTO_UDP, UDP_SEGMENT,
                      static_cast<std::uint16_t>(message.segment));
  }
  header.msg_control = used > 0 ? control : nullptr;
  header.msg_controllen = used;
}

int DatagramOutbox::sendBatch(int fd) noexcept {
  if (count_ - next_ > 1) {
    return syscall::sendmmsg(fd, &headers_[next_], count_ - next_, kSendFlags);
  }
  const Message& message = messages_[next_];
  const msghdr& header = headers_[next_].msg_hdr;
  if (isConnected_ && message.datagrams == 1 && message.spans == 1) {
    return syscall::send(fd, header.msg_iov->iov_base, header.msg_iov->iov_len, kSendFlags) < 0 ? -1
                                                                                                : 1;
  }
  return syscall::sendmsg(fd, &header, kSendFlags) < 0 ? -1 : 1;
}

Errc DatagramOutbox::flush(int fd) noexcept {
  for (std::uint32_t number = next_; number < count_; ++number) {
    finish(number);
  }
  while (!isEmpty()) {
    const int sent = sendBatch(fd);
    if (sent < 0) {
      const Errc failure = onRefused(fd, errno);
      if (failure != Errc::None) {
        return failure;
      }
      continue;
    }
    for (int i = 0; i < sent; ++i) {
      const Message& message = messages_[next_++];
      tally_.datagrams += message.datagrams;
      tally_.bytes += message.bytes;
    }
  }
  discard();
  return Errc::None;
}

Errc DatagramOutbox::onRefused(int fd, int error) noexcept {
  const Message& message = messages_[next_];
  if (error == EINTR) {
    return Errc::None;
  }
  if (message.datagrams > 1 && isAboutRun(error)) {
    // Beyond the MTU only such large datagrams cannot go as a run; otherwise none can.
    segmentLimit_ =
        error == EIO || error == EOPNOTSUPP ? 0 : std::min(segmentLimit_, message.segment - 1);
    return sendSingly(fd);
  }
  if (isConnected_ && isUnreachable(error)) {
    return Errc::TargetUnreachable;
  }
  if (isFull(error)) {
    discard();
    return Errc::None;
  }
  tally_.dropped += message.datagrams;
  ++next_;
  return Errc::None;
}

Errc DatagramOutbox::sendSingly(int fd) noexcept {
  Message& message = messages_[next_];
  msghdr header = headers_[next_].msg_hdr;
  header.msg_controllen -= CMSG_SPACE(sizeof(std::uint16_t));
  while (message.datagrams > 0) {
    const std::uint32_t bytes = std::min(message.segment, message.bytes);
    // Spans end where datagrams end.
    iovec piece{spans_[message.firstSpan].iov_base, bytes};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    if (syscall::sendmsg(fd, &header, kSendFlags) >= 0) {
      ++tally_.datagrams;
      tally_.bytes += bytes;
    } else if (errno == EINTR) {
      continue;
    } else if (isConnected_ && isUnreachable(errno)) {
      return Errc::TargetUnreachable;
    } else if (isFull(errno)) {
      discard();
      return Errc::None;
    } else {
      ++tally_.dropped;
    }
    advance(message, bytes);
  }
  ++next_;
  return Errc::None;
}

void DatagramOutbox::advance(Message& message, std::uint32_t bytes) noexcept {
  message.bytes -= bytes;
  --message.datagrams;
  iovec& span = spans_[message.firstSpan];
  span = {static_cast<char*>(span.iov_base) + bytes, span.iov_len - bytes};
  if (span.iov_len == 0) {
    ++message.firstSpan;
    --message.spans;
  }
}

void DatagramOutbox::discard() noexcept {
  for (; next_ < count_; ++next_) {
    tally_.dropped += messages_[next_].datagrams;
  }
  count_ = 0;
  next_ = 0;
  spanCount_ = 0;
}

SendTally DatagramOutbox::takeTally() noexcept {
  return std::exchange(tally_, SendTally{});
}

} // namespace sluice::net
