// Clock and latency record of the load generators. Log-linear buckets: 64 to a power of two of
// nanoseconds, so that a percentile is within 1 % of the true one and recording costs a few
// instructions.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>

namespace sluice::load {

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
    largest_ = std::max(largest_, ns);
  }

  [[nodiscard]] std::uint64_t count() const { return count_; }

  /// Prints `"<name>":{…}` of a JSON object, in microseconds.
  void printJson(const char* name) const {
    std::printf("\"%s\":{\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f}", name,
                percentileUs(0.5), percentileUs(0.9), percentileUs(0.99), percentileUs(0.999),
                static_cast<double>(largest_) / 1e3);
  }

  /// Prints `"histogram":[…]`: the buckets that hold anything, as [upper bound in us, count].
  void printHistogram() const {
    std::printf("\"histogram\":[");
    const char* separator = "";
    for (std::size_t i = 0; i < kBuckets; ++i) {
      if (buckets_[i] > 0) {
        std::printf("%s[%.3f,%llu]", separator, static_cast<double>(endOf(i)) / 1e3,
                    static_cast<unsigned long long>(buckets_[i]));
        separator = ",";
      }
    }
    std::printf("]");
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

  /// First nanosecond after a bucket.
  [[nodiscard]] static std::uint64_t endOf(std::size_t bucket) {
    if (bucket < 2 * kSub) {
      return bucket + 1;
    }
    const std::size_t shift = bucket / kSub - 1;
    return (bucket - shift * kSub + 1) << shift;
  }

  [[nodiscard]] static double middleOf(std::size_t bucket) {
    const std::uint64_t begin = bucket == 0 ? 0 : endOf(bucket - 1);
    return static_cast<double>(begin + endOf(bucket)) / 2;
  }

  [[nodiscard]] double percentileUs(double share) const {
    std::uint64_t seen = 0;
    const double wanted = share * static_cast<double>(count_);
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (buckets_[i] > 0 && static_cast<double>(seen) >= wanted) {
        return std::min(middleOf(i), static_cast<double>(largest_)) / 1e3;
      }
    }
    return 0;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  std::uint64_t largest_ = 0;
};

} // namespace sluice::load
