// Two different targets by weighted chance, and of them the one with less in flight for its weight:
// nearly as even as least-connections without looking at every target (Mitzenmacher 2001).
#pragma once

#include <cstdint>

#include "balance/candidates.h"

namespace sluice::balance {

[[nodiscard]] std::int32_t pickPowerOfTwoChoices(const Candidates& all) noexcept;

} // namespace sluice::balance
