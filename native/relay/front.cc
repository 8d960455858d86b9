#include "relay/front.h"

#include <algorithm>
#include <utility>

#include "relay/access_log.h"
#include "relay/name_route.h"
#include "relay/slabs.h"
#include "tls/client_hello.h"

namespace sluice::relay {

namespace {

using namespace std::string_view_literals;

/// A fatal alert, unrecognized_name (RFC 8446, section 6.2), in a record of its own.
constexpr std::string_view kUnrecognizedName = "\x15\x03\x01\x00\x02\x02\x70"sv;

static_assert(net::kMaxProxyHeaderBytes <= net::Peek::kMaxBytes);
static_assert(tls::kMaxClientHelloWire <= net::Peek::kMaxBytes);

bool isHeaderDue(const plan::Listener& listener, const net::SocketAddress& client) noexcept {
  return listener.proxyProtocol != ProxyAccept::Off && listener.trusts(client.ipBytes());
}

bool isHelloDue(const plan::Listener& listener) noexcept {
  return !listener.nameRoutes.empty() && listener.serverTls == plan::kNone;
}

} // namespace

Front::Front(Context& context, std::shared_ptr<ListenerSlot> slot,
             const net::SocketAddress& client) noexcept
    : context_(context), slot_(std::move(slot)), plan_(context.current),
      listenerIndex_(slot_->index), client_(client), peek_(context.loop, *this), timer_(*this),
      startNs_(context.loop.nowNs()) {
  context_.flows.add(*this);
}

const plan::Listener& Front::listener() const noexcept {
  return plan_->plan().listeners[listenerIndex_];
}

// --- what arrives --------------------------------------------------------------------------------

void Front::onPeeked(std::string_view bytes, bool hasEnded) noexcept {
  switch (state_) {
  case State::Header:
    readHeader(bytes, hasEnded);
    return;
  case State::Hello:
    readHello(bytes, hasEnded);
    return;
  case State::Over:
    return;
  }
}

void Front::readHeader(std::string_view bytes, bool hasEnded) noexcept {
  net::ProxyHeader header;
  switch (net::readProxyHeader(bytes, header)) {
  case net::ProxyHeaderState::Partial:
    if (hasEnded) {
      // Without a byte it was a look at whether we are there.
      end(bytes.empty() ? Errc::ClientAborted : Errc::ProxyHeaderBad);
    }
    return;
  case net::ProxyHeaderState::Bad:
    end(Errc::ProxyHeaderBad);
    return;
  case net::ProxyHeaderState::Absent:
    if (listener().proxyProtocol == ProxyAccept::Required) {
      end(Errc::ProxyHeaderBad);
      return;
    }
    break;
  case net::ProxyHeaderState::Done:
    if (!peek_.take(header.bytes)) {
      end(Errc::ClientAborted);
      return;
    }
    if (header.source.isKnown()) {
      client_ = header.source.socketAddress();
      destination_ = header.destination;
    }
    break;
  }
  goOn();
}

void Front::goOn() noexcept {
  adoptPlan();
  if (isHelloDue(listener())) {
    state_ = State::Hello;
    peek_.look();
    return;
  }
  handOn(plan::kNone);
}

void Front::readHello(std::string_view bytes, bool hasEnded) noexcept {
  const std::span<char, tls::kMaxClientHello> fragments(
      context_.loop.scratch().data() + net::Peek::kMaxBytes, tls::kMaxClientHello);
  tls::ClientHello hello;
  switch (tls::readClientHello(bytes, fragments, hello)) {
  case tls::ClientHelloState::Partial:
    if (hasEnded) {
      end(bytes.empty() ? Errc::ClientAborted : Errc::TlsHandshakeFailed);
    }
    return;
  case tls::ClientHelloState::NotTls:
    passUnread();
    return;
  case tls::ClientHelloState::Bad:
    end(Errc::TlsHandshakeFailed);
    return;
  case tls::ClientHelloState::Done:
    choosePool(hello.serverName(), hello.alpn);
    return;
  }
}

void Front::choosePool(std::string_view serverName, std::string_view alpn) noexcept {
  adoptPlan();
  const plan::NameRoute* route = matchName(listener().nameRoutes, serverName, alpn);
  if (route != nullptr) {
    handOn(route->pool);
  } else if (listener().pool >= 0) {
    handOn(static_cast<std::uint32_t>(listener().pool));
  } else {
    end(Errc::TlsNameUnknown, kUnrecognizedName);
  }
}

/// What is no TLS asks for no name.
void Front::passUnread() noexcept {
  adoptPlan();
  if (listener().pool >= 0) {
    handOn(static_cast<std::uint32_t>(listener().pool));
  } else {
    end(Errc::TlsHandshakeFailed);
  }
}

// --- what becomes of it --------------------------------------------------------------------------

/// The plan in force decides, as for a connection that comes now.
void Front::adoptPlan() noexcept {
  if (slot_->isClosing || plan_ == context_.current) {
    return;
  }
  const auto count = [this](bool isOpen) {
    plan::StatShard& stats = context_.shard(listener().stats);
    std::atomic<std::uint32_t>& connections = listener().state->connections;
    if (isOpen) {
      stats.add(Counter::Active);
      connections.fetch_add(1, std::memory_order_relaxed);
    } else {
      stats.sub(Counter::Active);
      connections.fetch_sub(1, std::memory_order_relaxed);
    }
  };
  count(false);
  plan_ = context_.current;
  listenerIndex_ = slot_->index;
  count(true);
}

/// `pool`: of the plan in force, or kNone where the relay knows.
void Front::handOn(std::uint32_t pool) noexcept {
  UniqueFd fd = peek_.release();
  const bool isTcp = listener().protocol == Protocol::Tcp;
  const bool isRedirected = RedirectedClient::isFor(plan_->plan(), listener());
  leave();
  if (isTcp) {
    TcpRelay::open(context_, *slot_, std::move(fd), client_, destination_, pool);
  } else if (isRedirected) {
    RedirectedClient::open(context_, slot_, std::move(fd), client_);
  } else {
    H1Client::open(context_, slot_, std::move(fd), client_, destination_);
  }
}

void Front::onListenerClosed() noexcept {
  if (slot_->isClosing) {
    end(Errc::None);
  }
}

void Front::end(Errc why, std::string_view lastWords) noexcept {
  if (state_ == State::Over) {
    return;
  }
  plan::StatShard& stats = context_.shard(listener().stats);
  if (why != Errc::None) {
    stats.error(why);
  }
  const std::uint16_t log = plan_->log(listenerIndex_);
  if (listener().protocol == Protocol::Tcp) {
    const std::uint64_t durationNs = context_.loop.nowNs() - startNs_;
    stats.latency(durationNs);
    if (log != upstream::ActivePlan::kNoLog) {
      writeLog(
          context_, log, stats,
          {.client = client_, .listener = listener().name, .durationNs = durationNs, .error = why});
    }
  }
  stats.sub(Counter::Active);
  listener().state->connections.fetch_sub(1, std::memory_order_relaxed);
  if (!lastWords.empty()) {
    peek_.closeWith(lastWords);
  }
  leave();
}

void Front::leave() noexcept {
  state_ = State::Over;
  timer_.cancel();
  peek_.close();
  context_.flows.remove(*this);
  context_.loop.dispose(*this);
}

void Front::dispose() noexcept {
  context_.slabs.front.destroy(this);
}

// --- birth ---------------------------------------------------------------------------------------

bool Front::isNeeded(const plan::Listener& listener, const net::SocketAddress& client) noexcept {
  return isHelloDue(listener) || isHeaderDue(listener, client);
}

void Front::open(Context& context, std::shared_ptr<ListenerSlot> slot, UniqueFd fd,
                 const net::SocketAddress& client) noexcept {
  const plan::Listener& listener = context.current->plan().listeners[slot->index];
  Front* front = context.slabs.front.make(context, std::move(slot), client);
  if (front == nullptr) {
    context.shard(listener.stats).error(Errc::OutOfMemory);
    context.shard(listener.stats).sub(Counter::Active);
    listener.state->connections.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  front->state_ = isHeaderDue(listener, client) ? State::Header : State::Hello;
  if (!front->peek_.start(std::move(fd))) {
    front->end(Errc::OutOfMemory);
    return;
  }
  context.loop.arm(front->timer_, listener.timeouts.handshakeMs);
}

} // namespace sluice::relay
