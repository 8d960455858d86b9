// A client keeps its target as long as that is usable. When it is not, the client's key is hashed
// again until it meets one that is, so only the clients of the lost target move, and they spread
// over all the others.
#pragma once

#include <cstdint>

#include "balance/candidates.h"

namespace sluice::balance {

[[nodiscard]] std::int32_t pickIpHash(const Candidates& all) noexcept;

} // namespace sluice::balance
