// Encoded plans: whatever the bytes are, a plan either is refused with a reason or holds nothing
// that points outside it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plan/decode.h"

using namespace sluice;
using namespace sluice::plan;

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

/// Follows every reference, as the engine would.
void walk(const Plan& plan) {
  std::size_t sum = 0;
  for (const Listener& listener : plan.listeners) {
    require(listener.stats != nullptr && listener.state != nullptr);
    require(listener.timeouts.connectMs > 0 && listener.timeouts.idleMs > 0);
    for (const Route& route : plan.routesOf(listener)) {
      sum += route.name.size();
    }
    if (listener.pool >= 0) {
      sum += plan.pools[static_cast<std::size_t>(listener.pool)].name.size();
    }
    for (const Cidr& cidr : listener.trustedProxies) {
      const std::size_t length = cidr.family == AddressFamily::Ipv4 ? 4 : 16;
      sum += cidr.contains(std::span(cidr.bytes).first(length)) ? 1U : 0U;
    }
  }
  const std::uint8_t address[16] = {10, 0, 0, 1};
  for (const Forward& forward : plan.forwards) {
    for (const Rule& rule : forward.rules) {
      sum += rule.clients.has(std::span(address).first(4)) ? 1U : 0U;
      for (const std::uint32_t at : rule.lists) {
        sum += plan.lists.at(at).name.size();
      }
    }
  }
  for (const List& list : plan.lists) {
    sum += list.blocks.has(address) ? 1U : 0U;
    sum += list.hostSet.has("www.ads.example.com") || list.hostSet.has("a") ? 1U : 0U;
  }
  for (const Route& route : plan.routes) {
    require(route.stats != nullptr);
    sum += plan.listeners[route.listener].name.size();
    if (route.action.kind == ActionKind::Pool) {
      sum += plan.pools[route.action.pool].name.size();
    }
    if (route.pathKind == PathMatchKind::Regex) {
      sum += route.dfa.matches(route.path) ? 1U : 0U;
      sum += route.dfa.matches("/any/path/\xff") ? 1U : 0U;
    }
  }
  for (const Pool& pool : plan.pools) {
    require(pool.stats != nullptr && pool.state != nullptr);
    const std::span<const Target> targets = plan.targetsOf(pool);
    require(!targets.empty());
    sum += targets.back().name.size();
    for (const std::uint32_t entry : pool.table) {
      sum += targets[entry].weight;
    }
  }
  for (const Target& target : plan.targets) {
    require(target.stats != nullptr && target.state != nullptr && target.weight > 0);
    sum += plan.pools[target.pool].name.size();
  }
  // Keeps the reads above.
  volatile std::size_t sink = sum;
  static_cast<void>(sink);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  StateRegistry registry(1);
  {
    const Decoded decoded = decodePlan({data, size}, registry);
    require((decoded.plan == nullptr) == !decoded.problem.empty());
    if (decoded.plan) {
      walk(*decoded.plan);
    }
  }
  registry.prune();
  require(registry.size() == 0);
  return 0;
}
