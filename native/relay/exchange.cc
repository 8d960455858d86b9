#include "relay/exchange.h"

#include <algorithm>
#include <utility>

#include "balance/ejection.h"
#include "http/basic.h"
#include "http/path.h"
#include "http/route.h"
#include "relay/access_log.h"
#include "relay/tunnel.h"

namespace sluice::relay {

namespace {

/// Bodies with less than this to go are copied: two copies cost less than filling and emptying a
/// pipe.
constexpr std::uint64_t kSpliceFrom = 64 * 1024;
constexpr std::uint8_t kMaxInterims = 16;

Counter statusCounter(std::uint16_t status) noexcept {
  constexpr auto kFirst = static_cast<unsigned>(Counter::Status1xx);
  return static_cast<Counter>(kFirst + status / 100U - 1U);
}

} // namespace

Exchange::Exchange(Context& context, ClientSession& client) noexcept
    : context_(context), client_(client), timer_(*this), requestPump_(context.pipes, *this),
      responsePump_(context.pipes, *this) {}

Exchange::~Exchange() = default;

const plan::Listener& Exchange::listener() const noexcept {
  return plan_->plan().listeners[listenerIndex_];
}
const plan::Pool& Exchange::pool() const noexcept {
  return plan_->plan().pools[route_->action.pool];
}
const plan::Target& Exchange::target() const noexcept {
  return plan_->plan().targets[tries_.target()];
}

// --- the request ---------------------------------------------------------------------------------

bool Exchange::normalizePath(const http::RequestHead& head, std::string_view& path) noexcept {
  if (head.path == "*") {
    // OPTIONS *, which the parser has checked: of the target as a whole, not of a path.
    path = head.path;
    return true;
  }
  const http::PathResult normal = http::normalizePath(head.path, context_.http.path);
  path = normal.path;
  return normal.ok;
}

void Exchange::begin(const upstream::PlanLease& plan, std::uint32_t listener,
                     const http::RequestHead& head) noexcept {
  if (plan_ != plan) {
    plan_ = plan;
  }
  listenerIndex_ = listener;
  phase_ = Phase::Waiting;
  isIdempotent_ = head.isIdempotent;
  hasBody_ = !client_.isRequestComplete();
  wantsUpgrade_ = head.wantsUpgrade;
  hasSentBody_ = false;
  isConnect_ = false;
  isBound_ = false;
  isClientBlocked_ = false;
  isUpstreamBlocked_ = false;
  interims_ = 0;
  status_ = 0;
  tries_.reset();
  route_ = nullptr;
  startNs_ = context_.loop.nowNs();
  headNs_ = 0;
  bytesIn_ = 0;
  bytesOut_ = 0;
  stats_ = {.listener = &context_.shard(this->listener().stats)};
  stats_.listener->add(Counter::Requests);
  if (this->listener().forward != plan::kNone) {
    beginForward(head);
    return;
  }

  std::string_view path;
  if (!normalizePath(head, path)) {
    fail(Errc::RequestMalformed);
    return;
  }
  if (!client_.mayAskFor(head.host)) {
    fail(Errc::Misdirected);
    return;
  }
  const plan::Route* route = http::matchRoute(plan_->plan().routesOf(this->listener()), head.host,
                                              path, client_.identity());
  if (route == nullptr) {
    fail(Errc::NoRoute);
    return;
  }
  enterRoute(*route);
  if (route_->action.kind != ActionKind::Pool) {
    answerLocally(head, path);
    return;
  }
  enterPool();
  tryNext(Errc::NoTarget);
}

void Exchange::enterRoute(const plan::Route& route) noexcept {
  route_ = &route;
  stats_.route = &context_.shard(route.stats);
  stats_.route->add(Counter::Requests);
  stats_.route->add(Counter::Active);
}

void Exchange::enterPool() noexcept {
  stats_.pool = &context_.shard(pool().stats);
  stats_.pool->add(Counter::Requests);
  stats_.pool->add(Counter::Active);
}

void Exchange::answerLocally(const http::RequestHead& head, std::string_view path) noexcept {
  status_ = route_->action.status;
  const bool isRespond = route_->action.kind == ActionKind::Respond;
  countResponse(isRespond ? route_->action.body.size() : 0);
  account(Errc::None);
  if (isRespond) {
    client_.sendRespond(*route_);
  } else {
    client_.sendRedirect(*route_, head, path);
  }
  leave();
  client_.endExchange();
}

// --- targets -------------------------------------------------------------------------------------

bool Exchange::pickTarget() noexcept {
  if (!tries_.next(context_, plan_->plan(), pool(), client_.address(), stats_)) {
    return false;
  }
  stats_.target->add(Counter::Requests);
  return true;
}

bool Exchange::tryTarget(bool mayReuse, Errc& why) noexcept {
  if (needsDial()) {
    return dialTarget(mayReuse, why);
  }
  const std::uint32_t index = tries_.target();
  // A connection that began with a PROXY header, or without one, goes on speaking for its client.
  if (mayReuse && pool().proxyProtocol == ProxySend::Off) {
    upstream_ = reuseUpstream(plan_->pool(index), *this);
    if (upstream_ != nullptr) {
      sendRequest();
      return true;
    }
  }
  upstream_ = connectUpstream(context_, plan_->pool(index), *this, why);
  if (upstream_ == nullptr) {
    return false;
  }
  phase_ = Phase::Connecting;
  context_.loop.arm(timer_, listener().timeouts.connectMs);
  return true;
}

void Exchange::tryNext(Errc why) noexcept {
  while (pickTarget()) {
    if (tryTarget(true, why)) {
      return;
    }
    if (!tries_.giveUp(context_, plan_->plan(), pool(), why, stats_)) {
      break;
    }
  }
  fail(why);
}

std::string_view
Exchange::proxyHeader(std::span<char, net::kMaxSentProxyHeaderBytes> into) const noexcept {
  if (pool().proxyProtocol == ProxySend::Off) {
    return {};
  }
  return net::writeProxyHeader(pool().proxyProtocol, net::IpPort::of(client_.address()),
                               client_.destination(), into);
}

void Exchange::onConnected(Errc outcome) noexcept {
  if (outcome != Errc::None) {
    onUpstreamFailed(outcome);
    return;
  }
  stats_.target->add(Counter::Connections);
  sendRequest();
}

bool Exchange::mayRetry(Errc why) const noexcept {
  const bool isReused = upstream_ != nullptr && upstream_->isReused();
  if (!isReused && !tries_.hasLeft(pool())) {
    return false;
  }
  switch (errcInfo(why).retry) {
  case Retry::Never:
    return false;
  case Retry::IfReused:
    // Before the first byte of a response; an idempotent request whose body has not been touched
    // can be sent again, whether the connection was reused or not.
    return isIdempotent_ && !hasSentBody_;
  case Retry::Always:
    // Connecting failed: nothing has been sent.
    return !hasSentBody_;
  }
  return false;
}

void Exchange::onUpstreamFailed(Errc why) noexcept {
  timer_.disarm();
  const bool isReused = upstream_->isReused();
  const bool isRetried = phase_ != Phase::Responding && interims_ == 0 && mayRetry(why);
  if (!isReused || errcInfo(why).retry != Retry::IfReused) {
    // A connection that had been idle may end at any time: that says nothing of its target.
    balance::onFailure(pool(), *target().state, why, context_.loop.nowMs());
  }
  dropUpstream();
  if (!isRetried) {
    fail(why);
    return;
  }
  stats_.add(Counter::Retries);
  phase_ = Phase::Waiting;
  if (isReused) {
    // The same target, but not another connection that may be as stale as this one was.
    Errc again = why;
    if (tryTarget(false, again)) {
      return;
    }
    why = again;
    if (errcInfo(why).side == Side::Internal) {
      fail(why);
      return;
    }
    balance::onFailure(pool(), *target().state, why, context_.loop.nowMs());
    if (!tries_.hasLeft(pool())) {
      fail(why);
      return;
    }
  }
  stats_.target->error(why);
  tries_.release(plan_->plan(), stats_);
  tryNext(why);
}

// --- towards the target --------------------------------------------------------------------------

void Exchange::sendRequest() noexcept {
  const http::RequestHead& head = client_.request();
  std::string_view path;
  if (!normalizePath(head, path)) {
    fail(Errc::Internal);
    return;
  }
  BodySlices body;
  Errc problem = Errc::None;
  if (!client_.takeBody(body, problem)) {
    dropUpstream();
    fail(problem);
    return;
  }
  phase_ = Phase::Waiting;
  isBound_ = egress_ != nullptr && http::bindsConnection(head.fields);
  hasSentBody_ = body.bytes > 0;
  const SendState state = upstream_->sendRequest(
      head,
      {.listener = listener(),
       .route = *route_,
       .target = target(),
       .clientIp = client_.addressText(),
       .isTrusted = listener().trusts(client_.address().ipBytes()),
       .clientEdits = client_.edits(),
       .path = path,
       .keepUpgrade = wantsUpgrade_,
       .isToParent = pool().kind == PoolKind::HttpParent,
       .authorization = pool().kind == PoolKind::HttpParent ? std::string_view(pool().authorization)
                                                            : std::string_view()},
      body);
  countRequest(body.bytes);
  afterUpstreamSend(state);
}

bool Exchange::wantsBody() const noexcept {
  return (phase_ == Phase::Waiting || phase_ == Phase::Responding) && upstream_ != nullptr &&
         !isUpstreamBlocked_ && !isPaced_ && !requestPump_.isRunning();
}

void Exchange::onRequestBody(const BodySlices& body) noexcept {
  hasSentBody_ = hasSentBody_ || body.bytes > 0;
  const SendState state = upstream_->sendBody(body);
  countRequest(body.bytes);
  afterUpstreamSend(state);
}

void Exchange::afterUpstreamSend(SendState state) noexcept {
  if (state == SendState::Broken) {
    // The target may have answered before it closed: what it sent is still to be received, and the
    // end after it tells how to go on.
    isUpstreamBlocked_ = true;
    upstream_->resumeResponse();
    armForProgress();
    return;
  }
  isUpstreamBlocked_ = state == SendState::Blocked;
  if (isOutOfQuota()) {
    return;
  }
  armForProgress();
  if (!isUpstreamBlocked_ && !isPaced_ && hasBody_ && !client_.isRequestComplete()) {
    client_.resumeBody();
    spliceRequest();
  }
}

void Exchange::onUpstreamRoom() noexcept {
  isUpstreamBlocked_ = false;
  armForProgress();
  if (!client_.isRequestComplete() && !isPaced_) {
    client_.resumeBody();
  }
}

/// Asked last: a sink under TLS may change over to the kernel for it.
bool Exchange::isWorthSplicing(net::Stream& sink, std::uint64_t remaining) noexcept {
  if (stats_.meter != nullptr && stats_.meter->isPaced()) {
    return false;
  }
  const bool isForced = listener().splice == SpliceMode::Always;
  return (isForced || remaining >= kSpliceFrom) &&
         sink.takesSplice(isForced ? net::Pump::kNoLimit : remaining);
}

void Exchange::spliceRequest() noexcept {
  if (listener().splice == SpliceMode::Never || requestPump_.isRunning()) {
    return;
  }
  std::uint64_t remaining = 0;
  net::Stream* source = client_.spliceSource(remaining);
  net::Stream* sink = upstream_->spliceSink();
  if (source == nullptr || sink == nullptr || !isWorthSplicing(*sink, remaining)) {
    return;
  }
  hasSentBody_ = true;
  source->stopReceive();
  requestPump_.start(*source, *sink, remaining);
}

// --- towards the client --------------------------------------------------------------------------

void Exchange::onInterim(const http::ResponseHead& head) noexcept {
  if (++interims_ > kMaxInterims) {
    onUpstreamFailed(Errc::ResponseMalformed);
    return;
  }
  armForProgress();
  if (client_.sendInterim(head, *route_) == SendState::Broken) {
    onClientGone(Errc::ClientAborted);
  }
}

void Exchange::onResponse(const http::ResponseHead& head, const BodySlices& body) noexcept {
  if (head.status == 407 && pool().kind == PoolKind::HttpParent) {
    // Meant for us: the client has no login at the parent.
    onUpstreamFailed(Errc::ParentRefused);
    return;
  }
  phase_ = Phase::Responding;
  headNs_ = context_.loop.nowNs();
  status_ = head.status;
  balance::onSuccess(*target().state);
  countResponse(body.bytes);
  afterClientSend(client_.sendResponse(head, *route_, body), body.isEnd);
}

void Exchange::onResponseBody(const BodySlices& body) noexcept {
  countResponse(body.bytes);
  afterClientSend(client_.sendBody(body), body.isEnd);
}

void Exchange::afterClientSend(SendState state, bool isResponseEnd) noexcept {
  if (state == SendState::Broken) {
    onClientGone(Errc::ClientAborted);
    return;
  }
  if (isResponseEnd) {
    complete();
    return;
  }
  isClientBlocked_ = state == SendState::Blocked;
  if (isOutOfQuota()) {
    return;
  }
  armForProgress();
  if (isClientBlocked_ || isPaced_) {
    upstream_->pauseResponse();
    return;
  }
  spliceResponse();
}

void Exchange::onClientRoom() noexcept {
  if (!isClientBlocked_) {
    return;
  }
  isClientBlocked_ = false;
  armForProgress();
  if (isPaced_) {
    return;
  }
  spliceResponse();
  if (!responsePump_.isRunning()) {
    upstream_->resumeResponse();
  }
}

void Exchange::spliceResponse() noexcept {
  if (phase_ != Phase::Responding || listener().splice == SpliceMode::Never) {
    return;
  }
  std::uint64_t remaining = 0;
  net::Stream* source = upstream_->spliceSource(remaining);
  net::Stream* sink = client_.spliceSink();
  if (source == nullptr || sink == nullptr || !isWorthSplicing(*sink, remaining)) {
    return;
  }
  source->stopReceive();
  responsePump_.start(*source, *sink, remaining);
}

void Exchange::onPumped(net::Pump& pump, std::size_t bytes) noexcept {
  armForProgress();
  if (&pump == &responsePump_) {
    countResponse(bytes);
    upstream_->skipResponseBody(bytes);
    client_.skipResponseBody(bytes);
  } else {
    countRequest(bytes);
    client_.skipRequestBody(bytes);
    upstream_->skipRequestBody(bytes);
  }
  static_cast<void>(isOutOfQuota());
}

void Exchange::onPumpEnd(net::Pump& pump, net::PumpEnd end) noexcept {
  const bool isResponse = &pump == &responsePump_;
  switch (end) {
  case net::PumpEnd::Limit:
    if (isResponse) {
      complete();
    } else {
      armForProgress();
      client_.resumeBody();
    }
    return;
  case net::PumpEnd::NoPipe:
    if (isResponse) {
      upstream_->resumeResponse();
    } else {
      client_.resumeBody();
    }
    return;
  case net::PumpEnd::SourceEof:
  case net::PumpEnd::SourceReset:
    if (isResponse) {
      onUpstreamFailed(Errc::ResponseIncomplete);
    } else {
      onClientGone(Errc::ClientAborted);
    }
    return;
  case net::PumpEnd::SinkReset:
    if (isResponse) {
      onClientGone(Errc::ClientAborted);
    } else {
      client_.skipRequestBody(pump.lostBytes());
      afterUpstreamSend(SendState::Broken);
    }
    return;
  }
}

void Exchange::onSwitched(const http::ResponseHead& head, std::string_view early) noexcept {
  if (!wantsUpgrade_ || head.upgradeProtocol.empty()) {
    onUpstreamFailed(Errc::UpgradeFailed);
    return;
  }
  phase_ = Phase::Switched;
  status_ = head.status;
  headNs_ = context_.loop.nowNs();
  timer_.cancel();
  balance::onSuccess(*target().state);
  const BodySlices nothing;
  if (client_.sendResponse(head, *route_, nothing) == SendState::Broken) {
    onClientGone(Errc::ClientAborted);
    return;
  }
  client_.switchProtocols(upstream_->stream(), early);
}

void Exchange::onTunnelEnd(Errc why, std::uint64_t bytesIn, std::uint64_t bytesOut) noexcept {
  // The tunnel has counted its bytes for all entities already.
  bytesIn_ += bytesIn;
  bytesOut_ += bytesOut;
  if (isCut(why)) {
    (upstream_ != nullptr ? upstream_->stream() : dial_->stream()).abort();
  }
  dropUpstream();
  end(why);
}

// --- the end -------------------------------------------------------------------------------------

void Exchange::armForProgress() noexcept {
  if (isPaced_) {
    // Nobody is to blame that nothing moves.
    timer_.disarm();
    return;
  }
  const plan::Timeouts& timeouts = listener().timeouts;
  const bool isWaitingForHead =
      phase_ == Phase::Waiting && client_.isRequestComplete() && !isUpstreamBlocked_;
  context_.loop.arm(timer_, isWaitingForHead ? timeouts.responseHeaderMs : timeouts.bodyIdleMs);
}

void Exchange::onTimer(net::Timer&) noexcept {
  switch (phase_) {
  case Phase::Admitting:
    fail(Errc::NameTimeout);
    return;
  case Phase::Connecting:
    onUpstreamFailed(Errc::ConnectTimeout);
    return;
  case Phase::Waiting:
    if (client_.isRequestComplete() || isUpstreamBlocked_ || requestPump_.isBlocked()) {
      onUpstreamFailed(Errc::ResponseTimeout);
    } else {
      dropUpstream();
      fail(Errc::RequestBodyTimeout);
    }
    return;
  case Phase::Responding:
    if (isClientBlocked_ || responsePump_.isBlocked()) {
      dropUpstream();
      fail(Errc::ClientStalled);
    } else {
      onUpstreamFailed(Errc::ResponseBodyTimeout);
    }
    return;
  case Phase::Idle:
  case Phase::Dialing:
  case Phase::Switched:
    return;
  }
}

void Exchange::onRequestBad(Errc why) noexcept {
  dropUpstream();
  fail(why);
}

void Exchange::onClientGone(Errc why) noexcept {
  dropUpstream();
  end(why);
  client_.cut();
}

void Exchange::fail(Errc why) noexcept {
  const bool isHeadSent = phase_ == Phase::Responding || phase_ == Phase::Switched;
  if (isHeadSent) {
    end(why);
    client_.cut();
    return;
  }
  status_ = errcInfo(why).status;
  account(why);
  if (listener().forward != plan::kNone) {
    refuse(why);
  } else {
    client_.sendError(why);
  }
  leave();
  client_.endExchange();
}

void Exchange::complete() noexcept {
  if (upstream_ != nullptr) {
    if (client_.isRequestComplete() && !isUpstreamBlocked_ && !isBound_) {
      std::exchange(upstream_, nullptr)->release(pool().maxIdle, pool().idleMs);
    } else {
      // The answer came before the request was sent whole, and nobody knows where the target
      // stands; or the connection must not be given to others.
      dropUpstream();
    }
  }
  end(Errc::None);
  client_.endExchange();
}

void Exchange::stopRequestPump() noexcept {
  if (!requestPump_.isRunning()) {
    return;
  }
  requestPump_.stop();
  // Lost on the way, and no longer on the client's connection: the next request begins that much
  // sooner.
  client_.skipRequestBody(requestPump_.lostBytes());
}

void Exchange::dropUpstream() noexcept {
  stopRequestPump();
  responsePump_.stop();
  if (upstream_ != nullptr) {
    std::exchange(upstream_, nullptr)->abandon();
  }
  dropDial();
}

void Exchange::countRequest(std::uint64_t bytes) noexcept {
  if (bytes > 0) {
    bytesIn_ += bytes;
    stats_.add(Counter::BytesIn, bytes);
    if (stats_.meter != nullptr) {
      stats_.meter->countIn(bytes);
      pace();
    }
  }
}

void Exchange::countResponse(std::uint64_t bytes) noexcept {
  if (bytes > 0) {
    bytesOut_ += bytes;
    stats_.add(Counter::BytesOut, bytes);
    if (stats_.meter != nullptr) {
      stats_.meter->countOut(bytes);
      pace();
    }
  }
}

void Exchange::end(Errc why) noexcept {
  account(why);
  leave();
}

void Exchange::account(Errc why) noexcept {
  const std::uint64_t durationNs = context_.loop.nowNs() - startNs_;
  if (status_ >= 100) {
    stats_.add(statusCounter(status_));
  }
  if (why == Errc::UserQuota) {
    // Nothing that a target did.
    FlowStats others = stats_;
    others.target = nullptr;
    others.error(why);
  } else if (why != Errc::None) {
    stats_.error(why);
  }
  stats_.latency(durationNs);
  const std::uint16_t log = plan_->log(listenerIndex_);
  if (log != upstream::ActivePlan::kNoLog) {
    const http::RequestHead& head = client_.request();
    writeLog(context_, log, *stats_.listener,
             {.client = client_.address(),
              .listener = listener().name,
              .isHttp = true,
              .route = route_ != nullptr ? std::string_view(route_->name) : std::string_view(),
              .method = head.method,
              .host = head.authority,
              .path = head.path,
              .query = head.query,
              .status = status_,
              .bytesIn = bytesIn_,
              .bytesOut = bytesOut_,
              .durationNs = durationNs,
              .upstreamNs = headNs_ == 0 ? 0 : headNs_ - startNs_,
              .target = tries_.hasTarget() ? std::string_view(target().name) : std::string_view(),
              .user = egress_ != nullptr && egress_->user() != nullptr
                          ? std::string_view(egress_->user()->name)
                          : std::string_view(),
              .destination = isConnect_ ? head.target : std::string_view(),
              .isForward = listener().forward != plan::kNone,
              .error = why});
  }
}

void Exchange::leave() noexcept {
  timer_.disarm();
  stopRequestPump();
  responsePump_.stop();
  tries_.release(plan_->plan(), stats_);
  if (stats_.route != nullptr) {
    stats_.route->sub(Counter::Active);
  }
  if (stats_.pool != nullptr) {
    stats_.pool->sub(Counter::Active);
  }
  dropDial();
  dropEgress();
  phase_ = Phase::Idle;
}

} // namespace sluice::relay
