// A pool's targets as a strategy sees them during one pick. Positions are indices within the pool's
// targets. Lives on the stack of pick(); holds nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "balance/rng.h"
#include "plan/plan.h"

namespace sluice::balance {

struct PickInput {
  /// hashKey() of the client's address.
  std::uint32_t key = 0;
  /// The worker's own.
  Rng& rng;
  /// CLOCK_MONOTONIC.
  std::uint64_t nowMs = 0;
  /// Positions tried already for this work; short.
  std::span<const std::uint32_t> excluded;
};

struct Candidates {
  std::span<const plan::Target> targets;
  /// What src/balance made of the targets; decodePlan() has checked that every entry is a position.
  std::span<const std::uint32_t> table;
  const PickInput& input;

  [[nodiscard]] std::uint32_t count() const noexcept {
    return static_cast<std::uint32_t>(targets.size());
  }
  [[nodiscard]] bool isExcluded(std::uint32_t position) const noexcept {
    return std::find(input.excluded.begin(), input.excluded.end(), position) !=
           input.excluded.end();
  }
  [[nodiscard]] bool isUsable(std::uint32_t position) const noexcept {
    return targets[position].state->isUsable(input.nowMs) && !isExcluded(position);
  }
  [[nodiscard]] std::uint32_t inFlight(std::uint32_t position) const noexcept {
    // Relaxed: a load that is a moment old picks as well as any.
    return targets[position].state->inFlight.load(std::memory_order_relaxed);
  }

  /// The first usable position at or after `start`, round the end; -1 when there is none.
  [[nodiscard]] std::int32_t firstUsableFrom(std::uint32_t start) const noexcept {
    return firstUsableFrom(start, -1);
  }
  /// The same, passing over `other`.
  [[nodiscard]] std::int32_t firstUsableFrom(std::uint32_t start,
                                             std::int32_t other) const noexcept {
    for (std::uint32_t step = 0; step < count(); ++step) {
      const std::uint32_t position = (start + step) % count();
      if (static_cast<std::int32_t>(position) != other && isUsable(position)) {
        return static_cast<std::int32_t>(position);
      }
    }
    return -1;
  }
};

/// How busy a target is for its weight. The + 1 is the request at hand.
struct Load {
  std::uint32_t inFlight = 0;
  std::uint32_t weight = 1;

  [[nodiscard]] bool isLighterThan(const Load& other) const noexcept {
    return (std::uint64_t{inFlight} + 1) * other.weight <
           (std::uint64_t{other.inFlight} + 1) * weight;
  }
};

[[nodiscard]] inline Load loadOf(const Candidates& all, std::uint32_t position) noexcept {
  return {all.inFlight(position), all.targets[position].weight};
}

} // namespace sluice::balance
