// One measured round of a loop: a batch is found that lasts long enough for the clock not to matter
// (which also warms the caches), then batches run until the round's time is over.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sluice::micro {

struct Round {
  double nsPerOp = 0;
  std::uint64_t ops = 0;
};

/// The compiler must have computed `value` here, and may not know what it is good for.
template<typename T>
inline void keep(const T& value) noexcept {
  asm volatile("" : : "r,m"(value) : "memory");
}

/// `op(i)` is called with 0, 1, 2, ...
template<typename Op>
[[nodiscard]] Round measureRound(std::uint64_t roundNs, Op op) noexcept {
  using Clock = std::chrono::steady_clock;
  std::uint32_t next = 0;
  const auto batchNs = [&](std::uint64_t length) {
    const auto start = Clock::now();
    for (std::uint64_t i = 0; i < length; ++i) {
      op(next++);
    }
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
  };
  const std::uint64_t enoughNs = std::clamp<std::uint64_t>(roundNs / 16, 20'000, 1'000'000);
  std::uint64_t length = 1;
  while (batchNs(length) < enoughNs) {
    length *= 2;
  }
  std::uint64_t ops = 0;
  std::uint64_t spentNs = 0;
  do {
    spentNs += batchNs(length);
    ops += length;
  } while (spentNs < roundNs);
  return {static_cast<double>(spentNs) / static_cast<double>(ops), ops};
}

} // namespace sluice::micro
