#include "upstream/target_pool.h"

#include <utility>

namespace sluice::upstream {

net::SocketAddress toSocketAddress(const plan::Address& address) noexcept {
  if (address.family == AddressFamily::Unix) {
    return net::SocketAddress::unixPath(address.path);
  }
  return net::SocketAddress::ip(address.family, address.bytes, address.port);
}

TargetPool::TargetPool(const plan::Target& target, std::shared_ptr<tls::TargetTls> tls) noexcept
    : address_(toSocketAddress(target.address)), tls_(std::move(tls)) {}

IdleUpstream* TargetPool::take() noexcept {
  IdleUpstream* upstream = newest_;
  if (upstream != nullptr) {
    remove(*upstream);
  }
  return upstream;
}

bool TargetPool::give(IdleUpstream& upstream, std::uint32_t maxIdle) noexcept {
  if (isRetired_ || idle_ >= maxIdle || (budget_ != nullptr && budget_->left == 0)) {
    return false;
  }
  if (budget_ != nullptr) {
    --budget_->left;
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
  if (budget_ != nullptr) {
    ++budget_->left;
  }
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

namespace {

/// What was agreed on with a target holds as long as it would be agreed on again.
bool speaksAs(const TargetPool& pool, const tls::ClientContext* context,
              const std::string& name) noexcept {
  if (context == nullptr || pool.tls() == nullptr) {
    return context == nullptr && pool.tls() == nullptr;
  }
  return pool.tls()->sharedContext().get() == context && pool.tls()->name() == name;
}

} // namespace

PlanLease TargetPools::activate(std::shared_ptr<const plan::Plan> plan,
                                std::vector<std::uint16_t> logs, PlanTls tls) {
  std::unordered_map<const plan::TargetState*, std::shared_ptr<TargetPool>> next;
  auto active = std::make_unique<ActivePlan>(std::move(plan), std::move(logs), std::move(tls));
  for (const plan::Target& target : active->plan().targets) {
    const std::shared_ptr<tls::ClientContext> context =
        target.clientTls == plan::kNone ? nullptr : active->tls_.clients[target.clientTls];
    const auto known = pools_.find(target.state.get());
    std::shared_ptr<TargetPool> pool;
    if (known != pools_.end() && speaksAs(*known->second, context.get(), target.serverName)) {
      pool = known->second;
    } else {
      pool = std::make_shared<TargetPool>(
          target, context == nullptr
                      ? nullptr
                      : std::make_shared<tls::TargetTls>(context, target.serverName));
    }
    next.emplace(target.state.get(), pool);
    active->pools_.push_back(std::move(pool));
  }
  for (const auto& [state, pool] : pools_) {
    const auto kept = next.find(state);
    if (kept == next.end() || kept->second != pool) {
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
