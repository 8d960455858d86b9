#include "balance/ejection.h"

#include <algorithm>

namespace sluice::balance {

bool onFailure(const plan::Pool& pool, plan::TargetState& state, Errc why,
               std::uint64_t nowMs) noexcept {
  if (pool.ejectAfter == 0 || !errcInfo(why).isTargetFault) {
    return false;
  }
  std::uint64_t untilMs = state.ejectedUntilMs.load(std::memory_order_relaxed);
  if (untilMs > nowMs) {
    return false;
  }
  if (state.failures.fetch_add(1, std::memory_order_relaxed) + 1 < pool.ejectAfter) {
    return false;
  }
  // 31 doublings of a millisecond are weeks: more than any limit that a plan can hold.
  const std::uint32_t doublings =
      std::min(state.ejections.load(std::memory_order_relaxed), std::uint32_t{31});
  const std::uint64_t lengthMs =
      std::min(std::uint64_t{pool.ejectMs} << doublings, std::uint64_t{pool.maxEjectMs});
  // Of several workers that come here at once, the exchange lets one eject.
  if (!state.ejectedUntilMs.compare_exchange_strong(untilMs, nowMs + lengthMs,
                                                    std::memory_order_relaxed)) {
    return false;
  }
  state.ejections.fetch_add(1, std::memory_order_relaxed);
  state.failures.store(0, std::memory_order_relaxed);
  return true;
}

} // namespace sluice::balance
