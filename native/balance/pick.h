// Choosing a target: the only entry into balance/ for a relay. Pure but for the pool's cursor and
// the worker's random numbers; never allocates, locks or waits. src/balance is the reference,
// test/vectors/balance the truth for both.
#pragma once

#include <cstdint>

#include "balance/candidates.h"
#include "plan/plan.h"

namespace sluice::balance {

/// Position within the pool's targets by the pool's strategy; -1 when no target is usable.
[[nodiscard]] std::int32_t pick(const plan::Plan& plan, const plan::Pool& pool,
                                const PickInput& input) noexcept;

/// For when pick() found none: trying an ejected target beats answering 503 without trying. The
/// healthy target not yet tried with the least time left of its ejection; -1 when there is none.
[[nodiscard]] std::int32_t lastResort(const plan::Plan& plan, const plan::Pool& pool,
                                      const PickInput& input) noexcept;

} // namespace sluice::balance
