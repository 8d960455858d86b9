// What UDP ASSOCIATE opens (RFC 1928, section 7): a socket for one client's datagrams, each with a
// header that says where to, and one socket a family towards the destinations. Only the client is
// heard on the one, only where it has sent to on the others. Every destination is decided and judged
// like that of a tunnel; what may not go is dropped without a word, as UDP drops.
//
// Lives on one worker, from a slab, as long as the client's TCP connection; its places come from a
// slab as well, and are bounded: the one used least recently goes. Nothing waits in it but what
// awaits a decision.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "net/datagram.h"
#include "net/loop.h"
#include "net/proxy_header.h"
#include "policy/destination.h"
#include "relay/context.h"
#include "relay/egress.h"
#include "relay/flow_stats.h"
#include "socks/messages.h"

namespace sluice::relay {

/// Where the datagrams of a worker's associations pass through: nothing is left in it between two
/// events. Made with the first association.
struct DatagramDesk {
  /// False when the machine is out of memory.
  [[nodiscard]] bool open() noexcept;

  /// By family: IPv4, IPv6.
  std::array<std::unique_ptr<net::DatagramInbox>, 2> in;
  std::array<std::unique_ptr<net::DatagramOutbox>, 2> out;
};

class UdpAssociationOwner {
 public:
  /// Nothing has moved for too long, or its user has nothing left for today.
  virtual void onAssociationEnd(Errc why) noexcept = 0;

 protected:
  ~UdpAssociationOwner() = default;
};

class UdpAssociation;

/// A destination of one association.
struct UdpPlace final : public EgressOwner {
  UdpPlace(UdpAssociation& owner, const policy::Destination& where, std::uint32_t hash) noexcept
      : association(owner), destination(where), nameHash(hash) {}

  [[nodiscard]] EgressWish wish() noexcept override;
  void onDecided(Errc outcome) noexcept override;
  void onPaceOver() noexcept override {}

  UdpAssociation& association;
  policy::Destination destination;
  std::uint32_t nameHash;
  std::uint32_t originHash = 0;
  /// Null unless it is being decided.
  Egress* asking = nullptr;
  /// When it was last asked about; 0 = never.
  std::uint64_t askedMs = 0;
  /// Not known: nothing goes there.
  net::IpPort address;
  net::DatagramPath path;
  /// Without a listener: that counts once for all.
  FlowStats stats;
  /// Until the first decision: each with its length ahead.
  ByteQueue waiting;
  std::uint8_t waitingCount = 0;
  UdpPlace* older = nullptr;
  UdpPlace* newer = nullptr;
  UdpPlace* nextByName = nullptr;
  UdpPlace* nextByOrigin = nullptr;
};

struct UdpOpening {
  /// Which has admitted the user.
  Egress& egress;
  const net::SocketAddress& client;
  /// What the client connected to, and the address that it did so by.
  const net::IpPort& own;
  const net::SocketAddress& local;
  /// Where the client says that it will send from; port 0 = it does not know.
  const socks::Address& claimed;
};

class UdpAssociation final : public net::TimerOwner, public net::Disposable {
 public:
  UdpAssociation(Context& context, UdpAssociationOwner& owner, const upstream::PlanLease& plan,
                 std::uint32_t listener) noexcept;

  /// `bound`: where the client is to send to.
  [[nodiscard]] Errc open(const UdpOpening& opening, net::IpPort& bound) noexcept;
  /// Closes everything and tells nobody. Frees itself at the end of the turn.
  void drop() noexcept;
  void dispose() noexcept override;

  /// Payload towards destinations, and back.
  [[nodiscard]] std::uint64_t bytesIn() const noexcept { return bytesIn_; }
  [[nodiscard]] std::uint64_t bytesOut() const noexcept { return bytesOut_; }

 private:
  friend struct UdpPlace;
  static constexpr std::size_t kBuckets = 64;

  struct Socket final : public net::Source {
    explicit Socket(UdpAssociation& owner) noexcept : association(owner) {}
    void onEvents(std::uint32_t) noexcept override { association.onReadable(*this); }

    UdpAssociation& association;
    UniqueFd fd;
    /// Position in a DatagramDesk.
    std::uint8_t family = 0;
  };

  void onTimer(net::Timer&) noexcept override { owner_->onAssociationEnd(Errc::IdleTimeout); }
  void onReadable(Socket& socket) noexcept;
  [[nodiscard]] bool receiveFromClient() noexcept;
  void takeFromClient(std::uint32_t slot) noexcept;
  [[nodiscard]] bool receiveAnswers(Socket& socket) noexcept;
  void takeAnswer(const Socket& socket, std::uint32_t slot) noexcept;
  void finishBatch() noexcept;

  [[nodiscard]] Status openSocket(Socket& socket, net::SocketAddress& local) noexcept;
  [[nodiscard]] Socket* outer(AddressFamily family) noexcept;
  void carry(UdpPlace& place, net::Parcel payload) noexcept;
  void send(UdpPlace& place, net::Parcel payload) noexcept;
  void keepWaiting(UdpPlace& place, net::Parcel payload) noexcept;
  void sendWaiting(UdpPlace& place) noexcept;
  void flush(std::uint8_t family, Socket& socket) noexcept;
  void flushOuter() noexcept;
  [[nodiscard]] bool mayPass(std::uint32_t bytes, bool isIn) noexcept;
  void onDropped(std::uint64_t datagrams) noexcept;

  [[nodiscard]] UdpPlace* findPlace(const policy::Destination& destination) noexcept;
  [[nodiscard]] UdpPlace* findOrigin(const net::IpPort& address) noexcept;
  void ask(UdpPlace& place) noexcept;
  void onDecided(UdpPlace& place, Errc outcome) noexcept;
  void reach(UdpPlace& place, const net::IpPort& address) noexcept;
  void unlinkOrigin(UdpPlace& place) noexcept;
  void touch(UdpPlace& place) noexcept;
  void unlink(UdpPlace& place) noexcept;
  void forget(UdpPlace& place) noexcept;
  [[nodiscard]] const plan::Listener& listener() const noexcept;
  [[nodiscard]] const plan::Forward& forward() const noexcept;

  Context& context_;
  UdpAssociationOwner* owner_;
  upstream::PlanLease plan_;
  std::uint32_t listenerIndex_;
  Egress* egress_ = nullptr;
  plan::StatShard& counted_;
  /// Its port is 0 until it is known.
  net::IpPort client_;
  net::DatagramPath clientPath_;
  Socket inner_;
  std::array<Socket, 2> outers_;
  net::Timer idle_;
  bool isOver_ = false;
  bool hasMoved_ = false;
  bool isQuotaOver_ = false;
  std::uint8_t asked_ = 0;
  std::uint16_t placeCount_ = 0;
  std::array<UdpPlace*, kBuckets> byName_{};
  std::array<UdpPlace*, kBuckets> byOrigin_{};
  /// By last use, towards it.
  UdpPlace* oldest_ = nullptr;
  UdpPlace* newest_ = nullptr;
  std::uint64_t bytesIn_ = 0;
  std::uint64_t bytesOut_ = 0;
};

/// A host as SOCKS gives it; the port is left alone. False: it is none.
[[nodiscard]] bool readHost(const socks::Address& address, policy::Destination& out) noexcept;

} // namespace sluice::relay
