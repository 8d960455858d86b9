#include "plan/state.h"

namespace sluice::plan {

namespace {

template<typename T, typename Table, typename... Args>
std::shared_ptr<T> findOrMake(Table& table, const std::string& key, Args... args) {
  std::weak_ptr<T>& slot = table[key];
  std::shared_ptr<T> found = slot.lock();
  if (!found) {
    found = std::make_shared<T>(args...);
    slot = found;
  }
  return found;
}

template<typename Table>
void pruneTable(Table& table) {
  std::erase_if(table, [](const auto& entry) { return entry.second.expired(); });
}

double value(const std::atomic<std::uint64_t>& cell) noexcept {
  return static_cast<double>(cell.load(std::memory_order_relaxed));
}

} // namespace

void StatShard::addTo(double* into) const noexcept {
  for (const Cell& cell : counters_) {
    // A gauge may be raised by one worker's shard and lowered by the same one only, so it never
    // wraps.
    *into++ += value(cell);
  }
  for (const Cell& cell : errors_) {
    *into++ += value(cell);
  }
  for (const Cell& cell : buckets_) {
    *into++ += value(cell);
  }
  *into += value(latencySumNs_);
}

std::shared_ptr<EntityStats> StateRegistry::stats(const std::string& key) {
  return findOrMake<EntityStats>(stats_, key, workers_);
}
std::shared_ptr<ListenerState> StateRegistry::listener(const std::string& key) {
  return findOrMake<ListenerState>(listeners_, key);
}
std::shared_ptr<PoolState> StateRegistry::pool(const std::string& key) {
  return findOrMake<PoolState>(pools_, key);
}
std::shared_ptr<TargetState> StateRegistry::target(const std::string& key) {
  return findOrMake<TargetState>(targets_, key);
}

std::shared_ptr<UserState> StateRegistry::user(const std::string& key) {
  return findOrMake<UserState>(users_, key);
}

std::shared_ptr<const LargeBytes> StateRegistry::list(const std::string& digest,
                                                      std::span<const std::uint8_t> bytes) {
  std::weak_ptr<const LargeBytes>& slot = lists_[digest];
  std::shared_ptr<const LargeBytes> found = slot.lock();
  if (!found) {
    found = std::make_shared<const LargeBytes>(bytes.begin(), bytes.end());
    slot = found;
  }
  return found;
}

void StateRegistry::prune() {
  pruneTable(stats_);
  pruneTable(listeners_);
  pruneTable(pools_);
  pruneTable(targets_);
  pruneTable(users_);
  pruneTable(lists_);
}

} // namespace sluice::plan
