#include "balance/maglev.h"

namespace sluice::balance {

std::int32_t pickMaglev(const Candidates& all) noexcept {
  for (std::size_t step = 0; step < all.table.size(); ++step) {
    // A long table without a usable target is not worth walking to its end.
    if (step == all.count() && all.firstUsableFrom(0) < 0) {
      return -1;
    }
    const std::uint32_t position = all.table[(all.input.key + step) % all.table.size()];
    if (all.isUsable(position)) {
      return static_cast<std::int32_t>(position);
    }
  }
  return all.firstUsableFrom(0);
}

} // namespace sluice::balance
