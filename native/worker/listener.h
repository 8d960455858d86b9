// One worker's share of a listener: accepts connections, counts them and gives each to the relay of
// its protocol; or, for UDP, holds the relay that reads the socket. Found again by the next plan
// that keeps its address.
#pragma once

#include <memory>

#include "net/acceptor.h"
#include "relay/context.h"
#include "relay/udp_relay.h"

namespace sluice::worker {

class Listener final : public net::AcceptorOwner, public net::Disposable {
 public:
  explicit Listener(relay::Context& context) noexcept
      : context_(context), slot_(std::make_shared<relay::ListenerSlot>()),
        acceptor_(context.loop, *this) {}

  /// `index`: the listener's position in the current plan. `isShared`: other workers have the same
  /// socket.
  [[nodiscard]] Status start(std::uint32_t index, UniqueFd fd, bool isShared) noexcept;
  /// A new plan, which is in force already, keeps the listener as its listener `index`. False when
  /// its protocol is another one: the flows that are open then end as if it had closed.
  [[nodiscard]] bool keep(std::uint32_t index) noexcept;
  /// No new connections; those that are open finish what they are doing.
  void close() noexcept;
  /// Closes, and frees itself at the end of the turn: an event for it may have been fetched
  /// already.
  static void retire(std::unique_ptr<Listener> listener) noexcept;
  void dispose() noexcept override { delete this; }

 private:
  void onAccepted(UniqueFd fd, const net::SocketAddress& client) noexcept override;
  void onShed(Errc why) noexcept override;
  [[nodiscard]] const plan::Listener& plan() const noexcept;

  relay::Context& context_;
  /// Shared with the flows, which may outlive the listener.
  std::shared_ptr<relay::ListenerSlot> slot_;
  Protocol protocol_ = Protocol::Http;
  net::Acceptor acceptor_;
  /// Ends itself after close(), when its last session has ended.
  relay::UdpRelay* udp_ = nullptr;
};

} // namespace sluice::worker
