#include "balance/random.h"

namespace sluice::balance {

namespace {

/// Draws before the linear scan. With half the targets gone one pick in 65,536 comes to that.
constexpr int kDraws = 16;

} // namespace

std::int32_t drawUsable(const Candidates& all, std::int32_t other) noexcept {
  if (all.table.empty()) {
    return -1;
  }
  for (int draw = 0; draw < kDraws; ++draw) {
    const auto entry = all.input.rng.below(static_cast<std::uint32_t>(all.table.size()));
    const std::uint32_t position = all.table[entry];
    if (static_cast<std::int32_t>(position) != other && all.isUsable(position)) {
      return static_cast<std::int32_t>(position);
    }
  }
  return all.firstUsableFrom(all.input.rng.below(all.count()), other);
}

std::int32_t pickRandom(const Candidates& all) noexcept {
  return drawUsable(all, -1);
}

} // namespace sluice::balance
