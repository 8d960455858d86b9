// One worker's side of a target: where it is and the idle upstream connections to it, newest first
// (the one used last is the likeliest to be alive and warm). Lives as long as a plan of this worker
// names the target or an upstream of it is open; once no plan does it is retired, and nothing is
// pooled again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "net/socket_address.h"
#include "plan/plan.h"
#include "tls/client_context.h"
#include "tls/server_context.h"

namespace sluice::upstream {

/// An upstream connection that is waiting for its next request.
class IdleUpstream {
 public:
  /// Its target is retired or the worker stops: close. It is out of the pool already.
  virtual void onEvicted() noexcept = 0;

 protected:
  ~IdleUpstream() = default;

 private:
  friend class TargetPool;
  IdleUpstream* newer_ = nullptr;
  IdleUpstream* older_ = nullptr;
};

/// How many more connections may idle in all pools that share it.
struct IdleBudget {
  std::uint32_t left = 0;
};

class TargetPool {
 public:
  /// `tls`: null for a target that is spoken to in plain.
  TargetPool(const plan::Target& target, std::shared_ptr<tls::TargetTls> tls) noexcept;
  /// Of a destination that is no target of a plan, in plain.
  TargetPool(const net::SocketAddress& address, std::shared_ptr<IdleBudget> budget) noexcept
      : address_(address), budget_(std::move(budget)) {}
  TargetPool(const TargetPool&) = delete;
  TargetPool& operator=(const TargetPool&) = delete;

  [[nodiscard]] const net::SocketAddress& address() const noexcept { return address_; }
  /// Null: plain.
  [[nodiscard]] const std::shared_ptr<tls::TargetTls>& tls() const noexcept { return tls_; }

  /// The connection used last, taken out; null when there is none.
  [[nodiscard]] IdleUpstream* take() noexcept;
  /// False when the connection may not be kept: the target is retired or `maxIdle` wait already.
  [[nodiscard]] bool give(IdleUpstream& upstream, std::uint32_t maxIdle) noexcept;
  /// The connection died while idle.
  void remove(IdleUpstream& upstream) noexcept;
  /// Evicts all and keeps none from now on.
  void retire() noexcept;
  /// Nothing idles here.
  [[nodiscard]] bool isEmpty() const noexcept { return newest_ == nullptr; }

 private:
  void evictAll() noexcept;

  net::SocketAddress address_;
  std::shared_ptr<tls::TargetTls> tls_;
  /// Null: as many as the pool's own bound allows.
  std::shared_ptr<IdleBudget> budget_;
  IdleUpstream* newest_ = nullptr;
  std::uint32_t idle_ = 0;
  bool isRetired_ = false;
};

/// One worker's contexts for the TLS of a plan, at the plan's positions.
struct PlanTls {
  std::vector<std::shared_ptr<tls::ServerContext>> servers;
  std::vector<std::shared_ptr<tls::ClientContext>> clients;
};

/// A plan as one worker carries it out. Counted, not shared: leases are taken and returned on that
/// worker.
class ActivePlan {
 public:
  ActivePlan(std::shared_ptr<const plan::Plan> plan, std::vector<std::uint16_t> logs,
             PlanTls tls) noexcept
      : plan_(std::move(plan)), logs_(std::move(logs)), tls_(std::move(tls)) {}

  [[nodiscard]] const plan::Plan& plan() const noexcept { return *plan_; }
  [[nodiscard]] const std::shared_ptr<TargetPool>& pool(std::uint32_t target) const noexcept {
    return pools_[target];
  }
  /// The access log of a listener; kNoLog = none.
  [[nodiscard]] std::uint16_t log(std::uint32_t listener) const noexcept { return logs_[listener]; }
  static constexpr std::uint16_t kNoLog = 0xffff;
  /// Only for listeners that end TLS.
  [[nodiscard]] const std::shared_ptr<tls::ServerContext>&
  serverTls(const plan::Listener& listener) const noexcept {
    return tls_.servers[listener.serverTls];
  }

 private:
  friend class PlanLease;
  friend class TargetPools;

  std::shared_ptr<const plan::Plan> plan_;
  std::vector<std::uint16_t> logs_;
  PlanTls tls_;
  std::vector<std::shared_ptr<TargetPool>> pools_;
  std::uint32_t leases_ = 0;
};

/// Keeps a plan alive for a flow that began under it.
class PlanLease {
 public:
  PlanLease() noexcept = default;
  explicit PlanLease(ActivePlan* plan) noexcept : plan_(plan) {
    if (plan_ != nullptr) {
      ++plan_->leases_;
    }
  }
  PlanLease(const PlanLease& other) noexcept : PlanLease(other.plan_) {}
  PlanLease(PlanLease&& other) noexcept : plan_(std::exchange(other.plan_, nullptr)) {}
  PlanLease& operator=(PlanLease other) noexcept {
    std::swap(plan_, other.plan_);
    return *this;
  }
  ~PlanLease() {
    if (plan_ != nullptr && --plan_->leases_ == 0) {
      delete plan_;
    }
  }

  explicit operator bool() const noexcept { return plan_ != nullptr; }
  [[nodiscard]] const ActivePlan& operator*() const noexcept { return *plan_; }
  [[nodiscard]] const ActivePlan* operator->() const noexcept { return plan_; }
  [[nodiscard]] bool operator==(const PlanLease& other) const noexcept = default;

 private:
  ActivePlan* plan_ = nullptr;
};

/// The pools of one worker, found again when the next plan names the same target.
class TargetPools {
 public:
  /// Takes a plan into force: retires the pools of targets that it does not name.
  [[nodiscard]] PlanLease activate(std::shared_ptr<const plan::Plan> plan,
                                   std::vector<std::uint16_t> logs, PlanTls tls);
  /// Evicts every idle upstream.
  void retireAll() noexcept;

 private:
  std::unordered_map<const plan::TargetState*, std::shared_ptr<TargetPool>> pools_;
};

/// The kernel's form of a configured address.
[[nodiscard]] net::SocketAddress toSocketAddress(const plan::Address& address) noexcept;

} // namespace sluice::upstream
