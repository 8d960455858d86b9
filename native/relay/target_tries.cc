#include "relay/target_tries.h"

#include <algorithm>
#include <utility>

#include "balance/ejection.h"
#include "balance/hash.h"
#include "balance/pick.h"

namespace sluice::relay {

bool TargetTries::hasLeft(const plan::Pool& pool) const noexcept {
  const std::size_t allowed = std::min<std::size_t>(pool.retries + std::size_t{1}, kMaxTries);
  return tries_ < allowed && tries_ < pool.targets.count;
}

bool TargetTries::next(Context& context, const plan::Plan& plan, const plan::Pool& pool,
                       const net::SocketAddress& client, FlowStats& stats) noexcept {
  if (!hasLeft(pool)) {
    return false;
  }
  const balance::PickInput input{.key = balance::hashKey(client.ipBytes()),
                                 .rng = context.rng,
                                 .nowMs = context.loop.nowMs(),
                                 .excluded = {tried_.data(), tries_}};
  std::int32_t picked = balance::pick(plan, pool, input);
  if (picked < 0) {
    picked = balance::lastResort(plan, pool, input);
  }
  if (picked < 0) {
    return false;
  }
  tried_[tries_++] = static_cast<std::uint32_t>(picked);
  target_ = pool.targets.first + static_cast<std::uint32_t>(picked);
  hasTarget_ = true;
  const plan::Target& target = plan.targets[target_];
  // Relaxed: a count that strategies read, which orders nothing.
  target.state->inFlight.fetch_add(1, std::memory_order_relaxed);
  stats.target = &context.shard(target.stats);
  stats.target->add(Counter::Active);
  return true;
}

bool TargetTries::giveUp(Context& context, const plan::Plan& plan, const plan::Pool& pool, Errc why,
                         FlowStats& stats) noexcept {
  if (errcInfo(why).side == Side::Internal) {
    // Our own shortage is not the target's failure, and another target would not help.
    return false;
  }
  balance::onFailure(pool, *plan.targets[target_].state, why, context.loop.nowMs());
  if (!hasLeft(pool)) {
    return false;
  }
  stats.target->error(why);
  stats.add(Counter::Retries);
  release(plan, stats);
  return true;
}

void TargetTries::release(const plan::Plan& plan, FlowStats& stats) noexcept {
  if (std::exchange(hasTarget_, false)) {
    plan.targets[target_].state->inFlight.fetch_sub(1, std::memory_order_relaxed);
    stats.target->sub(Counter::Active);
    stats.target = nullptr;
  }
}

} // namespace sluice::relay
