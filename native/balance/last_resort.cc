#include <cstdint>

#include "balance/pick.h"

namespace sluice::balance {

std::int32_t lastResort(const plan::Plan& plan, const plan::Pool& pool,
                        const PickInput& input) noexcept {
  const Candidates all{plan.targetsOf(pool), pool.table, input};
  std::int32_t best = -1;
  std::uint64_t bestUntilMs = 0;
  for (std::uint32_t i = 0; i < all.count(); ++i) {
    const plan::TargetState& state = *all.targets[i].state;
    if (!state.isHealthy.load(std::memory_order_relaxed) || all.isExcluded(i)) {
      continue;
    }
    const std::uint64_t untilMs = state.ejectedUntilMs.load(std::memory_order_relaxed);
    if (best < 0 || untilMs < bestUntilMs) {
      best = static_cast<std::int32_t>(i);
      bestUntilMs = untilMs;
    }
  }
  return best;
}

} // namespace sluice::balance
