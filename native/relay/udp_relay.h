// Layer 4, UDP: one listening socket of one worker and the sessions of the clients that speak to
// it. A session ties a client (and the local address that it spoke to) to a target by an upstream
// socket of its own; it keeps the plan it began with. The table is bounded: the session used least
// recently goes. Behind proxies that say in PROXY headers whom they speak for, each of those is a
// client.
//
// Datagrams are taken in batches, sent on grouped by session; the replies of all sessions that came
// in one turn leave together at its end. Lives on its worker until the listener is closed and the
// last session has ended; nothing waits in it: what cannot be sent is dropped and counted.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/slab.h"
#include "net/datagram.h"
#include "net/loop.h"
#include "relay/context.h"
#include "relay/flow_stats.h"
#include "relay/udp_session_table.h"

namespace sluice::relay {

struct UdpSession;

class UdpRelay final : public Flow, public net::Source, public net::TimerOwner {
 public:
  /// Takes over a socket from net::bindDatagram(). Null when the machine is out of memory.
  [[nodiscard]] static UdpRelay* open(Context& context, ListenerSlot& slot,
                                      UniqueFd socket) noexcept;

  /// The listener has left the configuration: no new sessions; those that are there go on until
  /// they are idle. Does not look at the slot any more.
  void close() noexcept;
  void onDrain() noexcept override;
  void onCut() noexcept override;
  void dispose() noexcept override;

  [[nodiscard]] std::size_t sessions() const noexcept { return table_.size(); }

 private:
  friend struct UdpSession;
  static constexpr std::uint8_t kNoSlot = 0xff;

  UdpRelay(Context& context, ListenerSlot& slot, UniqueFd socket) noexcept;
  ~UdpRelay();
  [[nodiscard]] bool start() noexcept;
  void readPlan() noexcept;

  // From the client.
  void onEvents(std::uint32_t events) noexcept override;
  void receiveFromClients() noexcept;
  void sort(std::uint32_t count) noexcept;
  void assign(UdpSession& session, std::uint32_t slot) noexcept;
  void sendToTarget(UdpSession& session) noexcept;
  void relaySpokenFor(std::uint32_t count) noexcept;
  [[nodiscard]] bool takeHeader(net::Parcel& datagram, UdpClient& client,
                                net::IpPort& destination) noexcept;
  [[nodiscard]] UdpSession* turnTo(UdpSession* session, const UdpClient& client,
                                   const net::IpPort& destination) noexcept;
  void put(UdpSession*& session, net::Parcel parcel) noexcept;
  [[nodiscard]] UdpSession* pushToTarget(UdpSession* session) noexcept;
  void countSent(UdpSession& session) noexcept;
  void dropChain(UdpSession& session) noexcept;

  // Sessions.
  [[nodiscard]] UdpSession* begin(const UdpClient& client, const net::IpPort& destination,
                                  std::uint64_t hash) noexcept;
  void writePreface(UdpSession& session) noexcept;
  [[nodiscard]] Errc reach(UdpSession& session) noexcept;
  [[nodiscard]] Result<UniqueFd> connect(const net::SocketAddress& target, bool wantsRuns) noexcept;
  void touch(UdpSession& session) noexcept;
  void unlink(UdpSession& session) noexcept;
  void evictOldest() noexcept;
  void onUnreachable(UdpSession& session) noexcept;
  void end(UdpSession& session, Errc why) noexcept;
  void writeSessionLog(const UdpSession& session, Errc why) noexcept;
  void onBuried(UdpSession& session) noexcept;
  void finishWhenDone() noexcept;

  // From the target.
  void onReplies(UdpSession& session) noexcept;
  [[nodiscard]] net::Received receiveReplies(UdpSession& session) noexcept;
  void takeReplies(UdpSession& session, std::uint32_t count) noexcept;
  void sendReplies() noexcept;

  void onTimer(net::Timer& timer) noexcept override;
  void armSweep() noexcept;
  void onDropped(std::uint64_t datagrams) noexcept;

  Context& context_;
  ListenerSlot* slot_;
  UniqueFd socket_;
  std::uint64_t seed_;
  net::DatagramTraits traits_;
  std::shared_ptr<plan::EntityStats> stats_;

  // What the current plan says of the listener; the last one that named it, once closed.
  const upstream::ActivePlan* readPlan_ = nullptr;
  std::uint64_t readVersion_ = 0;
  std::uint64_t idleMs_ = 0;
  std::size_t maxSessions_ = 0;
  ProxyAccept headers_ = ProxyAccept::Off;

  bool isClosed_ = false;
  bool isFinished_ = false;
  /// The listening socket may hold more than has been taken.
  bool mayReceive_ = false;

  Slab<UdpSession> slab_;
  UdpSessionTable<UdpSession> table_;
  /// By last use, in either direction.
  UdpSession* oldest_ = nullptr;
  UdpSession* newest_ = nullptr;
  net::Timer sweep_;

  std::unique_ptr<net::DatagramInbox> fromClients_;
  std::unique_ptr<net::DatagramInbox> fromTargets_;
  std::unique_ptr<net::DatagramOutbox> toTarget_;
  std::unique_ptr<net::DatagramOutbox> toClients_;
  /// Slots of fromTargets_ that hold replies not yet sent.
  std::uint32_t replySlots_ = 0;
  /// Of a batch from clients: what follows in the same session, and the sessions that got
  /// something.
  std::array<std::uint8_t, net::DatagramInbox::kSlots> following_{};
  std::array<UdpSession*, net::DatagramInbox::kSlots> addressed_{};
  std::uint32_t addressedCount_ = 0;
};

} // namespace sluice::relay
