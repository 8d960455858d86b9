#include "upstream/origins.h"

namespace sluice::upstream {

const std::shared_ptr<TargetPool>* Origins::find(const net::SocketAddress& address) const noexcept {
  const auto known = pools_.find(address);
  return known == pools_.end() ? nullptr : &known->second;
}

std::shared_ptr<TargetPool> Origins::at(const net::SocketAddress& address) {
  if (const auto* known = find(address)) {
    return *known;
  }
  if (pools_.size() >= kMaxPools) {
    std::erase_if(pools_, [](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->isEmpty();
    });
  }
  auto pool = std::make_shared<TargetPool>(address);
  if (pools_.size() >= kMaxPools) {
    pool->retire();
    return pool;
  }
  pools_.emplace(address, pool);
  return pool;
}

void Origins::retireAll() noexcept {
  for (const auto& [address, pool] : pools_) {
    pool->retire();
  }
  pools_.clear();
}

} // namespace sluice::upstream
