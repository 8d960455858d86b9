#include "balance/least_connections.h"

namespace sluice::balance {

std::int32_t pickLeastConnections(const Candidates& all, plan::PoolState& state) noexcept {
  std::int32_t best = -1;
  Load bestLoad;
  std::uint32_t ties = 0;
  for (std::uint32_t i = 0; i < all.count(); ++i) {
    if (!all.isUsable(i)) {
      continue;
    }
    const Load load = loadOf(all, i);
    if (best < 0 || load.isLighterThan(bestLoad)) {
      best = static_cast<std::int32_t>(i);
      bestLoad = load;
      ties = 1;
    } else if (!bestLoad.isLighterThan(load)) {
      ++ties;
    }
  }
  if (ties <= 1) {
    return best;
  }
  // Relaxed: turns must be unique, nothing is published with them.
  std::uint64_t turn = state.cursor.fetch_add(1, std::memory_order_relaxed) % ties;
  // Other workers change loads meanwhile; then the best of a moment ago will do.
  for (auto i = static_cast<std::uint32_t>(best); i < all.count(); ++i) {
    if (!all.isUsable(i) || bestLoad.isLighterThan(loadOf(all, i))) {
      continue;
    }
    if (turn-- == 0) {
      return static_cast<std::int32_t>(i);
    }
  }
  return best;
}

} // namespace sluice::balance
