#include "relay/tcp_relay.h"

#include <array>
#include <utility>

#include "balance/ejection.h"
#include "relay/access_log.h"
#include "relay/name_route.h"
#include "relay/slabs.h"

namespace sluice::relay {

TcpRelay::TcpRelay(Context& context, std::uint32_t listener,
                   const net::SocketAddress& client) noexcept
    : context_(context), plan_(context.current), listenerIndex_(listener), clientAddress_(client),
      client_(context.loop, *this), upstream_(context.loop, *this), connectTimer_(*this),
      startNs_(context.loop.nowNs()) {
  stats_.listener = &context.shard(this->listener().stats);
  context_.flows.add(*this);
}

void TcpRelay::usePool(std::uint32_t pool) noexcept {
  poolIndex_ = pool;
  stats_.pool = &context_.shard(this->pool().stats);
  stats_.pool->add(Counter::Connections);
  stats_.pool->add(Counter::Active);
}

const plan::Listener& TcpRelay::listener() const noexcept {
  return plan_->plan().listeners[listenerIndex_];
}
const plan::Pool& TcpRelay::pool() const noexcept {
  return plan_->plan().pools[poolIndex_];
}
const plan::Target& TcpRelay::target() const noexcept {
  return plan_->plan().targets[tries_.target()];
}

void TcpRelay::connectNext() noexcept {
  Errc why = Errc::NoTarget;
  while (tries_.next(context_, plan_->plan(), pool(), clientAddress_, stats_)) {
    const auto& address = plan_->pool(tries_.target())->address();
    const Status begun = upstream_.connect(address);
    if (begun) {
      context_.loop.arm(connectTimer_, listener().timeouts.connectMs);
      return;
    }
    why = begun.error();
    if (!tries_.giveUp(context_, plan_->plan(), pool(), why, stats_)) {
      break;
    }
  }
  end(why);
}

void TcpRelay::onConnectFailed(Errc why) noexcept {
  connectTimer_.cancel();
  upstream_.close();
  if (tries_.giveUp(context_, plan_->plan(), pool(), why, stats_)) {
    connectNext();
  } else {
    end(why);
  }
}

/// The client's handshake is over.
void TcpRelay::onSecured(Errc outcome) noexcept {
  if (outcome != Errc::None) {
    end(outcome == Errc::PlainOnTls ? Errc::TlsHandshakeFailed : outcome);
    return;
  }
  connectTimer_.cancel();
  client_.stopReceive();
  stats_.add(Counter::TlsHandshakes);
  if (tls_->isResumed()) {
    stats_.add(Counter::TlsResumed);
  }
  if (tls_->isChallenge()) {
    end(Errc::None);
    return;
  }
  const plan::NameRoute* route =
      matchName(listener().nameRoutes, tls_->serverName(), tls_->offeredAlpn());
  if (route == nullptr && listener().pool < 0) {
    end(Errc::TlsNameUnknown);
    return;
  }
  usePool(route != nullptr ? route->pool : static_cast<std::uint32_t>(listener().pool));
  connectNext();
}

/// Ahead of everything, TLS included.
bool TcpRelay::sendProxyHeader() noexcept {
  if (pool().proxyProtocol == ProxySend::Off) {
    return true;
  }
  std::array<char, net::kMaxSentProxyHeaderBytes> into;
  const net::IpPort destination =
      destination_.isKnown() ? destination_ : net::IpPort::of(client_.localAddress());
  const std::string_view header = net::writeProxyHeader(
      pool().proxyProtocol, net::IpPort::of(clientAddress_), destination, into);
  return upstream_.sendWire(header).taken == header.size();
}

void TcpRelay::onConnected(net::Stream& stream, Errc outcome) noexcept {
  if (&stream == &client_) {
    onSecured(outcome);
    return;
  }
  if (outcome == Errc::None && !upstream_.isFiltered() && !sendProxyHeader()) {
    outcome = Errc::ConnectFailed;
  }
  if (outcome == Errc::None && !upstream_.isFiltered()) {
    const auto& tls = plan_->pool(tries_.target())->tls();
    if (tls != nullptr) {
      // The handshake's outcome comes here too.
      if (tls::Session::connect(upstream_, tls) == nullptr) {
        end(Errc::OutOfMemory);
      }
      return;
    }
  }
  if (outcome != Errc::None) {
    onConnectFailed(outcome);
    return;
  }
  connectTimer_.cancel();
  balance::onSuccess(*target().state);
  stats_.target->add(Counter::Connections);
  tunnel_.emplace(context_, *this, client_, upstream_);
  tunnel_->start({.idleMs = listener().timeouts.idleMs, .splice = listener().splice}, stats_, {},
                 {});
}

void TcpRelay::onTimer(net::Timer&) noexcept {
  if (poolIndex_ == plan::kNone) {
    end(Errc::HandshakeTimeout);
    return;
  }
  onConnectFailed(Errc::ConnectTimeout);
}

void TcpRelay::onReceiveEnd(net::Stream& stream, net::StreamEnd) noexcept {
  // Before the tunnel takes over only the client can end, and only by a reset: nothing is received
  // yet.
  if (&stream == &client_) {
    end(Errc::ClientAborted);
  }
}

void TcpRelay::onTunnelEnd(Errc why) noexcept {
  end(why);
}

void TcpRelay::onCut() noexcept {
  end(Errc::None);
}

void TcpRelay::end(Errc why) noexcept {
  if (std::exchange(isEnded_, true)) {
    return;
  }
  connectTimer_.cancel();
  if (why != Errc::None) {
    stats_.error(why);
  }
  const std::uint64_t durationNs = context_.loop.nowNs() - startNs_;
  stats_.latency(durationNs);
  const std::uint16_t log = plan_->log(listenerIndex_);
  if (log != upstream::ActivePlan::kNoLog) {
    writeLog(context_, log, *stats_.listener,
             {.client = clientAddress_,
              .listener = listener().name,
              .bytesIn = tunnel_ ? tunnel_->bytesIn() : 0,
              .bytesOut = tunnel_ ? tunnel_->bytesOut() : 0,
              .durationNs = durationNs,
              .target = tries_.hasTarget() ? std::string_view(target().name) : std::string_view(),
              .error = why});
  }
  tries_.release(plan_->plan(), stats_);
  if (tunnel_) {
    tunnel_->stop();
  }
  if (!tunnel_ || !isCut(why)) {
    client_.close();
    upstream_.close();
  } else {
    // Both sides are to see that the stream was cut, not that it ended.
    client_.abort();
    upstream_.abort();
  }
  stats_.listener->sub(Counter::Active);
  if (stats_.pool != nullptr) {
    stats_.pool->sub(Counter::Active);
  }
  listener().state->connections.fetch_sub(1, std::memory_order_relaxed);
  context_.flows.remove(*this);
  context_.loop.dispose(*this);
}

void TcpRelay::dispose() noexcept {
  context_.slabs.tcp.destroy(this);
}

void TcpRelay::open(Context& context, const ListenerSlot& slot, UniqueFd fd,
                    const net::SocketAddress& client, const net::IpPort& destination,
                    std::uint32_t pool) noexcept {
  TcpRelay* relay = context.slabs.tcp.make(context, slot.index, client);
  if (relay == nullptr) {
    const plan::Listener& listener = context.current->plan().listeners[slot.index];
    context.shard(listener.stats).error(Errc::OutOfMemory);
    context.shard(listener.stats).sub(Counter::Active);
    listener.state->connections.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  if (!relay->client_.adopt(std::move(fd))) {
    relay->end(Errc::OutOfMemory);
    return;
  }
  relay->destination_ = destination;
  relay->begin(pool);
}

void TcpRelay::begin(std::uint32_t pool) noexcept {
  if (listener().serverTls == plan::kNone) {
    usePool(pool != plan::kNone ? pool : static_cast<std::uint32_t>(listener().pool));
    connectNext();
    return;
  }
  tls_ = tls::Session::accept(client_, plan_->serverTls(listener()));
  if (tls_ == nullptr) {
    end(Errc::OutOfMemory);
    return;
  }
  context_.loop.arm(connectTimer_, listener().timeouts.handshakeMs);
  client_.startReceive();
}

} // namespace sluice::relay
