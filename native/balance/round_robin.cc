#include "balance/round_robin.h"

namespace sluice::balance {

std::int32_t pickRoundRobin(const Candidates& all, plan::PoolState& state) noexcept {
  for (std::size_t attempt = 0; attempt < all.table.size(); ++attempt) {
    // A long table without a usable target is not worth walking to its end.
    if (attempt == all.count() && all.firstUsableFrom(0) < 0) {
      return -1;
    }
    // Relaxed: turns must be unique, nothing is published with them.
    const std::uint64_t turn = state.cursor.fetch_add(1, std::memory_order_relaxed);
    const std::uint32_t position = all.table[turn % all.table.size()];
    if (all.isUsable(position)) {
      return static_cast<std::int32_t>(position);
    }
  }
  return all.firstUsableFrom(0);
}

} // namespace sluice::balance
