#include "plan/state.h"

#include <memory>
#include <vector>

#include "plan/plan.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::plan;

TEST("a registry finds an entity again while a plan holds it and forgets it afterwards") {
  StateRegistry registry(2);
  auto first = registry.stats("listener/web");
  CHECK(registry.stats("listener/web") == first);
  first->of(0).add(Counter::Requests, 3);
  first.reset();
  registry.prune();
  std::vector<double> sum(kStatsStride);
  auto again = registry.stats("listener/web");
  again->of(0).addTo(sum.data());
  CHECK_EQ(sum[static_cast<std::size_t>(Counter::Requests)], 0.0);
}

TEST("shards add up, gauges fall again and latency lands in its bucket") {
  EntityStats stats(2);
  stats.of(0).add(Counter::Active, 2);
  stats.of(0).sub(Counter::Active, 1);
  stats.of(1).add(Counter::Active, 5);
  stats.of(1).error(Errc::NoRoute);
  stats.of(1).latency(1'000'000);
  std::vector<double> sum(kStatsStride);
  for (const StatShard& shard : stats.shards()) {
    shard.addTo(sum.data());
  }
  CHECK_EQ(sum[static_cast<std::size_t>(Counter::Active)], 6.0);
  CHECK_EQ(sum[kCounterCount + static_cast<std::size_t>(Errc::NoRoute)], 1.0);
  CHECK_EQ(sum[kCounterCount + kErrcCount + histogramBucket(1'000'000)], 1.0);
  CHECK_EQ(sum[kStatsStride - 1], 1'000'000.0);
}

TEST("a CIDR compares whole bytes and the bits that are left") {
  Cidr cidr{AddressFamily::Ipv4, {10, 1, 0xf0}, 20};
  const std::uint8_t inside[] = {10, 1, 0xff, 9};
  const std::uint8_t outside[] = {10, 1, 0xef, 9};
  CHECK(cidr.contains(inside));
  CHECK(!cidr.contains(outside));
  const std::uint8_t v6[16] = {};
  CHECK(!cidr.contains(v6));
}
