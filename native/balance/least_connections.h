// The target with the least in flight for its weight. Targets that are equally busy take turns, by
// the pool's shared cursor, so a quiet pool is used evenly.
#pragma once

#include <cstdint>

#include "balance/candidates.h"

namespace sluice::balance {

[[nodiscard]] std::int32_t pickLeastConnections(const Candidates& all,
                                                plan::PoolState& state) noexcept;

} // namespace sluice::balance
