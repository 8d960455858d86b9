// Datagrams in batches: received into slots by recvmmsg, sent from there by sendmmsg. Where the
// kernel offers it (UDP_GRO, UDP_SEGMENT) a run of equal datagrams travels as one piece, in and
// out; where it does not, or refuses a piece, the same calls send them one by one. Boundaries and
// order are kept either way.
//
// DatagramInbox and DatagramOutbox belong to one relay on one worker and are allocated once. They
// never wait, and never send what the kernel refused a second time: UDP does not queue.
#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/socket_address.h"

namespace sluice::net {

/// Whose datagram it is: the client's address and the local one that it was sent to, as plain words
/// that are compared, hashed and turned into a destination again.
struct DatagramPath {
  /// Client address (2), local address (2; zero = the socket has only one), scope, port and family.
  std::array<std::uint64_t, 5> words{};

  // Not defaulted: that would call memcmp, for every datagram.
  [[nodiscard]] bool operator==(const DatagramPath& other) const noexcept {
    std::uint64_t difference = 0;
    for (std::size_t i = 0; i < words.size(); ++i) {
      difference |= words[i] ^ other.words[i];
    }
    return difference == 0;
  }
  /// `seed` is secret, so that nobody can choose addresses that collide.
  [[nodiscard]] std::uint64_t hash(std::uint64_t seed) const noexcept;
  [[nodiscard]] std::uint16_t port() const noexcept;
  [[nodiscard]] SocketAddress client() const noexcept;
  /// Where it was sent to, `port` of it; an address of zeros where the socket has only one.
  [[nodiscard]] SocketAddress local(std::uint16_t port) const noexcept;
  /// To `remote`, an IP address, from whatever address the socket has.
  [[nodiscard]] static DatagramPath towards(const SocketAddress& remote) noexcept;
};

/// A received datagram, or a run of datagrams of `segment` bytes each (the last may be shorter), or
/// what is left of it.
struct Parcel {
  char* data = nullptr;
  std::uint32_t size = 0;
  /// 0 = a single datagram.
  std::uint32_t segment = 0;
  /// It did not fit its slot; what arrived is not all of it.
  bool isTruncated = false;

  [[nodiscard]] std::uint32_t datagrams() const noexcept {
    return segment == 0 ? 1 : (size + segment - 1) / segment;
  }
  /// Of its first datagram.
  [[nodiscard]] std::uint32_t firstSize() const noexcept {
    return segment == 0 || size < segment ? size : segment;
  }
  /// Takes its first datagram away from it.
  [[nodiscard]] Parcel takeFirst() noexcept {
    const Parcel first{.data = data, .size = firstSize(), .isTruncated = isTruncated};
    data += first.size;
    size -= first.size;
    return first;
  }
};

/// What a socket can do, found out once.
struct DatagramTraits {
  /// What it is bound to.
  SocketAddress local;
  bool isIpv6 = false;
  /// Bound to an address that stands for several: datagrams bring the one that they were sent to.
  bool isWildcard = false;
  /// The kernel cuts a piece into datagrams on sending (UDP_SEGMENT).
  bool canSegment = false;
};

/// Readies a bound socket from bindDatagram().
[[nodiscard]] DatagramTraits prepareDatagrams(int fd, bool wantsRuns) noexcept;

/// A socket that sends to `target` and hears only from there. `wantsRuns`: datagrams may arrive in
/// one piece.
[[nodiscard]] Result<UniqueFd> connectDatagrams(const SocketAddress& target,
                                                bool wantsRuns) noexcept;

/// What the loop watches such sockets for: each arrival, once.
inline constexpr std::uint32_t kArrivals = static_cast<std::uint32_t>(EPOLLIN) | EPOLLET;

/// A socket of `local`, an IP address, that speaks to anybody. Its port is chosen where that is 0;
/// `local` is set to what came of it. IPv6 sockets speak IPv6 alone.
[[nodiscard]] Result<UniqueFd> openDatagrams(SocketAddress& local) noexcept;

/// Numbers that nobody outside can guess; 0 from a kernel that gives none.
[[nodiscard]] std::uint64_t secretWord() noexcept;

/// Takes a pending error (a queued ICMP answer) off the socket.
void clearDatagramError(int fd) noexcept;

struct Received {
  std::uint32_t count = 0;
  /// Nothing more is there; what comes later raises a new event.
  bool isDrained = true;
  /// TargetUnreachable, or None.
  Errc failure = Errc::None;
};

/// Slots that datagrams are received into, each large enough for any. Their pages are provided by
/// the kernel when they are first needed, so that small datagrams take one page a slot.
class DatagramInbox {
 public:
  static constexpr std::uint32_t kSlots = 64;
  static constexpr std::uint32_t kLargestBytes = 65536;
  /// So many bytes ahead of each slot are never received into: a header may be put there.
  static constexpr std::size_t kHeadroom = 64;

  /// Null when the machine is out of memory. With `traits` the paths are received as well.
  [[nodiscard]] static std::unique_ptr<DatagramInbox> make(const DatagramTraits* traits) noexcept;

  /// Fills at most `count` slots from `first` on.
  [[nodiscard]] Received receive(int fd, std::uint32_t first, std::uint32_t count) noexcept;
  [[nodiscard]] Parcel parcel(std::uint32_t slot) const noexcept;
  [[nodiscard]] DatagramPath path(std::uint32_t slot) const noexcept;

 private:
  // An odd number of cache lines apart, so that the beginnings of slots do not compete for the
  // same sets of the cache.
  static constexpr std::size_t kStride = kLargestBytes + kHeadroom;
  static constexpr std::size_t kControlBytes = 64;

  DatagramInbox(const DatagramTraits* traits, std::unique_ptr<char[]> bytes) noexcept;
  void ready(std::uint32_t slot) noexcept;

  bool hasPaths_;
  DatagramTraits traits_;
  /// A bit a slot: the kernel has written its header since it was readied.
  std::uint64_t used_ = 0;
  std::unique_ptr<char[]> bytes_;
  std::array<mmsghdr, kSlots> headers_{};
  std::array<iovec, kSlots> spans_{};
  std::array<sockaddr_in6, kSlots> names_{};
  alignas(cmsghdr) std::array<std::array<std::byte, kControlBytes>, kSlots> controls_{};
};

/// What became of the datagrams of an outbox since it was last asked.
struct SendTally {
  std::uint64_t datagrams = 0;
  std::uint64_t bytes = 0;
  std::uint64_t dropped = 0;
};

/// Datagrams on their way out of one socket: gathered, then sent with as few system calls as the
/// kernel allows. Refers to the bytes in the inbox's slots: flush before these are received into
/// again.
class DatagramOutbox {
 public:
  /// `traits` of the listening socket when what is added has a path, else null: the socket is
  /// connected.
  [[nodiscard]] static std::unique_ptr<DatagramOutbox> make(const DatagramTraits* traits,
                                                            bool canSegment) noexcept;

  [[nodiscard]] bool isEmpty() const noexcept { return next_ == count_; }
  /// Takes as much of `rest` as has room; false when some is left: flush, then add again.
  [[nodiscard]] bool add(Parcel& rest, const DatagramPath* to) noexcept;
  /// The same on a connected socket, with `header` ahead of every datagram; it stays where it is
  /// until they are sent, and is not counted.
  [[nodiscard]] bool addBehind(std::string_view header, Parcel& rest) noexcept;
  /// Sends all. On a connected socket TargetUnreachable ends it early: the datagrams not yet sent
  /// stay, to be flushed to another socket or discarded.
  Errc flush(int fd) noexcept;
  /// Drops what is left.
  void discard() noexcept;
  [[nodiscard]] SendTally takeTally() noexcept;

  /// Runs of datagrams of up to `bytes` may go in one piece; 0 = none.
  void limitSegment(std::uint32_t bytes) noexcept { segmentLimit_ = bytes; }
  [[nodiscard]] std::uint32_t segmentLimit() const noexcept { return segmentLimit_; }

 private:
  static constexpr std::uint32_t kMessages = 128;
  static constexpr std::uint32_t kSpans = 512;
  static constexpr std::size_t kControlBytes = 64;
  /// Limits of UDP_SEGMENT: datagrams in a piece, and its bytes (what an IPv4 packet holds).
  static constexpr std::uint32_t kMaxRun = 64;
  static constexpr std::uint32_t kMaxRunBytes = 65507;

  struct Message {
    DatagramPath path;
    std::uint32_t firstSpan = 0;
    std::uint32_t spans = 0;
    std::uint32_t bytes = 0;
    std::uint32_t datagrams = 0;
    std::uint32_t segment = 0;
    /// Its last datagram is whole, so another may follow.
    bool isOpen = false;
  };

  DatagramOutbox(const DatagramTraits* traits, bool canSegment) noexcept;
  [[nodiscard]] std::uint32_t roomInLast(const Parcel& rest, const DatagramPath* to) const noexcept;
  void open(std::uint32_t segment, const DatagramPath* to) noexcept;
  void append(Parcel& rest, std::uint32_t bytes, std::uint32_t datagrams) noexcept;
  void finish(std::uint32_t number) noexcept;
  [[nodiscard]] int sendBatch(int fd) noexcept;
  [[nodiscard]] Errc onRefused(int fd, int error) noexcept;
  [[nodiscard]] Errc sendSingly(int fd) noexcept;
  void advance(Message& message, std::uint32_t bytes) noexcept;

  bool isConnected_;
  DatagramTraits traits_;
  std::uint32_t segmentLimit_;
  std::uint32_t count_ = 0;
  /// The first message not yet sent.
  std::uint32_t next_ = 0;
  std::uint32_t spanCount_ = 0;
  SendTally tally_;
  std::array<Message, kMessages> messages_{};
  std::array<mmsghdr, kMessages> headers_{};
  std::array<iovec, kSpans> spans_{};
  std::array<sockaddr_in6, kMessages> names_{};
  alignas(cmsghdr) std::array<std::array<std::byte, kControlBytes>, kMessages> controls_{};
};

} // namespace sluice::net
