// The targets that one piece of work has been given so far: picks the next one, counts it as in
// flight while it is used, and knows which have been tried. Embedded in a flow; lives and is
// touched as the flow is.
#pragma once

#include <array>
#include <cstdint>

#include "net/socket_address.h"
#include "relay/context.h"
#include "relay/flow_stats.h"

namespace sluice::relay {

class TargetTries {
 public:
  /// Forgets what was tried; no target may be in use.
  void reset() noexcept { tries_ = 0; }
  /// Whether the pool's retries and targets allow another one.
  [[nodiscard]] bool hasLeft(const plan::Pool& pool) const noexcept;
  /// Picks by the pool's strategy a target not tried yet, marks it in flight and resolves
  /// stats.target. False when there is none.
  [[nodiscard]] bool next(Context& context, const plan::Plan& plan, const plan::Pool& pool,
                          const net::SocketAddress& client, FlowStats& stats) noexcept;
  /// The current target has failed, for `why`. True: that is counted, and another one may be tried.
  [[nodiscard]] bool giveUp(Context& context, const plan::Plan& plan, const plan::Pool& pool,
                            Errc why, FlowStats& stats) noexcept;
  /// The work at the current target has ended; what follows does not count for it.
  void release(const plan::Plan& plan, FlowStats& stats) noexcept;

  [[nodiscard]] bool hasTarget() const noexcept { return hasTarget_; }
  /// Index of the current target, or of the last one, in the plan's targets.
  [[nodiscard]] std::uint32_t target() const noexcept { return target_; }

 private:
  /// The most retries that a pool may be given, and the first try.
  static constexpr std::size_t kMaxTries = 11;

  /// Positions within the pool.
  std::array<std::uint32_t, kMaxTries> tried_{};
  std::uint32_t tries_ = 0;
  std::uint32_t target_ = 0;
  bool hasTarget_ = false;
};

} // namespace sluice::relay
