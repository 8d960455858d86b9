#include "upstream/target_pool.h"

#include <utility>

namespace sluice::upstream {

net::SocketAddress toSocketAddress(const plan::Address& address) noexcept {
  if (address.family == AddressFamily::Unix) {
    return net::SocketAddress::unixPath(address.path);
  }
  return net::SocketAddress::ip(address.family, address.bytes, address.port);
}

TargetPool::TargetPool(const plan::Target& target) noexcept
    : address_(toSocketAddress(target.address)), state_(target.state) {}

IdleUpstream* TargetPool::take() noexcept {
  IdleUpstream* upstream = newest_;
  if (upstream != nullptr) {
    remove(*upstream);
  }
  return upstream;
}

bool TargetPool::give(IdleUpstream& upstream, std::uint32_t maxIdle) noexcept {
  if (isRetired_ || idle_ >= maxIdle) {
    return false;
  }
  upstream.older_ = newest_;
  upstream.newer_ = nullptr;
  if (newest_ != nullptr) {
    newest_->newer_ = &upstream;
  }
  newest_ = &upstream;
  ++idle_;
  return true;
}

void TargetPool::remove(IdleUpstream& upstream) noexcept {
  (upstream.newer_ != nullptr ? upstream.newer_->older_ : newest_) = upstream.older_;
  if (upstream.older_ != nullptr) {
    upstream.older_->newer_ = upstream.newer_;
  }
  upstream.newer_ = nullptr;
  upstream.older_ = nullptr;
  --idle_;
}

void TargetPool::evictAll() noexcept {
  while (IdleUpstream* upstream = take()) {
    upstream->onEvicted();
  }
}

void TargetPool::retire() noexcept {
  isRetired_ = true;
  evictAll();
}

PlanLease TargetPools::activate(std::shared_ptr<const plan::Plan> plan,
                                std::vector<std::uint16_t> logs) {
  std::unordered_map<const plan::TargetState*, std::shared_ptr<TargetPool>> next;
  auto active = std::make_unique<ActivePlan>(std::move(plan), std::move(logs));
  for (const plan::Target& target : active->plan().targets) {
    const auto known = pools_.find(target.state.get());
    auto pool = known != pools_.end() ? known->second : std::make_shared<TargetPool>(target);
    next.emplace(target.state.get(), pool);
    active->pools_.push_back(std::move(pool));
  }
  for (const auto& [state, pool] : pools_) {
    if (!next.contains(state)) {
      pool->retire();
    }
  }
  pools_ = std::move(next);
  return PlanLease(active.release());
}

void TargetPools::retireAll() noexcept {
  for (const auto& [state, pool] : pools_) {
    pool->retire();
  }
}

} // namespace sluice::upstream
