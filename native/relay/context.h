// What a relay is given by its worker. Everything here belongs to that worker and is touched by its thread
// alone; only stat shards, pool cursors and target states are shared, as plan/state.h says.
#pragma once

#include <cstdint>

#include "balance/rng.h"
#include "base/byte_ring.h"
#include "net/loop.h"
#include "net/pump.h"
#include "upstream/target_pool.h"

namespace sluice::relay {

/// A listener as one worker has it open: found again by the next plan that keeps its name, address and
/// protocol. Flows point at it to learn what the current plan says of their listener.
struct ListenerSlot {
  /// Position in the listeners of the context's current plan; meaningless once isClosing.
  std::uint32_t index = 0;
  /// The listener has left the configuration or the worker drains: flows end with what they are doing.
  bool isClosing = false;
};

/// Something that lives until its client or target ends it: a connection, a tunnel, a UDP listener's table.
/// The list is how a worker reaches all of them to drain or to close.
class Flow : public net::Disposable {
public:
  /// Finish what is in flight and take on nothing new; idle flows close now.
  virtual void onDrain() noexcept = 0;
  /// Close at once.
  virtual void onCut() noexcept = 0;

protected:
  Flow() = default;
  ~Flow() = default;

private:
  friend class FlowList;
  Flow* next_ = nullptr;
  Flow* previous_ = nullptr;
};

class FlowList {
public:
  void add(Flow& flow) noexcept {
    flow.next_ = first_;
    flow.previous_ = nullptr;
    if (first_ != nullptr) {
      first_->previous_ = &flow;
    }
    first_ = &flow;
    ++count_;
  }
  void remove(Flow& flow) noexcept {
    (flow.previous_ != nullptr ? flow.previous_->next_ : first_) = flow.next_;
    if (flow.next_ != nullptr) {
      flow.next_->previous_ = flow.previous_;
    }
    --count_;
  }
  /// Calls `visit` for each flow; a visited flow may leave the list.
  template<typename Visit> void forEach(Visit visit) noexcept {
    for (Flow* flow = first_; flow != nullptr;) {
      Flow* next = flow->next_;
      visit(*flow);
      flow = next;
    }
  }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

private:
  Flow* first_ = nullptr;
  std::uint32_t count_ = 0;
};

struct Slabs;

struct Context {
  std::uint32_t worker;
  net::Loop& loop;
  net::PipePool& pipes;
  balance::Rng& rng;
  /// Access log records on their way to the log writer's thread.
  ByteRing& log;
  FlowList& flows;
  /// Where flows are made (relay/slabs.h).
  Slabs& slabs;
  /// The plan in force; new work takes a lease of it.
  upstream::PlanLease current;

  [[nodiscard]] plan::StatShard& shard(const std::shared_ptr<plan::EntityStats>& stats) noexcept {
    return stats->of(worker);
  }
};

} // namespace sluice::relay
