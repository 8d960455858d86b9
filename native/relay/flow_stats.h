// The entities that one flow counts for, resolved once to this worker's shards.
#pragma once

#include <cstdint>

#include "plan/state.h"
#include "relay/user_meter.h"

namespace sluice::relay {

struct FlowStats {
  plan::StatShard* listener = nullptr;
  plan::StatShard* route = nullptr;
  plan::StatShard* pool = nullptr;
  plan::StatShard* target = nullptr;
  /// Of the client's user; null where nobody is asked who they are.
  UserMeter* meter = nullptr;

  /// On every entity that is known by now.
  void add(Counter counter, std::uint64_t n = 1) const noexcept {
    forEach([=](plan::StatShard& shard) { shard.add(counter, n); });
  }
  void sub(Counter counter, std::uint64_t n = 1) const noexcept {
    forEach([=](plan::StatShard& shard) { shard.sub(counter, n); });
  }
  void error(Errc code) const noexcept {
    forEach([=](plan::StatShard& shard) { shard.error(code); });
  }
  void latency(std::uint64_t ns) const noexcept {
    forEach([=](plan::StatShard& shard) { shard.latency(ns); });
  }

 private:
  template<typename Visit>
  void forEach(Visit visit) const noexcept {
    for (plan::StatShard* shard : {listener, route, pool, target}) {
      if (shard != nullptr) {
        visit(*shard);
      }
    }
  }
};

} // namespace sluice::relay
