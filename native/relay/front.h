// What comes before a listener's protocol: the PROXY header of a trusted proxy, and the ClientHello
// by which a tcp listener that does not end TLS chooses a pool. A connection waits here until both
// are known, then goes to its relay as it came, but for the header.
//
//   state  | waits for
//   Header | a PROXY header, or bytes that are none
//   Hello  | a ClientHello, or bytes that are none
//   Over   | the end of the turn
//
// Lives on the worker that accepted it, from a slab.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "net/peek.h"
#include "net/proxy_header.h"
#include "relay/context.h"

namespace sluice::relay {

class Front final : public Flow, public net::PeekOwner, public net::TimerOwner {
 public:
  /// Whether a connection from `client` begins with something that is for us.
  [[nodiscard]] static bool isNeeded(const plan::Listener& listener,
                                     const net::SocketAddress& client) noexcept;
  /// Takes over an accepted connection, which isNeeded(). The acceptor has counted it.
  static void open(Context& context, std::shared_ptr<ListenerSlot> slot, UniqueFd fd,
                   const net::SocketAddress& client) noexcept;

  Front(Context& context, std::shared_ptr<ListenerSlot> slot,
        const net::SocketAddress& client) noexcept;

  void onDrain() noexcept override { end(Errc::None); }
  void onListenerClosed() noexcept override;
  void onCut() noexcept override { end(Errc::None); }
  void dispose() noexcept override;

 private:
  enum class State : std::uint8_t { Header, Hello, Over };

  void onPeeked(std::string_view bytes, bool hasEnded) noexcept override;
  void onPeekFailed() noexcept override { end(Errc::ClientAborted); }
  void onTimer(net::Timer&) noexcept override { end(Errc::HandshakeTimeout); }

  void readHeader(std::string_view bytes, bool hasEnded) noexcept;
  void goOn() noexcept;
  void readHello(std::string_view bytes, bool hasEnded) noexcept;
  void choosePool(std::string_view serverName, std::string_view alpn) noexcept;
  void passUnread() noexcept;
  void handOn(std::uint32_t pool) noexcept;
  void end(Errc why, std::string_view lastWords = {}) noexcept;
  void leave() noexcept;
  void adoptPlan() noexcept;
  [[nodiscard]] const plan::Listener& listener() const noexcept;

  Context& context_;
  std::shared_ptr<ListenerSlot> slot_;
  upstream::PlanLease plan_;
  std::uint32_t listenerIndex_;
  State state_ = State::Header;
  /// The proxy's until its header has come.
  net::SocketAddress client_;
  /// What the client connected to, if a header says so.
  net::IpPort destination_;
  net::Peek peek_;
  net::Timer timer_;
  std::uint64_t startNs_;
};

} // namespace sluice::relay
