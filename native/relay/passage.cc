#include "relay/passage.h"

#include <utility>

#include "balance/ejection.h"
#include "relay/slabs.h"

namespace sluice::relay {

Passage::Passage(Context& context, PassageOwner& owner, const upstream::PlanLease& plan,
                 std::uint32_t listener) noexcept
    : context_(context), owner_(owner), plan_(plan),
      listenerIndex_(listener), stats_{.listener = &context.shard(this->listener().stats)} {
  stats_.listener->add(Counter::Requests);
}

const plan::Listener& Passage::listener() const noexcept {
  return plan_->plan().listeners[listenerIndex_];
}
const plan::Pool& Passage::pool() const noexcept {
  return plan_->plan().pools[route_->action.pool];
}
const plan::Target& Passage::target() const noexcept {
  return plan_->plan().targets[tries_.target()];
}

std::string_view Passage::routeName() const noexcept {
  return route_ != nullptr ? std::string_view(route_->name) : std::string_view();
}
std::string_view Passage::targetName() const noexcept {
  return tries_.hasTarget() ? std::string_view(target().name) : std::string_view();
}

void Passage::enterRoute(const plan::Route& route) noexcept {
  route_ = &route;
  stats_.route = &context_.shard(route.stats);
  stats_.route->add(Counter::Requests);
  stats_.route->add(Counter::Active);
}

void Passage::begin(const Egress& egress, const net::SocketAddress& client) noexcept {
  egress_ = &egress;
  client_ = client;
  stats_.pool = &context_.shard(pool().stats);
  stats_.pool->add(Counter::Requests);
  stats_.pool->add(Counter::Active);
  tryNext(Errc::NoTarget);
}

void Passage::tryNext(Errc why) noexcept {
  while (tries_.next(context_, plan_->plan(), pool(), client_, stats_)) {
    stats_.target->add(Counter::Requests);
    if (dialTarget(why)) {
      return;
    }
    if (!tries_.giveUp(context_, plan_->plan(), pool(), why, stats_)) {
      break;
    }
  }
  owner_.onNotReached(why);
}

/// False and `why` when it fails at once.
bool Passage::dialTarget(Errc& why) noexcept {
  dial_ = context_.slabs.dial.make(context_, *this, plan_);
  if (dial_ == nullptr) {
    why = Errc::OutOfMemory;
    return false;
  }
  const std::uint32_t timeoutMs = listener().timeouts.connectMs;
  const plan::Forward& forward = *plan_->plan().forwardOf(listener());
  const Errc begun = pool().kind == PoolKind::Direct
                         ? dial_->connect(egress_->addresses(), forward, timeoutMs)
                         : dial_->connectVia(pool(), plan_->pool(tries_.target()),
                                             egress_->destination(), timeoutMs);
  if (begun == Errc::None) {
    return true;
  }
  dropDial();
  why = begun;
  return false;
}

void Passage::onDialed(net::Stream& upstream, std::string_view early) noexcept {
  reachedNs_ = context_.loop.nowNs();
  stats_.target->add(Counter::Connections);
  balance::onSuccess(*target().state);
  owner_.onReached(upstream, early);
}

void Passage::onDialFailed(Errc why) noexcept {
  dropDial();
  if (tries_.giveUp(context_, plan_->plan(), pool(), why, stats_)) {
    tryNext(why);
  } else {
    owner_.onNotReached(why);
  }
}

void Passage::dropDial() noexcept {
  if (dial_ != nullptr) {
    std::exchange(dial_, nullptr)->drop();
  }
}

void Passage::abort() noexcept {
  if (dial_ != nullptr && reachedNs_ != 0) {
    dial_->stream().abort();
  }
}

void Passage::leave() noexcept {
  tries_.release(plan_->plan(), stats_);
  for (plan::StatShard** entered : {&stats_.route, &stats_.pool}) {
    if (*entered != nullptr) {
      std::exchange(*entered, nullptr)->sub(Counter::Active);
    }
  }
  dropDial();
}

} // namespace sluice::relay
