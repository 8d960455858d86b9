// Maglev hashing (Eisenbud et al., NSDI 2016): the table, made by src/balance/maglev.ts, does the
// work; a client whose target is not usable goes to the next usable entry after its own.
#pragma once

#include <cstdint>

#include "balance/candidates.h"

namespace sluice::balance {

[[nodiscard]] std::int32_t pickMaglev(const Candidates& all) noexcept;

} // namespace sluice::balance
