// The exchange of a forward proxy: what comes before a request has a route and a connection. From
// then on a plain request is like any other, and a CONNECT is a tunnel.
#include <algorithm>
#include <array>
#include <utility>

#include "balance/ejection.h"
#include "http/basic.h"
#include "http/via.h"
#include "policy/page.h"
#include "relay/exchange.h"
#include "relay/slabs.h"

namespace sluice::relay {

namespace {

constexpr std::string_view kPacPath = "/proxy.pac";
/// The control plane answers sooner than this, or not at all.
constexpr std::uint64_t kAskMs = 30'000;
/// The longest name and password that are looked at, together.
constexpr std::size_t kMaxLogin = 1024;

std::string_view decimal(std::uint16_t port, std::array<char, 5>& into) noexcept {
  http::HeadWriter writer(into);
  writer.appendNumber(port);
  return writer.view();
}

} // namespace

const plan::Forward& Exchange::forward() const noexcept {
  return *plan_->plan().forwardOf(listener());
}

// --- the request ---------------------------------------------------------------------------------

bool Exchange::readDestination(const http::RequestHead& head,
                               policy::Destination& out) const noexcept {
  if (isConnect_) {
    return policy::parseDestination(head.target, 0, out);
  }
  // Nobody but us could begin the TLS of an https target, and browsers use CONNECT.
  return head.isAbsoluteForm && !head.isHttpsTarget &&
         policy::parseDestination(head.authority, 80, out);
}

void Exchange::beginForward(const http::RequestHead& head) noexcept {
  phase_ = Phase::Admitting;
  isConnect_ = head.methodId == http::Method::Connect;
  const bool isRead = head.methodId == http::Method::Get || head.methodId == http::Method::Head;
  if (isRead && !head.isAbsoluteForm && head.path == kPacPath && forward().hasPac) {
    answerPac(head);
    return;
  }
  const plan::Forward& forward = this->forward();
  policy::Destination destination;
  std::string_view path;
  if (!forward.doesAccept(ForwardAccept::Http) || (!isConnect_ && !normalizePath(head, path))) {
    fail(Errc::RequestMalformed);
    return;
  }
  if (!readDestination(head, destination)) {
    fail(Errc::DestinationMalformed);
    return;
  }
  if (http::hasVia(head.fields, forward.viaName)) {
    fail(Errc::ProxyLoop);
    return;
  }
  egress_ = context_.slabs.egress.make(context_, *this, plan_, listenerIndex_);
  if (egress_ == nullptr) {
    fail(Errc::OutOfMemory);
    return;
  }
  std::array<char, kMaxLogin> decoded;
  EgressLogin login;
  const bool hasLogin = http::readBasic(head.fields, decoded, login.name, login.password);
  context_.loop.arm(timer_, kAskMs);
  // May end all of this before it returns.
  egress_->begin(destination, client_.address(), client_.destination(),
                 hasLogin ? &login : nullptr);
}

EgressWish Exchange::wish() noexcept {
  const http::RequestHead& head = client_.request();
  EgressWish wish{.method = head.method, .path = {}, .ports = {}};
  if (isConnect_) {
    wish.ports = forward().connectPorts;
  } else if (!normalizePath(head, wish.path)) {
    wish.path = {};
  }
  return wish;
}

void Exchange::onDecided(Errc outcome) noexcept {
  timer_.disarm();
  if (egress_->route() != nullptr) {
    enterRoute(*egress_->route());
  }
  if (outcome != Errc::None) {
    fail(outcome);
    return;
  }
  stats_.meter = egress_->user() == nullptr ? nullptr : &egress_->meter();
  enterPool();
  tryNext(Errc::NoTarget);
}

// --- connections ---------------------------------------------------------------------------------

bool Exchange::needsDial() const noexcept {
  return egress_ != nullptr && (isConnect_ || pool().kind != PoolKind::HttpParent);
}

/// An idle connection to the destination; null when there is none.
UpstreamSession* Exchange::reuseOrigin() noexcept {
  if (pool().kind != PoolKind::Direct) {
    const policy::Destination& destination = egress_->destination();
    const auto* origin =
        context_.origins.findBehind(target().state, destination.host(), destination.port);
    return origin == nullptr ? nullptr : reuseUpstream(*origin, *this);
  }
  for (const net::IpPort& address : egress_->addresses()) {
    const auto* origin = context_.origins.find(target().state, address.socketAddress());
    UpstreamSession* upstream = origin == nullptr ? nullptr : reuseUpstream(*origin, *this);
    if (upstream != nullptr) {
      return upstream;
    }
  }
  return nullptr;
}

bool Exchange::dialTarget(bool mayReuse, Errc& why) noexcept {
  const bool isDirect = pool().kind == PoolKind::Direct;
  if (mayReuse && !isConnect_) {
    upstream_ = reuseOrigin();
    if (upstream_ != nullptr) {
      sendRequest();
      return true;
    }
  }
  dial_ = context_.slabs.dial.make(context_, *this, plan_);
  if (dial_ == nullptr) {
    why = Errc::OutOfMemory;
    return false;
  }
  const std::uint32_t timeoutMs = listener().timeouts.connectMs;
  const Errc begun = isDirect ? dial_->connect(egress_->addresses(), forward(), timeoutMs)
                              : dial_->connectVia(pool(), plan_->pool(tries_.target()),
                                                  egress_->destination(), timeoutMs);
  if (begun != Errc::None) {
    dropDial();
    why = begun;
    return false;
  }
  phase_ = Phase::Dialing;
  return true;
}

void Exchange::onDialed(net::Stream& stream, std::string_view early) noexcept {
  stats_.target->add(Counter::Connections);
  if (isConnect_) {
    phase_ = Phase::Switched;
    status_ = 200;
    headNs_ = context_.loop.nowNs();
    timer_.cancel();
    balance::onSuccess(*target().state);
    client_.sendEstablished();
    client_.switchProtocols(stream, early);
    return;
  }
  const std::shared_ptr<upstream::TargetPool> origin =
      pool().kind == PoolKind::Direct
          ? context_.origins.at(target().state, dial_->address().socketAddress())
          : context_.origins.behind(target().state, egress_->destination().host(),
                                    egress_->destination().port);
  phase_ = Phase::Connecting;
  upstream_ = early.empty() ? adoptUpstream(context_, origin, *this, stream.release()) : nullptr;
  dropDial();
  if (upstream_ == nullptr) {
    fail(early.empty() ? Errc::OutOfMemory : Errc::ParentRefused);
    return;
  }
  sendRequest();
}

void Exchange::onDialFailed(Errc why) noexcept {
  dropDial();
  phase_ = Phase::Waiting;
  if (tries_.giveUp(context_, plan_->plan(), pool(), why, stats_)) {
    tryNext(why);
  } else {
    fail(why);
  }
}

void Exchange::dropDial() noexcept {
  if (dial_ != nullptr) {
    std::exchange(dial_, nullptr)->drop();
  }
}

/// Pays the user's account for what was just moved; what is ahead of it waits.
void Exchange::pace() noexcept {
  const std::uint32_t pauseMs = stats_.meter->pauseMs(context_.loop.nowNs());
  if (pauseMs != 0 && !isPaced_) {
    isPaced_ = true;
    egress_->wakeIn(pauseMs);
  }
}

void Exchange::onPaceOver() noexcept {
  isPaced_ = false;
  if (phase_ != Phase::Waiting && phase_ != Phase::Responding) {
    return;
  }
  pace();
  armForProgress();
  if (isPaced_) {
    return;
  }
  if (!client_.isRequestComplete() && !isUpstreamBlocked_) {
    client_.resumeBody();
  }
  if (upstream_ != nullptr && !isClientBlocked_) {
    upstream_->resumeResponse();
  }
}

/// True: the work has been ended, because its user has nothing left for today.
bool Exchange::isOutOfQuota() noexcept {
  if (stats_.meter == nullptr ||
      stats_.meter->hasQuotaLeft(context_.clock, context_.loop.wallMs())) {
    return false;
  }
  dropUpstream();
  fail(Errc::UserQuota);
  return true;
}

void Exchange::dropEgress() noexcept {
  stats_.meter = nullptr;
  isPaced_ = false;
  if (egress_ != nullptr) {
    std::exchange(egress_, nullptr)->drop();
  }
}

// --- answers of our own --------------------------------------------------------------------------

/// Says why, in the way that suits the reason.
void Exchange::refuse(Errc why) noexcept {
  if (why == Errc::DestinationMalformed || (isConnect_ && client_.hasMore())) {
    // What came behind a CONNECT was meant for the tunnel.
    client_.sayLast();
  }
  if (why == Errc::ProxyAuthRequired) {
    std::array<char, 192> challenge;
    http::HeadWriter writer(challenge);
    writer.append("Basic realm=\"");
    writer.append(forward().realm);
    writer.append("\", charset=\"UTF-8\"");
    client_.sendRefusal(
        {.code = why, .fieldName = "Proxy-Authenticate", .fieldValue = writer.view(), .page = {}});
    return;
  }
  if ((why != Errc::DestinationDenied && why != Errc::DestinationForbidden) || egress_ == nullptr) {
    client_.sendError(why);
    return;
  }
  std::array<char, 5> digits;
  const policy::Destination& destination = egress_->destination();
  const policy::PageValues values{
      .host = destination.host(),
      .port = decimal(destination.port, digits),
      .rule = route_ == nullptr ? std::string_view() : std::string_view(route_->name),
      .client = client_.addressText(),
      .user = egress_->user() == nullptr ? std::string_view() : egress_->user()->name,
      .reason = why == Errc::DestinationForbidden ? policy::kDeniedAddress
                : egress_->isPortRefused()        ? policy::kDeniedPort
                                                  : policy::kDeniedByRule};
  // The path has served its purpose; what the loop received may not be overwritten.
  const std::span<char> page = context_.http.path;
  const std::size_t size = policy::fillPage(forward().page, values, page);
  // Half a page is none.
  client_.sendRefusal({.code = why,
                       .fieldName = {},
                       .fieldValue = {},
                       .page = {page.data(), size <= page.size() ? size : 0}});
}

void Exchange::answerPac(const http::RequestHead& head) noexcept {
  std::string_view script = forward().pac;
  std::array<char, 1024> own;
  if (script.empty()) {
    http::HeadWriter writer(own);
    writer.append("function FindProxyForURL(url, host) { return \"");
    writer.append(client_.isTls() ? "HTTPS " : "PROXY ");
    std::array<char, 64> address;
    policy::Destination asked;
    if (!head.authority.empty() && policy::parseDestination(head.authority, 80, asked)) {
      writer.append(head.authority);
      if (head.authority.size() == head.host.size()) {
        writer.append(client_.isTls() ? ":443" : ":80");
      }
    } else {
      const net::IpPort here = client_.destination();
      const std::size_t length = here.isKnown() ? here.socketAddress().format(address) : 0;
      writer.append({address.data(), length});
    }
    writer.append("\"; }\n");
    script = writer.view();
  }
  status_ = 200;
  countResponse(script.size());
  client_.sendAnswer(200, "application/x-ns-proxy-autoconfig", script);
  complete();
}

} // namespace sluice::relay
