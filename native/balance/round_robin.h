// Targets in turn, each as often as its weight says. The cursor is shared by all workers, so two
// equal targets alternate strictly whichever worker asks. Turns of a target that is not usable are
// used up by whoever meets them, so the others keep their order and their even shares.
#pragma once

#include <cstdint>

#include "balance/candidates.h"

namespace sluice::balance {

[[nodiscard]] std::int32_t pickRoundRobin(const Candidates& all, plan::PoolState& state) noexcept;

} // namespace sluice::balance
