#include "balance/pick.h"

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "test/balance/vectors.h"
#include "test/test.h"

using namespace sluice;
using namespace sluice::balance;

namespace {

plan::Plan makePlan(Strategy strategy, const std::vector<std::uint32_t>& weights,
                    std::vector<std::uint32_t> table) {
  plan::Plan plan;
  plan::Pool& pool = plan.pools.emplace_back();
  pool.strategy = strategy;
  pool.targets = {0, static_cast<std::uint32_t>(weights.size())};
  pool.table = std::move(table);
  pool.state = std::make_shared<plan::PoolState>();
  for (const std::uint32_t weight : weights) {
    plan::Target& target = plan.targets.emplace_back();
    target.weight = weight;
    target.state = std::make_shared<plan::TargetState>();
  }
  return plan;
}

constexpr std::uint64_t kNowMs = 1000;

void setStates(plan::Plan& plan, const std::vector<std::uint32_t>& unusable,
               const std::vector<std::uint32_t>& inFlight) {
  for (std::uint32_t i = 0; i < plan.targets.size(); ++i) {
    const bool isOut = std::find(unusable.begin(), unusable.end(), i) != unusable.end();
    // One way of being unusable for even positions, the other for odd ones.
    plan.targets[i].state->ejectedUntilMs = isOut && i % 2 == 0 ? kNowMs + 1 : 0;
    plan.targets[i].state->isHealthy = !(isOut && i % 2 == 1);
    plan.targets[i].state->inFlight = i < inFlight.size() ? inFlight[i] : 0;
  }
}

void reportLine(const test::Words& words, std::int32_t actual) {
  std::string line;
  for (const std::string& word : words) {
    line += word + " ";
  }
  test::fail(__FILE__, __LINE__, line + "but picked " + std::to_string(actual));
}

} // namespace

TEST("picks are those of the shared vectors") {
  plan::Plan plan;
  Rng rng(1);
  int picks = 0;
  for (const test::Words& words : test::readBalanceVectors("pick")) {
    if (words[0] == "pool") {
      const auto* name = std::find(kStrategyNames.begin(), kStrategyNames.end(), words[1]);
      CHECK(name != kStrategyNames.end());
      plan = makePlan(static_cast<Strategy>(name - kStrategyNames.begin()), test::numbers(words[3]),
                      test::numbers(words[4]));
      rng = Rng(static_cast<std::uint32_t>(test::number(words[2])));
    } else if (words[0] == "pick") {
      setStates(plan, test::numbers(words[2]), test::numbers(words[4]));
      const auto tried = test::numbers(words[3]);
      const PickInput input{static_cast<std::uint32_t>(test::number(words[1])), rng, kNowMs, tried};
      const std::int32_t picked = pick(plan, plan.pools[0], input);
      if (std::to_string(picked) != words[5]) {
        reportLine(words, picked);
      }
      ++picks;
    } else {
      CHECK_EQ(words[0], "last");
      const auto unhealthy = test::numbers(words[1]);
      const auto tried = test::numbers(words[2]);
      const auto until = test::numbers(words[3]);
      for (std::uint32_t i = 0; i < until.size(); ++i) {
        plan.targets[i].state->ejectedUntilMs = until[i];
        plan.targets[i].state->isHealthy =
            std::find(unhealthy.begin(), unhealthy.end(), i) == unhealthy.end();
      }
      const PickInput input{0, rng, kNowMs, tried};
      const std::int32_t picked = lastResort(plan, plan.pools[0], input);
      if (std::to_string(picked) != words[4]) {
        reportLine(words, picked);
      }
    }
  }
  CHECK(picks > 100);
}

TEST("an ejected target is usable again when its time is up") {
  plan::Plan plan = makePlan(Strategy::RoundRobin, {1}, {0});
  plan.targets[0].state->ejectedUntilMs = 50;
  Rng rng(1);
  CHECK_EQ(pick(plan, plan.pools[0], {0, rng, 49, {}}), -1);
  CHECK_EQ(pick(plan, plan.pools[0], {0, rng, 50, {}}), 0);
}

TEST("two equal targets get the same number of turns however many workers ask") {
  plan::Plan plan = makePlan(Strategy::RoundRobin, {1, 1}, {0, 1});
  constexpr int kWorkers = 4;
  constexpr int kPicks = 5000;
  std::vector<int> second(kWorkers);
  std::vector<std::thread> workers;
  for (std::uint32_t w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&plan, &second, w] {
      Rng rng(w);
      for (int i = 0; i < kPicks; ++i) {
        second[w] += pick(plan, plan.pools[0], {0, rng, kNowMs, {}});
      }
    });
  }
  int total = 0;
  for (std::uint32_t w = 0; w < kWorkers; ++w) {
    workers[w].join();
    total += second[w];
  }
  CHECK_EQ(total, kWorkers * kPicks / 2);
}
