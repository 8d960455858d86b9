// Bucket arithmetic of the latency histogram; src/contract/codes.ts describes the layout.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "generated/codes.h"

namespace sluice {

[[nodiscard]] constexpr std::size_t histogramBucket(std::uint64_t ns) noexcept {
  if (ns < (std::uint64_t{1} << kHistogramMinShift)) {
    return 0;
  }
  const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1;
  if (shift >= kHistogramMaxShift) {
    return kHistogramBuckets - 1;
  }
  const std::uint64_t sub = (ns >> (shift - 5)) - kHistogramSub;
  return 1 + (shift - kHistogramMinShift) * kHistogramSub + static_cast<std::size_t>(sub);
}
static_assert(kHistogramSub == 32, "the shift by 5 above is log2 of it");

} // namespace sluice
