// The limits that a configuration has by default.
#pragma once

#include "plan/plan.h"

namespace sluice::test {

inline constexpr plan::Limits kLimits{
    .headBytes = 32 * 1024, .headerCount = 100, .targetBytes = 8 * 1024, .bodyBytes = 0};

} // namespace sluice::test
