// Relays bytes between two open streams in both directions, with backpressure and half-close: the
// body of the TCP relay, and of HTTP connections that have switched protocols. Starts by copying; a
// direction that keeps filling its receive buffer moves to a pump (splice).
//
// Worker-local; owned by whoever owns the two streams. After onTunnelEnd() it does nothing any
// more.
#pragma once

#include <cstdint>

#include "net/pump.h"
#include "net/stream.h"
#include "relay/context.h"
#include "relay/flow_stats.h"

namespace sluice::relay {

class Tunnel;

class TunnelOwner {
 public:
  /// Both directions have ended (Errc::None), or why the tunnel was cut. The streams are still
  /// open.
  virtual void onTunnelEnd(Errc why) noexcept = 0;

 protected:
  ~TunnelOwner() = default;
};

/// Both sides of a tunnel that ended so are to see that it was cut: by a reset, not by an end.
[[nodiscard]] constexpr bool isCut(Errc why) noexcept {
  return why != Errc::None && why != Errc::IdleTimeout;
}

struct TunnelOptions {
  std::uint32_t idleMs = 0;
  SpliceMode splice = SpliceMode::Auto;
  /// The client's end was received before the tunnel began, and is not received again.
  bool hasClientEnded = false;
};

class Tunnel final : public net::StreamOwner, public net::PumpOwner, public net::TimerOwner {
 public:
  Tunnel(Context& context, TunnelOwner& owner, net::Stream& client, net::Stream& upstream) noexcept;
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;
  ~Tunnel() { stop(); }

  /// Takes over both streams. `toUpstream` and `toClient` are bytes that were received before.
  void start(const TunnelOptions& options, const FlowStats& stats, std::string_view toUpstream,
             std::string_view toClient) noexcept;
  /// Lets go of the streams without a word to the owner.
  void stop() noexcept;

  [[nodiscard]] std::uint64_t bytesIn() const noexcept { return up_.bytes; }
  [[nodiscard]] std::uint64_t bytesOut() const noexcept { return down_.bytes; }

 private:
  struct Direction {
    Direction(net::PipePool& pipes, net::PumpOwner& owner, net::Stream& source, net::Stream& sink,
              Counter counted) noexcept
        : from(source), to(sink), counter(counted), pump(pipes, owner) {}

    net::Stream& from;
    net::Stream& to;
    Counter counter;
    net::Pump pump;
    /// Received, not yet taken by the sink; receiving rests while there is any.
    ByteQueue pending;
    std::uint64_t bytes = 0;
    std::uint8_t fullReceives = 0;
    bool mayPump = true;
    /// The source has finished sending.
    bool isEof = false;
    /// And the sink has been told.
    bool isClosed = false;
  };

  void onReceived(net::Stream& stream, std::string_view bytes) noexcept override;
  void onReceiveEnd(net::Stream& stream, net::StreamEnd end) noexcept override;
  void onSendRoom(net::Stream& stream) noexcept override;
  void onConnected(net::Stream&, Errc) noexcept override {}
  void onPumped(net::Pump& pump, std::size_t bytes) noexcept override;
  void onPumpEnd(net::Pump& pump, net::PumpEnd end) noexcept override;
  void onTimer(net::Timer& timer) noexcept override;

  [[nodiscard]] Direction& from(const net::Stream& stream) noexcept;
  [[nodiscard]] Direction& into(const net::Stream& stream) noexcept;
  /// False: the tunnel has been cut, because its user has nothing left for today.
  [[nodiscard]] bool count(Direction& direction, std::size_t bytes) noexcept;
  void pace() noexcept;
  void forward(Direction& direction, std::string_view bytes) noexcept;
  void resume(Direction& direction) noexcept;
  void pumpIfBulky(Direction& direction, std::size_t received) noexcept;
  void closeDirection(Direction& direction) noexcept;
  void finish(Errc why) noexcept;

  Context& context_;
  TunnelOwner& owner_;
  /// Client to upstream, and back.
  Direction up_;
  Direction down_;
  net::Timer idle_;
  /// Runs while the user is ahead of the bandwidth.
  net::Timer pace_;
  FlowStats stats_;
  TunnelOptions options_;
  bool isRunning_ = false;
};

} // namespace sluice::relay
