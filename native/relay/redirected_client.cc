#include "relay/redirected_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include "http/answer.h"
#include "http/head_writer.h"
#include "policy/page.h"
#include "relay/access_log.h"
#include "relay/slabs.h"

namespace sluice::relay {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMethod = "CONNECT";
/// How long a client may be silent before it is taken for one that lets the other side begin.
constexpr std::uint64_t kSilenceMs = 500;
/// A fatal alert, access_denied (RFC 8446, section 6.2), in a record of its own.
constexpr std::string_view kAccessDenied = "\x15\x03\x01\x00\x02\x02\x31"sv;

} // namespace

RedirectedClient::RedirectedClient(Context& context, std::shared_ptr<ListenerSlot> slot,
                                   const net::SocketAddress& client) noexcept
    : context_(context), slot_(std::move(slot)), plan_(context.current),
      listenerIndex_(slot_->index), client_(client), peek_(context.loop, *this),
      stream_(context.loop, *this), timer_(*this), passage_(context, *this, plan_, listenerIndex_),
      startNs_(context.loop.nowNs()) {
  context_.flows.add(*this);
}

const plan::Listener& RedirectedClient::listener() const noexcept {
  return plan_->plan().listeners[listenerIndex_];
}
const plan::Forward& RedirectedClient::forward() const noexcept {
  return *plan_->plan().forwardOf(listener());
}

// --- what the client says ------------------------------------------------------------------------

void RedirectedClient::onPeeked(std::string_view bytes, bool hasEnded) noexcept {
  if (state_ != State::Claim) {
    return;
  }
  const bool isWhole = hasEnded || bytes.size() == net::Peek::kMaxBytes;
  const std::span<char, tls::kMaxClientHello> fragments(
      context_.loop.scratch().data() + net::Peek::kMaxBytes, tls::kMaxClientHello);
  const bool isRead = readClaim(bytes, isWhole, fragments, context_.http.request, claim_);
  // Whoever has been patient for a silent client has waited long enough.
  if (isRead || (hasBeenPatient_ && claim_.spoken == Spoken::Other)) {
    seek();
  }
}

void RedirectedClient::onPeekFailed() noexcept {
  end(Errc::ClientAborted, Ending::Close);
}

void RedirectedClient::onTimer(net::Timer&) noexcept {
  if (std::exchange(hasBeenPatient_, true)) {
    end(Errc::HandshakeTimeout, Ending::Close);
    return;
  }
  if (claim_.spoken == Spoken::Other) {
    seek();
    return;
  }
  // What it has begun will say which host it means, so that it must come to that.
  const std::uint64_t limitMs = listener().timeouts.handshakeMs;
  context_.loop.arm(timer_, limitMs > kSilenceMs ? limitMs - kSilenceMs : 1);
}

// --- where it goes -------------------------------------------------------------------------------

void RedirectedClient::seek() noexcept {
  timer_.cancel();
  state_ = State::Dialing;
  policy::Destination destination = claim_.host;
  const net::IpPort& original = redirection_.original;
  if (!claim_.hasHost()) {
    const std::size_t size = original.family == AddressFamily::Ipv4 ? 4 : 16;
    policy::setDestinationAddress(std::span(original.bytes).first(size), destination);
  }
  destination.port = original.port;
  egress_ = context_.slabs.egress.make(context_, *this, plan_, listenerIndex_);
  if (egress_ == nullptr) {
    end(Errc::OutOfMemory, Ending::Reset);
    return;
  }
  egress_->beginAt(destination, original, client_, redirection_.own);
}

/// Any port: which ones come here is for the rules of netfilter to say.
EgressWish RedirectedClient::wish() noexcept {
  return {.method = kMethod, .path = {}, .ports = {}};
}

void RedirectedClient::onDecided(Errc outcome) noexcept {
  if (egress_->route() != nullptr) {
    passage_.enterRoute(*egress_->route());
  }
  if (outcome == Errc::ProxyLoop) {
    end(outcome, Ending::Close);
    return;
  }
  if (outcome != Errc::None) {
    end(outcome, Ending::Explained);
    return;
  }
  passage_.begin(*egress_, client_);
}

void RedirectedClient::onNotReached(Errc why) noexcept {
  end(why, Ending::Reset);
}

void RedirectedClient::onReached(net::Stream& upstream, std::string_view early) noexcept {
  if (!stream_.adopt(peek_.release())) {
    end(Errc::OutOfMemory, Ending::Reset);
    return;
  }
  state_ = State::Tunnel;
  tunnel_.emplace(context_, *this, stream_, upstream);
  tunnel_->start({.idleMs = listener().timeouts.idleMs, .splice = listener().splice},
                 passage_.stats(), {}, early);
}

void RedirectedClient::onTunnelEnd(Errc why) noexcept {
  end(why, isCut(why) ? Ending::Reset : Ending::Close);
}

// --- the end -------------------------------------------------------------------------------------

/// In the client's words, where it has said any.
void RedirectedClient::explain(Errc why) noexcept {
  switch (claim_.spoken) {
  case Spoken::Tls:
    peek_.closeWith(kAccessDenied);
    return;
  case Spoken::Http:
    break;
  case Spoken::Other:
    peek_.abort();
    return;
  }
  const std::span<char> page = context_.http.path;
  const std::size_t size = std::min(writePage(why, page), page.size());
  http::HeadWriter writer(context_.http.head);
  const bool isWritten = http::writeRefusal(writer, {.code = why, .page = {page.data(), size}},
                                            {.date = context_.date.at(context_.loop.wallMs()),
                                             .connection = http::ConnectionOption::Close,
                                             .isHead = claim_.isHead});
  if (!isWritten) {
    peek_.abort();
    return;
  }
  status_ = errcInfo(why).status;
  passage_.stats().add(Counter::Status4xx);
  if (!claim_.isHead) {
    writer.append({page.data(), size});
  }
  peek_.closeWith(writer.view());
}

std::size_t RedirectedClient::writePage(Errc why, std::span<char> into) const noexcept {
  std::array<char, 5> digits;
  http::HeadWriter port(digits);
  port.appendNumber(egress_->destination().port);
  std::array<char, 64> client;
  const std::size_t clientSize = client_.formatIp(client);
  const bool isAddress = why == Errc::DestinationForbidden;
  return policy::fillPage(forward().page,
                          {.host = egress_->destination().host(),
                           .port = port.view(),
                           .rule = passage_.routeName(),
                           .client = {client.data(), clientSize},
                           .user = {},
                           .reason = isAddress ? policy::kDeniedAddress : policy::kDeniedByRule},
                          into);
}

void RedirectedClient::onDrain() noexcept {
  if (state_ != State::Tunnel) {
    end(Errc::None, Ending::Close);
  }
}

void RedirectedClient::onListenerClosed() noexcept {
  if (slot_->isClosing) {
    onDrain();
  }
}

void RedirectedClient::onCut() noexcept {
  end(Errc::None, Ending::Close);
}

/// Counts, tells the log, and lets go of everything.
void RedirectedClient::end(Errc why, Ending how) noexcept {
  if (state_ == State::Over) {
    return;
  }
  state_ = State::Over;
  timer_.cancel();
  const std::uint64_t durationNs = context_.loop.nowNs() - startNs_;
  FlowStats& stats = passage_.stats();
  if (why != Errc::None) {
    stats.error(why);
  }
  stats.latency(durationNs);
  if (how == Ending::Explained) {
    explain(why);
  }
  writeEnd(why, durationNs);
  stats.listener->sub(Counter::Active);
  if (tunnel_) {
    tunnel_->stop();
  }
  if (how == Ending::Reset) {
    passage_.abort();
    peek_.abort();
    stream_.abort();
  }
  peek_.close();
  stream_.close();
  passage_.leave();
  if (egress_ != nullptr) {
    std::exchange(egress_, nullptr)->drop();
  }
  listener().state->connections.fetch_sub(1, std::memory_order_relaxed);
  context_.flows.remove(*this);
  context_.loop.dispose(*this);
}

/// `host` is what the client said, `destination` where it went.
void RedirectedClient::writeEnd(Errc why, std::uint64_t durationNs) noexcept {
  const std::uint16_t log = plan_->log(listenerIndex_);
  if (log == upstream::ActivePlan::kNoLog) {
    return;
  }
  std::array<char, 64> original;
  const std::size_t originalSize =
      redirection_.original.isKnown() ? redirection_.original.socketAddress().format(original) : 0;
  writeLog(context_, log, *passage_.stats().listener,
           {.client = client_,
            .listener = listener().name,
            .isHttp = true,
            .route = passage_.routeName(),
            .method = kMethod,
            .host = claim_.host.host(),
            .status = status_,
            .bytesIn = tunnel_ ? tunnel_->bytesIn() : 0,
            .bytesOut = tunnel_ ? tunnel_->bytesOut() : 0,
            .durationNs = durationNs,
            .upstreamNs = passage_.reachedNs() == 0 ? 0 : passage_.reachedNs() - startNs_,
            .target = passage_.targetName(),
            .destination = {original.data(), originalSize},
            .isForward = true,
            .error = why});
}

void RedirectedClient::dispose() noexcept {
  context_.slabs.redirected.destroy(this);
}

// --- birth ---------------------------------------------------------------------------------------

void RedirectedClient::open(Context& context, std::shared_ptr<ListenerSlot> slot, UniqueFd fd,
                            const net::SocketAddress& client) noexcept {
  const plan::Listener& listener = context.current->plan().listeners[slot->index];
  RedirectedClient* redirected = context.slabs.redirected.make(context, std::move(slot), client);
  if (redirected == nullptr) {
    context.shard(listener.stats).error(Errc::OutOfMemory);
    context.shard(listener.stats).sub(Counter::Active);
    listener.state->connections.fetch_sub(1, std::memory_order_relaxed);
    return;
  }
  redirected->begin(std::move(fd));
}

void RedirectedClient::begin(UniqueFd fd) noexcept {
  redirection_ = net::Redirection::of(fd);
  if (!peek_.start(std::move(fd))) {
    end(Errc::OutOfMemory, Ending::Close);
    return;
  }
  if (!redirection_.original.isKnown() || redirection_.original.port == 0) {
    end(Errc::DestinationMalformed, Ending::Close);
    return;
  }
  if (redirection_.isStraight()) {
    end(Errc::ProxyLoop, Ending::Close);
    return;
  }
  context_.loop.arm(timer_, std::min<std::uint64_t>(kSilenceMs, listener().timeouts.handshakeMs));
}

} // namespace sluice::relay
