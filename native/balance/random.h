// A target by chance, in proportion to its weight.
#pragma once

#include <cstdint>

#include "balance/candidates.h"

namespace sluice::balance {

[[nodiscard]] std::int32_t pickRandom(const Candidates& all) noexcept;

/// A usable target by weighted chance that is not `other`; -1 when there is none.
[[nodiscard]] std::int32_t drawUsable(const Candidates& all, std::int32_t other) noexcept;

} // namespace sluice::balance
