// Bytes -> Plan: the other side of src/plan/encode.ts. Trusts nothing: every count, code, index and
// range is checked, so that no later code has to. Free of N-API, so that tests and fuzzers use it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "plan/plan.h"

namespace sluice::plan {

struct Decoded {
  /// Null when the bytes are not a plan.
  std::shared_ptr<const Plan> plan;
  /// What was wrong.
  std::string problem;
};

/// `registry` gives entities that the plan shares with earlier ones the state they had.
[[nodiscard]] Decoded decodePlan(std::span<const std::uint8_t> bytes, StateRegistry& registry);

} // namespace sluice::plan
