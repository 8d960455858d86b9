// One worker's share of a stream listener: accepts, counts, and gives each connection to the relay of its
// protocol. Found again by the next plan that keeps its address.
#pragma once

#include "net/acceptor.h"
#include "relay/context.h"

namespace sluice::worker {

class Listener final : public net::AcceptorOwner {
public:
  explicit Listener(relay::Context& context) noexcept
      : context_(context), acceptor_(context.loop, *this) {}

  [[nodiscard]] Status start(UniqueFd fd, bool isShared) noexcept;
  [[nodiscard]] relay::ListenerSlot& slot() noexcept { return slot_; }
  /// No new connections; those that are open finish what they are doing.
  void close() noexcept;

private:
  void onAccepted(UniqueFd fd, const net::SocketAddress& client) noexcept override;
  void onShed(Errc why) noexcept override;
  [[nodiscard]] const plan::Listener& plan() const noexcept;

  relay::Context& context_;
  relay::ListenerSlot slot_;
  net::Acceptor acceptor_;
};

} // namespace sluice::worker
