// A client of a forward proxy that speaks SOCKS 5, 4 or 4a, on a connection that an H1Client has
// accepted: its handshake, and the tunnel or the association that comes of it.
//
//   step       | waits for
//   Begin      | the first byte: the version
//   Greeting   | the methods that the client offers
//   Login      | name and password
//   Verifying  | whether they are right
//   Request    | what the client wants
//   Request4   | the same, of version 4
//   Deciding   | where it may go
//   Dialing    | the connection to there
//   Tunnel     | both sides to end
//   Associated | the client to close; datagrams come and go meanwhile
//   Over       | -
//
// Nothing is received from Verifying to Dialing: what the client sent ahead is the tunnel's. Lives
// on one worker, from a slab, as long as the connection that it was made for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "net/proxy_header.h"
#include "net/stream.h"
#include "policy/destination.h"
#include "relay/context.h"
#include "relay/egress.h"
#include "relay/passage.h"
#include "relay/tunnel.h"
#include "relay/udp_association.h"
#include "socks/messages.h"

namespace sluice::relay {

/// How the client's connection is to end.
enum class SocksEnd : std::uint8_t {
  Close,
  /// What was said last is to arrive.
  Linger,
  /// By a reset: it was cut.
  Abort,
};

class SocksClientOwner {
 public:
  /// The stream has its owner back, who closes it. `hasClientEnded`: its end has been received.
  virtual void onSocksEnd(SocksEnd how, bool hasClientEnded) noexcept = 0;

 protected:
  ~SocksClientOwner() = default;
};

class SocksClient final : public net::StreamOwner,
                          public net::TimerOwner,
                          public TunnelOwner,
                          public EgressOwner,
                          public PassageOwner,
                          public UdpAssociationOwner,
                          public upstream::VerdictWaiter {
 public:
  SocksClient(Context& context, SocksClientOwner& owner, net::Stream& stream,
              const upstream::PlanLease& plan, std::uint32_t listener) noexcept;
  SocksClient(const SocksClient&) = delete;
  SocksClient& operator=(const SocksClient&) = delete;
  ~SocksClient() { stop(); }

  /// Takes the stream over. `bytes`: what has been received, one at least. `own`: what the client
  /// connected to. May end before it returns.
  void begin(const net::SocketAddress& client, const net::IpPort& own,
             std::string_view bytes) noexcept;
  /// Ends what has led to nothing yet.
  void onDrain() noexcept;
  /// Ends without a word to the owner.
  void stop() noexcept;

 private:
  enum class Step : std::uint8_t {
    Begin,
    Greeting,
    Login,
    Verifying,
    Request,
    Request4,
    Deciding,
    Dialing,
    Tunnel,
    Associated,
    Over
  };

  void onReceived(net::Stream& stream, std::string_view bytes) noexcept override;
  void onReceiveEnd(net::Stream& stream, net::StreamEnd end) noexcept override;
  void onSendRoom(net::Stream&) noexcept override {}
  void onConnected(net::Stream&, Errc) noexcept override {}
  void onTimer(net::Timer&) noexcept override;
  void onVerdict(bool isRight) noexcept override;
  [[nodiscard]] EgressWish wish() noexcept override;
  void onDecided(Errc outcome) noexcept override;
  void onPaceOver() noexcept override {}
  void onReached(net::Stream& upstream, std::string_view early) noexcept override;
  void onNotReached(Errc why) noexcept override;
  void onTunnelEnd(Errc why) noexcept override;
  void onAssociationEnd(Errc why) noexcept override;

  [[nodiscard]] bool isReading() const noexcept;
  [[nodiscard]] bool isVersion4() const noexcept { return version_ == socks::kVersion4; }
  void process() noexcept;
  [[nodiscard]] bool readNext() noexcept;
  void readBegin() noexcept;
  [[nodiscard]] socks::State readGreeting() noexcept;
  [[nodiscard]] socks::State readLogin() noexcept;
  [[nodiscard]] socks::State readRequest() noexcept;
  void serve(const socks::Request& request) noexcept;
  [[nodiscard]] Errc admit() noexcept;
  void associate(const socks::Address& claimed) noexcept;
  [[nodiscard]] bool say(std::string_view message) noexcept;
  void refuse(Errc why) noexcept;
  void refuse(Errc why, socks::ReplyCode reply) noexcept;
  void end(Errc why, SocksEnd how) noexcept;
  void account(Errc why) noexcept;
  void settle(Errc why) noexcept;
  void writeEnd(Errc why, std::uint64_t durationNs) noexcept;
  [[nodiscard]] const plan::Listener& listener() const noexcept;
  [[nodiscard]] const plan::Forward& forward() const noexcept;

  Context& context_;
  SocksClientOwner& owner_;
  net::Stream& stream_;
  upstream::PlanLease plan_;
  std::uint32_t listenerIndex_;
  Step step_ = Step::Begin;
  std::uint8_t version_ = socks::kVersion5;
  bool hasClientEnded_ = false;
  bool hasDestination_ = false;
  net::SocketAddress client_;
  net::IpPort own_;
  /// Runs until the client has said what it wants.
  net::Timer deadline_;
  /// What has arrived and is not used yet.
  ByteQueue in_;
  /// Whose password is being asked about; then who the client is.
  const plan::User* user_ = nullptr;
  Egress* egress_ = nullptr;
  policy::Destination destination_;
  Passage passage_;
  std::uint64_t startNs_;
  bool isAccounted_ = false;
  std::optional<Tunnel> tunnel_;
  UdpAssociation* association_ = nullptr;
};

} // namespace sluice::relay
