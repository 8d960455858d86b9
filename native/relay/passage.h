// The way of one client of a forward proxy from a rule's decision to a connection that becomes its
// tunnel: the route and the pool, one target after the other, and a dial to each. What it counts
// for is kept here. Embedded in the client; lives and is touched as that is.
#pragma once

#include <cstdint>
#include <string_view>

#include "relay/context.h"
#include "relay/dial.h"
#include "relay/egress.h"
#include "relay/flow_stats.h"
#include "relay/target_tries.h"

namespace sluice::relay {

class PassageOwner {
 public:
  /// `upstream` is open, as Dial leaves it, and lives until the passage is left.
  virtual void onReached(net::Stream& upstream, std::string_view early) noexcept = 0;
  virtual void onNotReached(Errc why) noexcept = 0;

 protected:
  ~PassageOwner() = default;
};

class Passage final : public DialOwner {
 public:
  /// Counts a request of the listener.
  Passage(Context& context, PassageOwner& owner, const upstream::PlanLease& plan,
          std::uint32_t listener) noexcept;
  Passage(const Passage&) = delete;
  Passage& operator=(const Passage&) = delete;

  /// Of the rule that decided, whatever it decided.
  void enterRoute(const plan::Route& route) noexcept;
  /// Goes where the rule and `egress`, which has been decided well, say. May end before it returns.
  void begin(const Egress& egress, const net::SocketAddress& client) noexcept;
  /// Lets go of the target and of the connection to it; nothing is counted any more.
  void leave() noexcept;
  /// The connection ends by a reset.
  void abort() noexcept;

  [[nodiscard]] FlowStats& stats() noexcept { return stats_; }
  /// Empty before a rule has decided; before there is a target.
  [[nodiscard]] std::string_view routeName() const noexcept;
  [[nodiscard]] std::string_view targetName() const noexcept;
  /// By the loop's clock; 0 = not yet.
  [[nodiscard]] std::uint64_t reachedNs() const noexcept { return reachedNs_; }

 private:
  void onDialed(net::Stream& upstream, std::string_view early) noexcept override;
  void onDialFailed(Errc why) noexcept override;
  void tryNext(Errc why) noexcept;
  [[nodiscard]] bool dialTarget(Errc& why) noexcept;
  void dropDial() noexcept;
  [[nodiscard]] const plan::Listener& listener() const noexcept;
  [[nodiscard]] const plan::Pool& pool() const noexcept;
  [[nodiscard]] const plan::Target& target() const noexcept;

  Context& context_;
  PassageOwner& owner_;
  /// The owner's, which outlives this.
  const upstream::PlanLease& plan_;
  std::uint32_t listenerIndex_;
  const Egress* egress_ = nullptr;
  net::SocketAddress client_;
  Dial* dial_ = nullptr;
  const plan::Route* route_ = nullptr;
  TargetTries tries_;
  FlowStats stats_;
  std::uint64_t reachedNs_ = 0;
};

} // namespace sluice::relay
