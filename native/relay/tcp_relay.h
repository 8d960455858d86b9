// Layer 4, TCP: one client connection and the upstream connection made for it. Ends TLS where the
// listener does, picks a target, connects, tries another when that fails, then leaves the bytes to
// a Tunnel.
//
// Lives on the worker that accepted the client, from a slab; ends itself when the tunnel ends.
#pragma once

#include <optional>

#include "net/proxy_header.h"
#include "net/stream.h"
#include "relay/context.h"
#include "relay/flow_stats.h"
#include "relay/target_tries.h"
#include "relay/tunnel.h"
#include "tls/session.h"

namespace sluice::relay {

class TcpRelay final : public Flow,
                       public net::StreamOwner,
                       public net::TimerOwner,
                       public TunnelOwner {
 public:
  /// Takes over an accepted connection. The acceptor has counted it.
  /// `destination`: what the client connected to, where that is not the socket's own address.
  /// `pool`: where it goes, unless TLS is ended here; kNone = to the listener's pool.
  static void open(Context& context, const ListenerSlot& slot, UniqueFd fd,
                   const net::SocketAddress& client, const net::IpPort& destination = {},
                   std::uint32_t pool = plan::kNone) noexcept;

  TcpRelay(Context& context, std::uint32_t listener, const net::SocketAddress& client) noexcept;

  void onDrain() noexcept override {}
  void onCut() noexcept override;
  void dispose() noexcept override;

 private:
  void onReceived(net::Stream&, std::string_view) noexcept override {}
  void onReceiveEnd(net::Stream& stream, net::StreamEnd end) noexcept override;
  void onSendRoom(net::Stream&) noexcept override {}
  void onConnected(net::Stream& stream, Errc outcome) noexcept override;
  void onTimer(net::Timer& timer) noexcept override;
  void onTunnelEnd(Errc why) noexcept override;

  [[nodiscard]] const plan::Listener& listener() const noexcept;
  [[nodiscard]] const plan::Pool& pool() const noexcept;
  [[nodiscard]] const plan::Target& target() const noexcept;
  void begin(std::uint32_t pool) noexcept;
  [[nodiscard]] bool sendProxyHeader() noexcept;
  void onSecured(Errc outcome) noexcept;
  void usePool(std::uint32_t pool) noexcept;
  void connectNext() noexcept;
  void onConnectFailed(Errc why) noexcept;
  void end(Errc why) noexcept;

  Context& context_;
  upstream::PlanLease plan_;
  std::uint32_t listenerIndex_;
  /// plan::kNone until it is known where the connection goes.
  std::uint32_t poolIndex_ = plan::kNone;
  TargetTries tries_;
  bool isEnded_ = false;
  net::SocketAddress clientAddress_;
  /// Known only when a PROXY header said it.
  net::IpPort destination_;
  net::Stream client_;
  net::Stream upstream_;
  /// The filter of client_; null for plain connections.
  tls::Session* tls_ = nullptr;
  /// Runs until the client's handshake is done, then until the target has accepted.
  net::Timer connectTimer_;
  FlowStats stats_;
  std::uint64_t startNs_;
  std::optional<Tunnel> tunnel_;
};

} // namespace sluice::relay
