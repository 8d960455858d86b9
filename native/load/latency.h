// Clock and latency record of the load generators. Log-linear buckets: 64 to a power of two of
// nanoseconds, so that a percentile is within 1 % of the true one and recording costs a few
// instructions.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>

namespace bench {

[[nodiscard]] inline std::uint64_t nowNs() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(time.tv_nsec);
}

[[nodiscard]] inline std::uint64_t secondsToNs(double seconds) {
  return static_cast<std::uint64_t>(seconds * 1e9);
}

class Latencies {
 public:
  void record(std::uint64_t ns) {
    ++buckets_[bucketOf(ns)];
    ++count_;
    if (ns > largest_) {
      largest_ = ns;
    }
  }

  void forget() { *this = Latencies(); }

  /// Prints `"latencyUs": {…}` of a JSON object.
  void printJson() const {
    std::printf(
        "\"latencyUs\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p99_9\":%.1f,\"max\":%.1f}",
        percentileUs(0.5), percentileUs(0.9), percentileUs(0.99), percentileUs(0.999),
        static_cast<double>(largest_) / 1e3);
  }

 private:
  static constexpr std::size_t kSub = 64;
  static constexpr std::size_t kBuckets = (64 - 6 + 1) * kSub;

  [[nodiscard]] static std::size_t bucketOf(std::uint64_t ns) {
    if (ns < kSub) {
      return static_cast<std::size_t>(ns);
    }
    const auto shift = static_cast<std::size_t>(std::bit_width(ns)) - 7;
    return shift * kSub + static_cast<std::size_t>(ns >> shift);
  }

  [[nodiscard]] static double middleOf(std::size_t bucket) {
    if (bucket < 2 * kSub) {
      return static_cast<double>(bucket);
    }
    const std::size_t shift = bucket / kSub - 1;
    const double unit = static_cast<double>(std::uint64_t{1} << shift);
    return (static_cast<double>(bucket - shift * kSub) + 0.5) * unit;
  }

  [[nodiscard]] double percentileUs(double share) const {
    std::uint64_t seen = 0;
    const double wanted = share * static_cast<double>(count_);
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (buckets_[i] > 0 && static_cast<double>(seen) >= wanted) {
        return middleOf(i) / 1e3;
      }
    }
    return 0;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t largest_ = 0;
};

} // namespace bench
