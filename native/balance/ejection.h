// Passive ejection: a target that fails is set aside for a while. The rules are told in
// src/balance/ejection.ts. Called by any worker at any time; concurrent failures eject once.
#pragma once

#include <cstdint>

#include "plan/plan.h"

namespace sluice::balance {

/// True when this failure has ejected the target. What says nothing about it is nothing to it.
bool onFailure(const plan::Pool& pool, plan::TargetState& state, Errc why,
               std::uint64_t nowMs) noexcept;

/// On the way of every answer, hence reads before it writes: a written line is one that no core can
/// share.
inline void onSuccess(plan::TargetState& state) noexcept {
  // Relaxed: counts that stand alone.
  if (state.failures.load(std::memory_order_relaxed) != 0) {
    state.failures.store(0, std::memory_order_relaxed);
  }
  if (state.ejections.load(std::memory_order_relaxed) != 0) {
    state.ejections.store(0, std::memory_order_relaxed);
  }
}

} // namespace sluice::balance
