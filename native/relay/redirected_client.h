// A client whose connection netfilter has redirected to a transparent listener of a forward proxy.
// It knows of no proxy: what it says first is looked at for the host that it means, the rules
// decide by that and by where it was going, and then its bytes go there as they are.
//
//   state   | waits for
//   Claim   | the client's first words, or half a second of silence
//   Dialing | the connection to where the client was going
//   Tunnel  | both sides to end
//   Over    | the end of the turn
//
// Until the tunnel nothing is received: all that the client sent is still in the kernel. Lives on
// the worker that accepted it, from a slab.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "net/peek.h"
#include "net/redirection.h"
#include "net/stream.h"
#include "relay/claim.h"
#include "relay/context.h"
#include "relay/egress.h"
#include "relay/passage.h"
#include "relay/tunnel.h"

namespace sluice::relay {

class RedirectedClient final : public Flow,
                               public net::PeekOwner,
                               public net::StreamOwner,
                               public net::TimerOwner,
                               public EgressOwner,
                               public PassageOwner,
                               public TunnelOwner {
 public:
  /// Whether connections to the listener come here.
  [[nodiscard]] static bool isFor(const plan::Plan& plan, const plan::Listener& listener) noexcept {
    const plan::Forward* forward = plan.forwardOf(listener);
    return forward != nullptr && forward->isTransparent;
  }
  /// Takes over an accepted connection. The acceptor has counted it.
  static void open(Context& context, std::shared_ptr<ListenerSlot> slot, UniqueFd fd,
                   const net::SocketAddress& client) noexcept;

  RedirectedClient(Context& context, std::shared_ptr<ListenerSlot> slot,
                   const net::SocketAddress& client) noexcept;

  void onDrain() noexcept override;
  void onListenerClosed() noexcept override;
  void onCut() noexcept override;
  void dispose() noexcept override;

 private:
  enum class State : std::uint8_t { Claim, Dialing, Tunnel, Over };
  /// How the client's connection ends.
  enum class Ending : std::uint8_t {
    Close,
    /// By a reset, as if nobody had been there.
    Reset,
    /// With an explanation, in the protocol that the client speaks.
    Explained,
  };

  void onPeeked(std::string_view bytes, bool hasEnded) noexcept override;
  void onPeekFailed() noexcept override;
  void onReceived(net::Stream&, std::string_view) noexcept override {}
  void onReceiveEnd(net::Stream&, net::StreamEnd) noexcept override {}
  void onSendRoom(net::Stream&) noexcept override {}
  void onConnected(net::Stream&, Errc) noexcept override {}
  void onTimer(net::Timer&) noexcept override;
  [[nodiscard]] EgressWish wish() noexcept override;
  void onDecided(Errc outcome) noexcept override;
  void onPaceOver() noexcept override {}
  void onReached(net::Stream& upstream, std::string_view early) noexcept override;
  void onNotReached(Errc why) noexcept override;
  void onTunnelEnd(Errc why) noexcept override;

  void begin(UniqueFd fd) noexcept;
  void seek() noexcept;
  void explain(Errc why) noexcept;
  [[nodiscard]] std::size_t writePage(Errc why, std::span<char> into) const noexcept;
  void end(Errc why, Ending how) noexcept;
  void writeEnd(Errc why, std::uint64_t durationNs) noexcept;
  [[nodiscard]] const plan::Listener& listener() const noexcept;
  [[nodiscard]] const plan::Forward& forward() const noexcept;

  Context& context_;
  std::shared_ptr<ListenerSlot> slot_;
  upstream::PlanLease plan_;
  std::uint32_t listenerIndex_;
  State state_ = State::Claim;
  net::SocketAddress client_;
  net::Redirection redirection_;
  Claim claim_;
  net::Peek peek_;
  /// The client's, once there is a tunnel.
  net::Stream stream_;
  net::Timer timer_;
  /// The client's first words have been waited for; what it has begun may still be finished.
  bool hasBeenPatient_ = false;
  std::uint16_t status_ = 0;
  Egress* egress_ = nullptr;
  Passage passage_;
  std::uint64_t startNs_;
  std::optional<Tunnel> tunnel_;
};

} // namespace sluice::relay
