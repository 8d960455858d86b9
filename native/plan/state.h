// What outlives a plan: the counters of an entity and the live state of pools and targets. A plan
// holds these by shared_ptr; StateRegistry finds them again by key when the next plan names the
// same entity, so counters go on and an ejected target stays ejected across a reload. Whoever still
// serves an old plan keeps its entities alive, nobody else does.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/cache_line.h"
#include "base/histogram.h"
#include "base/large_bytes.h"
#include "generated/codes.h"

namespace sluice::plan {

/// One worker's share of an entity's statistics. That worker alone writes; the main thread reads at
/// any time. Relaxed order throughout: each number is independent, a reader may see them a moment
/// apart.
class alignas(kCacheLine) StatShard {
 public:
  void add(Counter counter, std::uint64_t n = 1) noexcept {
    bump(counters_[static_cast<std::size_t>(counter)], n);
  }
  void sub(Counter counter, std::uint64_t n = 1) noexcept {
    bump(counters_[static_cast<std::size_t>(counter)], ~n + 1);
  }
  void error(Errc code) noexcept { bump(errors_[static_cast<std::size_t>(code)], 1); }
  void latency(std::uint64_t ns) noexcept {
    bump(buckets_[histogramBucket(ns)], 1);
    bump(latencySumNs_, ns);
  }

  /// Adds this shard to `into`, which holds kStatsStride doubles.
  void addTo(double* into) const noexcept;

 private:
  using Cell = std::atomic<std::uint64_t>;
  // Not fetch_add: with a single writer a plain load and store is enough, and has no lock prefix.
  static void bump(Cell& cell, std::uint64_t n) noexcept {
    cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  std::array<Cell, kCounterCount> counters_{};
  std::array<Cell, kErrcCount> errors_{};
  std::array<Cell, kHistogramBuckets> buckets_{};
  Cell latencySumNs_{0};
};

/// The shards of one entity, one a worker.
class EntityStats {
 public:
  explicit EntityStats(std::size_t workers) : shards_(workers) {}
  [[nodiscard]] StatShard& of(std::size_t worker) noexcept { return shards_[worker]; }
  [[nodiscard]] const std::vector<StatShard>& shards() const noexcept { return shards_; }

 private:
  std::vector<StatShard> shards_;
};

/// What the listener's workers share: how many connections are open over all of them.
struct alignas(kCacheLine) ListenerState {
  /// Any worker adds and subtracts; relaxed, since only the count matters.
  std::atomic<std::uint32_t> connections{0};
};

/// What strategies share across workers so that they are right for the whole process.
struct alignas(kCacheLine) PoolState {
  /// Round robin: position of the next pick. Any worker adds one; relaxed, since only uniqueness
  /// matters.
  std::atomic<std::uint64_t> cursor{0};
};

/// Any worker writes, any worker reads; each field stands alone, hence relaxed order.
struct alignas(kCacheLine) TargetState {
  /// Requests, connections or sessions in flight over all workers.
  std::atomic<std::uint32_t> inFlight{0};
  /// Failures in a row since the last success.
  std::atomic<std::uint32_t> failures{0};
  /// Ejections in a row: each doubles the next one's length.
  std::atomic<std::uint32_t> ejections{0};
  /// CLOCK_MONOTONIC milliseconds until which the target is set aside; 0 = in use.
  std::atomic<std::uint64_t> ejectedUntilMs{0};
  /// For active health checks; true as long as nobody checks.
  std::atomic<bool> isHealthy{true};

  [[nodiscard]] bool isUsable(std::uint64_t nowMs) const noexcept {
    return isHealthy.load(std::memory_order_relaxed) &&
           ejectedUntilMs.load(std::memory_order_relaxed) <= nowMs;
  }
};

/// What a user of forward proxies has used, over all workers. Any worker writes, any worker reads;
/// each field stands alone, hence relaxed order.
struct alignas(kCacheLine) UserState {
  /// Requests and tunnels at this time.
  std::atomic<std::uint32_t> active{0};
  std::atomic<std::uint64_t> requests{0};
  /// Towards destinations, and back.
  std::atomic<std::uint64_t> bytesIn{0};
  std::atomic<std::uint64_t> bytesOut{0};
  /// The local day that bytesToday counts for, in days since 1970.
  std::atomic<std::uint64_t> day{0};
  std::atomic<std::uint64_t> bytesToday{0};
  /// CLOCK_MONOTONIC nanoseconds at which what was moved so far is within the bandwidth.
  std::atomic<std::uint64_t> paidUntilNs{0};
};

/// Finds the state of entities that a new plan shares with older ones. Main thread only.
class StateRegistry {
 public:
  explicit StateRegistry(std::size_t workers) : workers_(workers) {}

  std::shared_ptr<EntityStats> stats(const std::string& key);
  std::shared_ptr<ListenerState> listener(const std::string& key);
  std::shared_ptr<PoolState> pool(const std::string& key);
  std::shared_ptr<TargetState> target(const std::string& key);
  std::shared_ptr<UserState> user(const std::string& key);
  /// The bytes of a list, which lists with the same digest share.
  std::shared_ptr<const LargeBytes> list(const std::string& digest,
                                         std::span<const std::uint8_t> bytes);
  /// Forgets entities that no plan holds any more.
  void prune();
  [[nodiscard]] std::size_t workers() const noexcept { return workers_; }
  /// Entities that it would find.
  [[nodiscard]] std::size_t size() const noexcept {
    return stats_.size() + listeners_.size() + pools_.size() + targets_.size() + users_.size() +
           lists_.size();
  }

 private:
  template<typename T>
  using Table = std::unordered_map<std::string, std::weak_ptr<T>>;

  std::size_t workers_;
  Table<EntityStats> stats_;
  Table<ListenerState> listeners_;
  Table<PoolState> pools_;
  Table<TargetState> targets_;
  Table<UserState> users_;
  Table<const LargeBytes> lists_;
};

} // namespace sluice::plan
