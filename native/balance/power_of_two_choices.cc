#include "balance/power_of_two_choices.h"

#include "balance/random.h"

namespace sluice::balance {

std::int32_t pickPowerOfTwoChoices(const Candidates& all) noexcept {
  const std::int32_t first = drawUsable(all, -1);
  if (first < 0 || all.count() == 1) {
    return first;
  }
  const std::int32_t second = drawUsable(all, first);
  if (second < 0) {
    return first;
  }
  const Load loadOfFirst = loadOf(all, static_cast<std::uint32_t>(first));
  const Load loadOfSecond = loadOf(all, static_cast<std::uint32_t>(second));
  return loadOfSecond.isLighterThan(loadOfFirst) ? second : first;
}

} // namespace sluice::balance
